// Plain loops over channels, which the compiler turns into vector instructions. They are compiled for several
// generations of processors and give the same bits on all of them: each channel has sums of its own, so the width of
// a vector changes no order, and products are rounded before they are added (-ffp-contract=off).

#include "norm_loops.h"

#include <algorithm>
#include <vector>

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__)
#define EACH_PROCESSOR __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define EACH_PROCESSOR
#endif
#define INLINED static inline __attribute__((always_inline))
// An output may be one of the inputs, at the same position.
#if defined(__clang__)
#define INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define INDEPENDENT _Pragma("GCC ivdep")
#endif

namespace reg {
namespace {

// Rows that are summed in single precision before they are added to sums in double precision.
constexpr int64_t BLOCK = 64;

// Where a gradient passes: everywhere, where the normalised value is positive, or where the output is.
enum class Mask { Nowhere, Normalised, Output };

template <bool Relu, bool Add>
INLINED void normalise_as(const float* x, const float* shortcut, float* y, Matrix shape, Affine affine) {
  const auto [mean, scale, bias] = affine;
  const int64_t channels = shape.channels;
  for (int64_t at = 0; at < shape.rows * channels; at += channels) {
    INDEPENDENT
    for (int64_t c = 0; c < channels; c++) {
      float v = (x[at + c] - mean[c]) * scale[c] + bias[c];
      if (Add) v += shortcut[at + c];
      // Not `v > 0 ? v : 0`: what is not a number stays so.
      y[at + c] = Relu && v < 0.0f ? 0.0f : v;
    }
  }
}

template <Mask By, bool Two, bool Keep>
INLINED void gradient_sums_as(const float* first, const float* second, const float* y, const float* x, float* masked,
                              Matrix shape, Affine affine, Sums sums) {
  const auto [mean, scale, bias] = affine;
  const int64_t channels = shape.channels;
  std::vector<float> memory(2 * channels);
  float* plain = memory.data();
  float* product = plain + channels;
  std::fill(sums.plain, sums.plain + channels, 0.0);
  std::fill(sums.product, sums.product + channels, 0.0);
  for (int64_t begin = 0; begin < shape.rows; begin += BLOCK) {
    const int64_t end = std::min(begin + BLOCK, shape.rows);
    std::fill(plain, plain + 2 * channels, 0.0f);
    for (int64_t at = begin * channels; at < end * channels; at += channels) {
      INDEPENDENT
      for (int64_t c = 0; c < channels; c++) {
        const int64_t j = at + c;
        const float d = x[j] - mean[c];
        float g = Two ? first[j] + second[j] : first[j];
        if (By == Mask::Normalised) g = d * scale[c] + bias[c] <= 0.0f ? 0.0f : g;
        if (By == Mask::Output) g = y[j] <= 0.0f ? 0.0f : g;
        if (Keep) masked[j] = g;
        plain[c] += g;
        product[c] += g * d;
      }
    }
    for (int64_t c = 0; c < channels; c++) {
      sums.plain[c] += plain[c];
      sums.product[c] += product[c];
    }
  }
}

template <bool Relu>
INLINED void input_gradient_as(const float* gradient, const float* x, float* out, Matrix shape, Affine affine,
                               Slopes slopes) {
  const auto [mean, scale, bias] = affine;
  const auto [offset, slope] = slopes;
  const int64_t channels = shape.channels;
  for (int64_t at = 0; at < shape.rows * channels; at += channels) {
    INDEPENDENT
    for (int64_t c = 0; c < channels; c++) {
      const float d = x[at + c] - mean[c];
      float g = gradient[at + c];
      if (Relu) g = d * scale[c] + bias[c] <= 0.0f ? 0.0f : g;
      out[at + c] = ((g - offset[c]) - d * slope[c]) * scale[c];
    }
  }
}

}  // namespace

// In one pass: each block sums differences from the mean of the block before it, which needs no first pass and loses
// no digits however large the mean is. Where the means of blocks are far apart compared with the spread within them,
// so that squares of differences are rounded coarsely, that distance is itself part of the variance.
EACH_PROCESSOR
void moments(const float* x, Matrix shape, double* mean, double* squares) {
  const int64_t channels = shape.channels;
  std::vector<float> memory(3 * channels);
  float* origin = memory.data();
  float* sum = origin + channels;
  float* square = sum + channels;
  const int64_t sample = std::min(BLOCK, shape.rows);
  for (int64_t at = 0; at < sample * channels; at += channels) {
    INDEPENDENT
    for (int64_t c = 0; c < channels; c++) origin[c] += x[at + c];
  }
  for (int64_t c = 0; c < channels; c++) {
    origin[c] /= static_cast<float>(sample);
    mean[c] = squares[c] = 0.0;
  }
  for (int64_t begin = 0; begin < shape.rows; begin += BLOCK) {
    const int64_t end = std::min(begin + BLOCK, shape.rows);
    std::fill(sum, sum + 2 * channels, 0.0f);
    for (int64_t at = begin * channels; at < end * channels; at += channels) {
      INDEPENDENT
      for (int64_t c = 0; c < channels; c++) {
        const float d = x[at + c] - origin[c];
        sum[c] += d;
        square[c] += d * d;
      }
    }
    // Mean and squares of the union of two samples: Chan, Golub and LeVeque, 1983.
    const double before = static_cast<double>(begin), rows = static_cast<double>(end - begin);
    const double share = rows / (before + rows);
    for (int64_t c = 0; c < channels; c++) {
      const double own = sum[c], spread = square[c] - own * own / rows;
      const double middle = origin[c] + own / rows, apart = middle - mean[c];
      mean[c] += apart * share;
      squares[c] += (spread < 0.0 ? 0.0 : spread) + apart * apart * (before * share);
      origin[c] = static_cast<float>(middle);
    }
  }
}

EACH_PROCESSOR
void normalise(const float* x, const float* shortcut, float* y, Matrix shape, Affine affine, bool relu) {
  if (shortcut) return normalise_as<true, true>(x, shortcut, y, shape, affine);
  if (relu) return normalise_as<true, false>(x, nullptr, y, shape, affine);
  normalise_as<false, false>(x, nullptr, y, shape, affine);
}

EACH_PROCESSOR
void gradient_sums(const float* gradient, const float* x, Matrix shape, Affine affine, bool relu, Sums sums) {
  if (relu) {
    gradient_sums_as<Mask::Normalised, false, false>(gradient, nullptr, nullptr, x, nullptr, shape, affine, sums);
  } else {
    gradient_sums_as<Mask::Nowhere, false, false>(gradient, nullptr, nullptr, x, nullptr, shape, affine, sums);
  }
}

EACH_PROCESSOR
void shortcut_gradient_sums(const float* first, const float* second, const float* y, const float* x, float* masked,
                            Matrix shape, Affine affine, Sums sums) {
  if (second) {
    gradient_sums_as<Mask::Output, true, true>(first, second, y, x, masked, shape, affine, sums);
  } else {
    gradient_sums_as<Mask::Output, false, true>(first, nullptr, y, x, masked, shape, affine, sums);
  }
}

EACH_PROCESSOR
void input_gradient(const float* gradient, const float* x, float* out, Matrix shape, Affine affine, Slopes slopes,
                    bool relu) {
  if (relu) return input_gradient_as<true>(gradient, x, out, shape, affine, slopes);
  input_gradient_as<false>(gradient, x, out, shape, affine, slopes);
}

}  // namespace reg
