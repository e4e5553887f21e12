// What libtorch can do and tch has no call for. Each function returns null, or what went wrong in words
// that live until the next call of the same thread. A tensor is a pointer to an at::Tensor, as in tch.

#include "guarded.h"

#include <ATen/Context.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/_fused_adam.h>

#include <unistd.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <vector>

namespace {

std::vector<at::Tensor> list(at::Tensor* const* tensors, size_t count) {
  std::vector<at::Tensor> values;
  values.reserve(count);
  for (size_t i = 0; i < count; i++) values.push_back(*tensors[i]);
  return values;
}

}  // namespace

extern "C" {

// One step of Adam over `count` tensors, of which `four` holds all parameters, then all gradients, first
// moments and second moments. `step` counts from 1.
const char* reg_adam(at::Tensor* const* four, size_t count, at::Tensor* step, double lr, double beta1,
                     double beta2, double eps) {
  return guarded([&] {
    std::vector<at::Tensor> steps(count, *step);
    at::_fused_adam_(list(four, count), list(four + count, count), list(four + 2 * count, count),
                     list(four + 3 * count, count), {}, steps, lr, beta1, beta2, /*weight_decay=*/0.0, eps,
                     /*amsgrad=*/false, /*maximize=*/false);
  });
}

// Returns freed memory to the system.
void reg_release_memory() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

// Makes standard error another name of an open file.
bool reg_standard_error(int file) { return dup2(file, STDERR_FILENO) >= 0; }

// Algorithms that give the same bits at every run, or an error where there is none; and whether float32
// may be computed in TensorFloat-32.
const char* reg_cuda_rules(bool tf32) {
  return guarded([&] {
    auto& context = at::globalContext();
    context.setDeterministicAlgorithms(true, /*warn_only=*/false);
    // Filling what will be overwritten finds errors of a program, and costs time.
    context.setDeterministicFillUninitializedMemory(false);
    context.setDeterministicCuDNN(true);
    // Benchmarking picks algorithms by time, so not the same ones at every run.
    context.setBenchmarkCuDNN(false);
    context.setAllowTF32CuDNN(tf32);
    context.setAllowTF32CuBLAS(tf32);
  });
}

// Whether those rules are in force.
bool reg_cuda_reproducible() {
  auto& context = at::globalContext();
  return context.deterministicAlgorithms() && context.deterministicCuDNN() && !context.benchmarkCuDNN();
}

// Whether operations that bear it are computed in bfloat16.
const char* reg_autocast(bool cuda, bool on) {
  return guarded([&] {
    auto device = cuda ? at::kCUDA : at::kCPU;
    at::autocast::set_autocast_dtype(device, at::kBFloat16);
    at::autocast::set_autocast_enabled(device, on);
    // Weights that were cast belong to the step that cast them.
    at::autocast::clear_cache();
  });
}

// Convolution with bias on the processor; `add`, unless null, is added to what comes out and takes its
// place, and negative values become 0 if `relu`.
const char* reg_convolution(const at::Tensor* x, const at::Tensor* weight, const at::Tensor* bias, int64_t stride,
                            int64_t padding, at::Tensor* add, bool relu, at::Tensor** out) {
  return guarded([&] {
    static auto plain = c10::Dispatcher::singleton().findSchemaOrThrow("mkldnn::_convolution_pointwise", "");
    static auto sum = c10::Dispatcher::singleton().findSchemaOrThrow("mkldnn::_convolution_pointwise_", "binary");
    std::vector<int64_t> strides{stride, stride}, paddings{padding, padding}, dilations{1, 1};
    c10::List<std::optional<at::Scalar>> scalars;
    c10::IValue nothing;
    std::vector<c10::IValue> stack;
    if (add) {
      c10::IValue activation = relu ? c10::IValue("relu") : nothing;
      stack = {*add, *x, *weight, *bias, paddings, strides, dilations, int64_t(1), "add", nothing, activation, scalars, nothing};
      sum.callBoxed(&stack);
    } else {
      stack = {*x, *weight, *bias, paddings, strides, dilations, int64_t(1), relu ? "relu" : "none", scalars, nothing};
      plain.callBoxed(&stack);
    }
    *out = new at::Tensor(stack.at(0).toTensor());
  });
}

}  // extern "C"
