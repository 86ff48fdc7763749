// The two kinds of super-blocks of 256: groups with a small integer scale (and minimum) each, which f16
// factors of the whole block bring to size. For the quant_<name>.cpp only.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "tensor/quant_search.h"

namespace sambay::search {

inline constexpr int kSuperBlock = 256;

// ---- value = factor * scale[group] * level -------------------------------------------------------------

template <int GroupElems, int LowestLevel, int LowestScale>
struct ScaledSuper {
  static constexpr int kGroups = kSuperBlock / GroupElems;
  using Levels = IntegerLevels<LowestLevel, -LowestLevel - 1>;

  uint16_t factor = 0;  // f16
  int scales[kGroups] = {};
  int levels[kSuperBlock] = {};

  void encode(const float* values, const float* importance) {
    const Normalized n = normalize(values, importance, kSuperBlock);
    factor = stored_scale(n, 0);
    if (n.inverse == 0) return;
    float wanted[kGroups], extreme = 0;
    for (int g = 0; g < kGroups; g++) {
      const int at = g * GroupElems;
      wanted[g] = fit_scale<GroupElems, Levels>(n.x + at, n.w + at, kSpacing).scale;
      if (std::fabs(wanted[g]) > std::fabs(extreme)) extreme = wanted[g];
    }
    float next = extreme / LowestScale, least = std::numeric_limits<float>::infinity();
    for (int round = 0; round < kRounds && next != 0; round++) {
      ScaledSuper trial;
      trial.factor = stored_scale(n, next);
      const float error = trial.choose_scales(n, wanted);
      if (error < least) least = error, *this = trial;
      next = trial.better_factor(n);
    }
    const float unit = usable_scale(n, factor);
    for (int g = 0; g < kGroups; g++) {
      const int at = g * GroupElems;
      levels_of_scale<GroupElems, Levels>(n.x + at, unit * static_cast<float>(scales[g]), levels + at);
    }
  }

 private:
  static constexpr float kSpacing = LowestLevel < -8 ? 0.5f : 0.2f;
  static constexpr int kRounds = 3;

  /// The integer next to the wanted scale, or a neighbour when that errs less. Returns the squared error.
  float choose_scales(const Normalized& n, const float* wanted) {
    const float unit = usable_scale(n, factor), inverse = inverse_of(unit);
    float total = 0;
    for (int g = 0; g < kGroups; g++) {
      const int at = g * GroupElems;
      const auto middle = static_cast<int>(std::nearbyint(wanted[g] * inverse));
      float least = std::numeric_limits<float>::infinity();
      for (int s = middle - 1; s <= middle + 1; s++) {
        const int scale = std::clamp(s, LowestScale, -LowestScale - 1);
        const float error =
            error_of_scale<GroupElems, Levels>(n.x + at, n.w + at, unit * static_cast<float>(scale));
        if (error < least) least = error, scales[g] = scale;
      }
      total += least;
    }
    return total;
  }

  /// The factor that suits these scales and the levels that come with them best, in normalized units.
  float better_factor(const Normalized& n) const {
    const float unit = usable_scale(n, factor);
    double xq = 0, qq = 0;
    for (int g = 0; g < kGroups; g++) {
      const int at = g * GroupElems;
      const auto scale = static_cast<float>(scales[g]);
      const float inverse = inverse_of(unit * scale);
      Lanes a{}, b{};
      for (int i = at; i < at + GroupElems; i += kLanes) {
        const Lanes v = load(n.x + i), q = Levels::nearest(v * inverse) * scale, wq = load(n.w + i) * q;
        a += wq * v, b += wq * q;
      }
      xq += sum(a), qq += sum(b);
    }
    return qq > 0 ? static_cast<float>(xq / qq) : 0.0f;
  }
};

// ---- value = factor * scale[group] * level - min_factor * min[group] -----------------------------------

template <int GroupElems, int Top, int ScaleTop>
struct AffineSuper {
  static constexpr int kGroups = kSuperBlock / GroupElems;

  uint16_t factor = 0, min_factor = 0;  // f16
  int scales[kGroups] = {}, mins[kGroups] = {};
  int levels[kSuperBlock] = {};

