// Batch normalisation in training with the ReLU behind it, and the shortcut that is added between them, as one
// operation with its gradient: each pass over the memory does all that can be done in it. For float32 in channels last
// on the processor.
//
// Sums have a fixed order: chunks whose size depends on the shape alone, added up one after another. So the bits are
// the same for any number of threads.

#include "guarded.h"
#include "norm_loops.h"

#include <ATen/TensorIterator.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/ops/alias.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/csrc/autograd/saved_variable.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace {

using reg::Affine;
using reg::Matrix;
using torch::autograd::SavedVariable;
using torch::autograd::variable_list;

constexpr auto LAST = at::MemoryFormat::ChannelsLast;

// The rows of a tensor in channels last, divided into chunks.
struct Chunks {
  Matrix all;
  int64_t rows;
  int64_t count;

  explicit Chunks(const at::Tensor& x) : all{x.numel() / x.size(1), x.size(1)} {
    // A quarter of a megabyte, so that the sums of a chunk are little compared with what they are sums of.
    rows = std::max<int64_t>(32, (int64_t(1) << 16) / all.channels);
    count = (all.rows + rows - 1) / rows;
  }

  // Calls `act(chunk, its first number, its shape)` for every chunk, in libtorch's threads: those of TensorIterator,
  // because at::parallel_for is an inline function and would need an OpenMP of our own. `backwards`, a thread begins
  // with what the pass before has left in the cache.
  template <typename Act>
  void each(bool backwards, Act act) const {
    auto numbers = at::arange(count, at::kLong);
    auto loop = [&](char** data, const int64_t* strides, int64_t steps) {
      for (int64_t i = 0; i < steps; i++) {
        const auto step = backwards ? steps - 1 - i : i;
        const auto chunk = *reinterpret_cast<const int64_t*>(data[0] + step * strides[0]);
        const auto begin = chunk * rows;
        act(chunk, begin * all.channels, Matrix{std::min(rows, all.rows - begin), all.channels});
      }
    };
    at::TensorIterator::borrowing_nullary_op(numbers).for_each(loop, /*grain_size=*/1);
  }
};

// Two numbers in double precision for each chunk and channel.
struct Partial {
  int64_t channels;
  std::vector<double> numbers;

  explicit Partial(const Chunks& chunks)
      : channels(chunks.all.channels), numbers(static_cast<size_t>(2 * chunks.count * channels)) {}
  double* first(int64_t chunk) { return numbers.data() + 2 * chunk * channels; }
  double* second(int64_t chunk) { return first(chunk) + channels; }
};

// Sum of squared differences from the mean of all rows, and this mean, for each channel.
struct Moments {
  std::vector<double> mean;
  std::vector<double> squares;

  Moments(const float* x, const Chunks& chunks) : mean(chunks.all.channels), squares(chunks.all.channels) {
    Partial of(chunks);
    chunks.each(true, [&](int64_t chunk, int64_t at, Matrix shape) {
      reg::moments(x + at, shape, of.first(chunk), of.second(chunk));
    });
    for (int64_t chunk = 0; chunk < chunks.count; chunk++) {
      const auto before = static_cast<double>(chunk * chunks.rows);
      const auto rows = static_cast<double>(std::min(chunks.rows, chunks.all.rows - chunk * chunks.rows));
      const auto share = rows / (before + rows);
      for (int64_t c = 0; c < chunks.all.channels; c++) {
        const double apart = of.first(chunk)[c] - mean[c];
        mean[c] += apart * share;
        squares[c] += of.second(chunk)[c] + apart * apart * (before * share);
      }
    }
  }
};

// A copy or the tensor itself: dense and in channels last.
at::Tensor dense(const at::Tensor& tensor) {
  return tensor.defined() && !tensor.is_contiguous(LAST) ? tensor.contiguous(LAST) : tensor;
}

// A tensor for a result: `used`, whose memory nobody else reads any more, or new memory.
at::Tensor result(const at::Tensor& used, bool ours, const at::Tensor& like) {
  return ours ? used : at::empty_like(like, like.options(), LAST);
}

// Whether this is the only reference to a tensor and its memory.
bool is_ours(const at::Tensor& tensor) {
  return tensor.defined() && tensor.use_count() == 1 && tensor.storage().use_count() == 1;
}

