// How the block formats find their scales: candidates, each with the scale that fits its levels best in the
// least-squares sense, and the one that errs least wins. For the quant_<name>.cpp only.
//
// The sums are spelled out in vectors of four, which every machine has: the same bits everywhere, without
// extra instruction sets. Values come in normalized to a largest magnitude of about 1, so that no square
// overflows or vanishes.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "base/half.h"

namespace sambay::search {

using Lanes = float __attribute__((vector_size(16)));
inline constexpr int kLanes = 4;
inline constexpr int kMaxBlock = 256;  ///< elements of the longest block

inline Lanes load(const float* p) {
  Lanes v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
inline void store(Lanes v, float* p) { __builtin_memcpy(p, &v, sizeof v); }
inline float sum(Lanes v) { return (v[0] + v[1]) + (v[2] + v[3]); }
inline Lanes clamp(Lanes v, float lowest, float highest) {
  const Lanes lo = Lanes{} + lowest, hi = Lanes{} + highest;
  v = v > lo ? v : lo;  // in this order NaN becomes a level, too
  return v < hi ? v : hi;
}

/// Levels that are the integers of a range.
template <int Lowest, int Highest>
struct IntegerLevels {
  static constexpr float kLowest = Lowest, kHighest = Highest;
  static Lanes nearest(Lanes v) {
    constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it leaves no bits behind the point
    return (clamp(v, kLowest, kHighest) + kRound) - kRound;
  }
};

/// 1 / scale for multiplying; 0 when there is no such number, so that everything becomes level 0.
inline float inverse_of(float scale) {
  const float inverse = 1.0f / scale;
  return std::isfinite(inverse) && std::isfinite(scale) ? inverse : 0.0f;
}

/// A block scaled to a largest magnitude of 1, and what its errors weigh.
struct Normalized {
  alignas(16) float x[kMaxBlock];
  const float* w;      ///< [count]
  float largest;       ///< magnitude in the block
  float inverse;       ///< 1 / largest
  bool is_finite;      ///< else x is zeros
  bool is_negligible;  ///< too small for any format's f16 scales: x is zeros
};

/// importance [count] or null for equal weights. count is a multiple of 4, at most kMaxBlock.
inline Normalized normalize(const float* values, const float* importance, int count) {
  struct Ones {
    float one[kMaxBlock];
    constexpr Ones() : one{} {
      for (float& o : one) o = 1.0f;
    }
  };
  static constexpr Ones kOnes;
  Normalized n;
  n.w = importance ? importance : kOnes.one;
  Lanes largest{}, not_finite{};
  for (int i = 0; i < count; i += kLanes) {
    const Lanes v = load(values + i), magnitude = v < 0.0f ? -v : v;
    largest = magnitude > largest ? magnitude : largest;
    not_finite += v * 0.0f;
  }
  n.largest = std::max(std::max(largest[0], largest[1]), std::max(largest[2], largest[3]));
  n.is_finite = sum(not_finite) == 0.0f;
  n.is_negligible = n.largest < 1e-20f;
  n.inverse = n.is_finite && !n.is_negligible ? 1.0f / n.largest : 0.0f;
  for (int i = 0; i < count; i++) n.x[i] = n.inverse > 0 ? values[i] * n.inverse : 0.0f;
  return n;
}

/// A scale as the file holds it, from normalized units. NaN marks a block of which nothing is right.
inline uint16_t stored_scale(const Normalized& n, float scale) {
  return f32_to_f16(n.is_finite ? scale * n.largest : std::numeric_limits<float>::quiet_NaN());
}
/// The stored scale in normalized units; 0 when it is of no use.
inline float usable_scale(const Normalized& n, uint16_t stored) {
  const float scale = f16_to_f32(stored) * n.inverse;
  return std::isfinite(scale) ? scale : 0.0f;
}

// ---- x = scale * level ---------------------------------------------------------------------------------

struct ScaleFit {
  float scale = 0;
  float gain = 0;  ///< by how much the squared error is less than that of zeros
};

/// Levels nearest to x * inverse, and the scale that suits them best.
template <int N, class Levels>
inline ScaleFit fit_levels(const float* x, const float* w, float inverse) {
  Lanes xq{}, qq{};
  for (int i = 0; i < N; i += kLanes) {
    const Lanes v = load(x + i);
    const Lanes q = Levels::nearest(v * inverse), wq = load(w + i) * q;
    xq += wq * v;
    qq += wq * q;
  }
  const float a = sum(xq), b = sum(qq);
  return b > 0 ? ScaleFit{a / b, a / b * a} : ScaleFit{};
}

/// The scale, of either sign, that errs least. `spacing` is that of the candidates, in levels.
template <int N, class Levels>
inline ScaleFit fit_scale(const float* x, const float* w, float spacing) {
  float largest = 0;
  for (int i = 0; i < N; i++) largest = std::fmax(largest, std::fabs(x[i]));
  if (largest < 1e-15f) return {};
  // The largest value may become the last level of either end, or be cut off, if the others gain by it.
  const float first = Levels::kHighest * 0.9f, last = -Levels::kLowest * 1.25f;
  ScaleFit best;
  const int steps = static_cast<int>((last - first) / spacing) + 1;
  for (int step = 0; step < steps; step++)
    for (const float sign : {1.0f, -1.0f}) {
      const float inverse = sign * (first + spacing * static_cast<float>(step)) / largest;
      if (const ScaleFit fit = fit_levels<N, Levels>(x, w, inverse); fit.gain > best.gain) best = fit;
    }
  for (int round = 0; round < 3 && best.scale != 0; round++) {
    const ScaleFit fit = fit_levels<N, Levels>(x, w, inverse_of(best.scale));
    if (!(fit.gain > best.gain)) break;
    best = fit;
  }
  return best;
}

/// Squared error of the nearest levels for a given scale.
template <int N, class Levels>
inline float error_of_scale(const float* x, const float* w, float scale) {
  const float inverse = inverse_of(scale);
  Lanes error{};
  for (int i = 0; i < N; i += kLanes) {
    const Lanes v = load(x + i), e = v - Levels::nearest(v * inverse) * scale;
    error += load(w + i) * e * e;
  }
  return sum(error);
}

template <int N, class Levels>
inline void levels_of_scale(const float* x, float scale, int* levels) {
  const float inverse = inverse_of(scale);
  for (int i = 0; i < N; i += kLanes) {
    const Lanes q = Levels::nearest(load(x + i) * inverse);
    for (int k = 0; k < kLanes; k++) levels[i + k] = static_cast<int>(q[k]);
  }
}

// ---- x = scale * level + offset, levels 0 to Top -------------------------------------------------------

struct AffineFit {
  float scale = 0, offset = 0;
  float error = std::numeric_limits<float>::infinity();
};

/// Best scale and offset for the levels nearest to x * inverse - shift.
template <int N, int Top>
inline AffineFit fit_affine_levels(const float* x, const float* w, float inverse, float shift,
                                   bool offset_not_positive) {
  using Levels = IntegerLevels<0, Top>;
  Lanes s1{}, sx{}, sq{}, sxx{}, sxq{}, sqq{};
  for (int i = 0; i < N; i += kLanes) {
    const Lanes v = load(x + i), weight = load(w + i);
    const Lanes q = Levels::nearest(v * inverse - shift), wq = weight * q, wx = weight * v;
    s1 += weight, sx += wx, sq += wq;
    sxx += wx * v, sxq += wq * v, sqq += wq * q;
  }
  // Squared errors are small differences of these sums: double from here on.
  const double n = sum(s1), x1 = sum(sx), q1 = sum(sq), xx = sum(sxx), xq = sum(sxq), qq = sum(sqq);
  const double determinant = n * qq - q1 * q1;
  if (!(n > 0)) return {};
  double scale = 0, offset = x1 / n;
  if (determinant > 1e-9 * n * qq) {
    scale = (n * xq - q1 * x1) / determinant;
    offset = (x1 - scale * q1) / n;
  }
  if (scale < 0) scale = 0, offset = x1 / n;
  if (offset_not_positive && offset > 0) offset = 0, scale = qq > 0 ? std::max(0.0, xq / qq) : 0;
  const double error =
      xx + scale * scale * qq + offset * offset * n + 2 * (scale * offset * q1 - scale * xq - offset * x1);
  return {static_cast<float>(scale), static_cast<float>(offset), static_cast<float>(error)};
}

template <int N, int Top>
inline AffineFit fit_affine(const float* x, const float* w, bool offset_not_positive) {
  float low = x[0], high = x[0];
  for (int i = 1; i < N; i++) low = std::fmin(low, x[i]), high = std::fmax(high, x[i]);
  if (offset_not_positive && low > 0) low = 0;
  const float range = high - low;
  if (range < 1e-15f)  // constant: level 0 and the offset alone, unless that may not be positive
    return {0, offset_not_positive ? std::min(low, 0.0f) : low, 0};
  AffineFit best;
  // From a little wider than the values' range to one that cuts off at both ends or at the upper one.
  constexpr int kSteps = 9;
  for (int step = 0; step < kSteps; step++) {
    const float spread = Top * (0.94f + 0.32f / (kSteps - 1) * static_cast<float>(step));
    const float inverse = spread / range;
    for (const float cut : {0.0f, 0.5f}) {
      const float shift = low * inverse + cut * (spread - Top);
      const AffineFit fit = fit_affine_levels<N, Top>(x, w, inverse, shift, offset_not_positive);
      if (fit.error < best.error) best = fit;
    }
  }
  for (int round = 0; round < 4 && best.scale > 0; round++) {
    const float inverse = inverse_of(best.scale);
    const AffineFit fit =
        fit_affine_levels<N, Top>(x, w, inverse, best.offset * inverse, offset_not_positive);
    if (!(fit.error < best.error)) break;
    best = fit;
  }
  return best;
}

template <int N, int Top>
inline float error_of_affine(const float* x, const float* w, float scale, float offset) {
  const float inverse = inverse_of(scale);
  Lanes error{};
  for (int i = 0; i < N; i += kLanes) {
    const Lanes v = load(x + i) - offset, e = v - IntegerLevels<0, Top>::nearest(v * inverse) * scale;
    error += load(w + i) * e * e;
  }
  return sum(error);
}

template <int N, int Top>
inline void levels_of_affine(const float* x, float scale, float offset, int* levels) {
  const float inverse = inverse_of(scale);
  for (int i = 0; i < N; i += kLanes) {
    const Lanes q = IntegerLevels<0, Top>::nearest((load(x + i) - offset) * inverse);
    for (int k = 0; k < kLanes; k++) levels[i + k] = static_cast<int>(q[k]);
  }
}

}  // namespace sambay::search