  void encode(const float* values, const float* importance) {
    const Normalized n = normalize(values, importance, kSuperBlock);
    factor = stored_scale(n, 0);
    if (n.inverse == 0) return;
    float scale[kGroups], min[kGroups];
    float largest_scale = 0, largest_min = 0;
    for (int g = 0; g < kGroups; g++) {
      const int at = g * GroupElems;
      const AffineFit fit = fit_affine<GroupElems, Top>(n.x + at, n.w + at, true);
      scale[g] = fit.scale, min[g] = -fit.offset;
      largest_scale = std::max(largest_scale, scale[g]);
      largest_min = std::max(largest_min, min[g]);
    }
    float next = largest_scale / ScaleTop, next_min = largest_min / ScaleTop;
    float least = std::numeric_limits<float>::infinity();
    for (int round = 0; round < kRounds; round++) {
      AffineSuper trial;
      trial.factor = stored_scale(n, next);
      trial.min_factor = stored_scale(n, next_min);
      const float error = trial.choose_scales(n, scale, min);
      if (error < least) least = error, *this = trial;
      if (!trial.better_factors(n, next, next_min)) break;
    }
    const float unit = usable_scale(n, factor), min_unit = usable_scale(n, min_factor);
    for (int g = 0; g < kGroups; g++) {
      const int at = g * GroupElems;
      levels_of_affine<GroupElems, Top>(n.x + at, unit * static_cast<float>(scales[g]),
                                        -min_unit * static_cast<float>(mins[g]), levels + at);
    }
  }

 private:
  static constexpr int kRounds = 3;

  /// The integers next to the wanted scale and minimum, or neighbours when those err less.
  float choose_scales(const Normalized& n, const float* wanted, const float* wanted_min) {
    const float unit = usable_scale(n, factor), min_unit = usable_scale(n, min_factor);
    const float inverse = inverse_of(unit), min_inverse = inverse_of(min_unit);
    float total = 0;
    for (int g = 0; g < kGroups; g++) {
      const int at = g * GroupElems;
      const auto middle = static_cast<int>(std::nearbyint(wanted[g] * inverse));
      const auto middle_min = static_cast<int>(std::nearbyint(wanted_min[g] * min_inverse));
      float least = std::numeric_limits<float>::infinity();
      for (int s = std::max(0, middle - 1); s <= std::min(ScaleTop, middle + 1); s++)
        for (int m = std::max(0, middle_min - 1); m <= std::min(ScaleTop, middle_min + 1); m++) {
          const float error = error_of_affine<GroupElems, Top>(
              n.x + at, n.w + at, unit * static_cast<float>(s), -min_unit * static_cast<float>(m));
          if (error < least) least = error, scales[g] = s, mins[g] = m;
        }
      total += least;
    }
    return total;
  }

  /// Both factors that suit these integers and the levels that come with them best; false when the equations
  /// do not determine them.
  bool better_factors(const Normalized& n, float& next, float& next_min) const {
    const float unit = usable_scale(n, factor), min_unit = usable_scale(n, min_factor);
    double qq = 0, qm = 0, mm = 0, xq = 0, xm = 0;
    for (int g = 0; g < kGroups; g++) {
      const int at = g * GroupElems;
      const auto scale = static_cast<float>(scales[g]), min = static_cast<float>(mins[g]);
      const float inverse = inverse_of(unit * scale), offset = -min_unit * min;
      Lanes s1{}, sq{}, sqq{}, sx{}, sxq{};
      for (int i = at; i < at + GroupElems; i += kLanes) {
        const Lanes v = load(n.x + i), w = load(n.w + i);
        const Lanes q = IntegerLevels<0, Top>::nearest((v - offset) * inverse) * scale;
        s1 += w, sq += w * q, sqq += w * q * q, sx += w * v, sxq += w * v * q;
      }
      qq += sum(sqq), xq += sum(sxq);
      qm += sum(sq) * min, xm += sum(sx) * min, mm += sum(s1) * min * min;
    }
    const double determinant = qq * mm - qm * qm;
    if (!(determinant > 1e-9 * qq * mm)) {  // no minimum in use, or no scale
      if (!(qq > 0) || mm > 0) return false;
      next = static_cast<float>(xq / qq);
      return true;
    }
    next = static_cast<float>((xq * mm - xm * qm) / determinant);
    next_min = static_cast<float>((xq * qm - xm * qq) / determinant);
    return next > 0 && next_min >= 0;
  }
};

}  // namespace sambay::search