// The gradient. Its inputs are the gradients of the output: of what the next layers compute from it, and of its use
// as a shortcut. The outputs are the gradients of x, weight, bias and, if there was one, shortcut.
struct NormBackward final : torch::autograd::Node {
  SavedVariable x;
  // The output, if a shortcut was added. Without, its sign is computed again from x.
  SavedVariable y;
  // Mean, 1 / standard deviation, scale and bias: `[4, channels]`.
  at::Tensor numbers;
  bool relu;
  bool shortcut;

  std::string name() const override { return "NormBackward"; }

  void release_variables() override {
    std::lock_guard<std::mutex> lock(mutex_);
    x.reset_data();
    y.reset_data();
  }

  variable_list apply(variable_list&& gradients) override {
    std::lock_guard<std::mutex> lock(mutex_);
    TORCH_CHECK(!at::GradMode::is_enabled(), "batch normalisation in one pass has no second derivative");
    variable_list out(shortcut ? 4 : 3);
    auto first = dense(std::move(gradients[0]));
    auto second = gradients.size() > 1 ? dense(std::move(gradients[1])) : at::Tensor();
    gradients.clear();
    if (!first.defined()) std::swap(first, second);
    if (!first.defined()) return out;
    const auto x = this->x.unpack();
    const Chunks chunks(x);
    const auto channels = chunks.all.channels;
    const auto* number = numbers.const_data_ptr<float>();
    const Affine affine{number, number + 2 * channels, number + 3 * channels};
    const auto* values = x.const_data_ptr<float>();

    Partial partial(chunks);
    const auto sums = [&](int64_t chunk) { return reg::Sums{partial.first(chunk), partial.second(chunk)}; };
    // The memory of both gradients can take what is computed from them.
    bool ours = is_ours(first), masks = relu;
    if (shortcut) {
      const auto y = this->y.unpack(shared_from_this());
      const bool both = second.defined() && is_ours(second);
      const auto masked = both ? second : result(first, ours, x);
      const auto* one = first.const_data_ptr<float>();
      const auto* two = second.defined() ? second.const_data_ptr<float>() : nullptr;
      const auto* output = y.const_data_ptr<float>();
      auto* to = masked.mutable_data_ptr<float>();
      chunks.each(true, [&](int64_t chunk, int64_t at, Matrix shape) {
        reg::shortcut_gradient_sums(one + at, two ? two + at : nullptr, output + at, values + at, to + at, shape,
                                    affine, sums(chunk));
      });
      out[3] = masked;
      ours = ours && both;
      masks = false;
    } else {
      if (second.defined()) first = first + second;
      const auto* gradient = first.const_data_ptr<float>();
      chunks.each(true, [&](int64_t chunk, int64_t at, Matrix shape) {
        reg::gradient_sums(gradient + at, values + at, shape, affine, masks, sums(chunk));
      });
    }

    auto terms = at::empty({4, channels}, x.options());
    auto* offset = terms.mutable_data_ptr<float>();
    auto *slope = offset + channels, *of_weight = slope + channels, *of_bias = of_weight + channels;
    for (int64_t c = 0; c < channels; c++) {
      double sum = 0.0, product = 0.0;
      for (int64_t chunk = 0; chunk < chunks.count; chunk++) {
        sum += partial.first(chunk)[c];
        product += partial.second(chunk)[c];
      }
      const double inverse = number[channels + c], rows = static_cast<double>(chunks.all.rows);
      offset[c] = static_cast<float>(sum / rows);
      slope[c] = static_cast<float>(product * inverse * inverse / rows);
      of_weight[c] = static_cast<float>(product * inverse);
      of_bias[c] = static_cast<float>(sum);
    }
    if (task_should_compute_output(1)) out[1] = terms[2];
    if (task_should_compute_output(2)) out[2] = terms[3];
    if (task_should_compute_output(0)) {
      const auto& gradient = shortcut ? out[3] : first;
      out[0] = result(first, ours, x);
      const auto* from = gradient.const_data_ptr<float>();
      auto* to = out[0].mutable_data_ptr<float>();
      chunks.each(false, [&](int64_t, int64_t at, Matrix shape) {
        reg::input_gradient(from + at, values + at, to + at, shape, affine, {offset, slope}, masks);
      });
    }
    return out;
  }
};

bool is_float(const at::Tensor& tensor) { return tensor.is_cpu() && tensor.scalar_type() == at::kFloat; }

bool is_vector(const at::Tensor& tensor, int64_t length) {
  return is_float(tensor) && tensor.dim() == 1 && tensor.size(0) == length && tensor.is_contiguous();
}

bool is_map(const at::Tensor& tensor) {
  return is_float(tensor) && tensor.dim() == 4 && tensor.numel() > 0 && tensor.is_contiguous(LAST);
}

