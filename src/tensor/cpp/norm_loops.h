// The loops over memory behind norm.cpp. A matrix has `rows` rows, one for each pixel of each image, of `channels`
// numbers; an array for channels has `channels` numbers.

#pragma once

#include <cstdint>

namespace reg {

struct Matrix {
  int64_t rows;
  int64_t channels;
};

// What BatchNorm does to one channel: (x - mean) * scale + bias.
struct Affine {
  const float* mean;
  const float* scale;
  const float* bias;
};

// The gradient of x: ((g - offset) - (x - mean) * slope) * scale, where g is the gradient of the normalised value.
struct Slopes {
  const float* offset;
  const float* slope;
};

// Where sums over rows go: of g, and of g * (x - mean).
struct Sums {
  double* plain;
  double* product;
};

// Mean of each channel, and sum of squared differences from it. At least one row.
void moments(const float* x, Matrix shape, double* mean, double* squares);

// y = (x - mean) * scale + bias, plus `shortcut` unless it is null; negative values become 0 if `relu`, and always
// with a shortcut.
void normalise(const float* x, const float* shortcut, float* y, Matrix shape, Affine affine, bool relu);

// Sums over the rows for g, the gradient of the normalised value: `gradient` where that value is not negative if
// `relu`, which is computed again from x, else `gradient`.
void gradient_sums(const float* gradient, const float* x, Matrix shape, Affine affine, bool relu, Sums sums);

// The same after a shortcut and ReLU: g is `first`, plus `second` unless it is null, where y, the output, is positive.
// It is written to `masked`, which may be `first` or `second`.
void shortcut_gradient_sums(const float* first, const float* second, const float* y, const float* x, float* masked,
                            Matrix shape, Affine affine, Sums sums);

// The gradient of x, from the same `gradient` as in `gradient_sums` or from `masked` without `relu`. `out` may be
// `gradient`.
void input_gradient(const float* gradient, const float* x, float* out, Matrix shape, Affine affine, Slopes slopes,
                    bool relu);

}  // namespace reg