// Updates running mean and variance `[channels]` in place, as libtorch does.
void update(const Moments& moments, int64_t rows, double momentum, const at::Tensor& mean, const at::Tensor& variance) {
  auto* means = mean.mutable_data_ptr<float>();
  auto* variances = variance.mutable_data_ptr<float>();
  for (int64_t c = 0; c < mean.size(0); c++) {
    const double own = static_cast<float>(moments.mean[c]);
    const double spread = static_cast<float>(moments.squares[c]) / static_cast<double>(rows - 1);
    means[c] = static_cast<float>(momentum * own + (1.0 - momentum) * means[c]);
    variances[c] = static_cast<float>(momentum * spread + (1.0 - momentum) * variances[c]);
  }
}

}  // namespace

extern "C" {

// Batch normalisation with the statistics of the batch, which also update `mean` and `variance`; then `shortcut` is
// added unless it is null, and negative values become 0 if `relu`, and always with a shortcut. `tensors` are weight,
// bias, running mean and running variance. `out[0]` takes the output; with a shortcut, `out[1]` takes the same output
// once more, for a second layer that reads it: the gradients of both are added in passing. They stay null, and nothing
// is computed, for tensors that this does not serve.
const char* reg_norm(const at::Tensor* x, at::Tensor* const* tensors, const at::Tensor* shortcut, bool relu,
                     double momentum, double epsilon, at::Tensor** out) {
  return guarded([&] {
    if (!is_map(*x) || at::autocast::is_autocast_enabled(at::kCPU)) return;
    const auto channels = x->size(1);
    if (!std::all_of(tensors, tensors + 4, [&](auto* tensor) { return is_vector(*tensor, channels); })) return;
    const at::Tensor &weight = *tensors[0], &bias = *tensors[1];
    if (shortcut && !(is_map(*shortcut) && shortcut->sizes() == x->sizes())) return;
    const Chunks chunks(*x);
    // A variance of one value would be 0 / 0.
    if (chunks.all.rows < 2) return;

    const auto* values = x->const_data_ptr<float>();
    const Moments moments(values, chunks);
    update(moments, chunks.all.rows, momentum, *tensors[2], *tensors[3]);
    auto numbers = at::empty({4, channels}, x->options().requires_grad(false));
    auto* number = numbers.mutable_data_ptr<float>();
    const auto *weights = weight.const_data_ptr<float>(), *biases = bias.const_data_ptr<float>();
    for (int64_t c = 0; c < channels; c++) {
      const double spread = moments.squares[c] / static_cast<double>(chunks.all.rows);
      const auto inverse = static_cast<float>(1.0 / std::sqrt(spread + epsilon));
      number[c] = static_cast<float>(moments.mean[c]);
      number[channels + c] = inverse;
      number[2 * channels + c] = inverse * weights[c];
      number[3 * channels + c] = biases[c];
    }
    const auto* added = shortcut ? shortcut->const_data_ptr<float>() : nullptr;
    auto y = at::empty(x->sizes(), x->options().requires_grad(false), LAST);
    auto* to = y.mutable_data_ptr<float>();
    const Affine affine{number, number + 2 * channels, number + 3 * channels};
    chunks.each(false, [&](int64_t, int64_t at, Matrix shape) {
      reg::normalise(values + at, added ? added + at : nullptr, to + at, shape, affine, relu);
    });

    at::Tensor again;
    if (shortcut) {
      at::AutoDispatchBelowADInplaceOrView below;
      again = at::alias(y);
    }
    const at::Tensor none;
    const auto& other = shortcut ? *shortcut : none;
    if (torch::autograd::compute_requires_grad(*x, weight, bias, other)) {
      std::shared_ptr<NormBackward> node(new NormBackward(), torch::autograd::deleteNode);
      node->set_next_edges(shortcut ? torch::autograd::collect_next_edges(*x, weight, bias, other)
                                    : torch::autograd::collect_next_edges(*x, weight, bias));
      torch::autograd::set_history(y, node);
      if (shortcut) torch::autograd::set_history(again, node);
      node->x = SavedVariable(*x, /*is_output=*/false);
      if (shortcut) node->y = SavedVariable(y, /*is_output=*/true);
      node->numbers = numbers;
      node->relu = relu;
      node->shortcut = shortcut;
    }
    out[0] = new at::Tensor(y);
    if (shortcut) out[1] = new at::Tensor(again);
  });
}

}  // extern "C"
