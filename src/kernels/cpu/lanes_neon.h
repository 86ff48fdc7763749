// Vecs worked on across their lanes (NEON).
#pragma once

#include "kernels/cpu/vec_neon.h"

namespace sambay {
namespace {

struct AddLanes {
  static Vec of(Vec a, Vec b) { return a + b; }
};
struct MaxLanes {
  static Vec of(Vec a, Vec b) { return Vec::max(a, b); }
};

/// a and b hold totals in pieces of `Pieces` lanes each; the result holds those of both with half as many:
/// lane l of a piece joined with lane l + Pieces / 2. After log2(kWidth) levels of a tree, the total of leaf
/// i is in lane lane_of_leaf(i).
template <int Pieces, class Join = AddLanes>
inline Vec merge_pieces(Vec a, Vec b) {
  if constexpr (Pieces == 4) {
    const float64x2_t x = vreinterpretq_f64_f32(a.v), y = vreinterpretq_f64_f32(b.v);
    return Join::of({vreinterpretq_f32_f64(vzip1q_f64(x, y))}, {vreinterpretq_f32_f64(vzip2q_f64(x, y))});
  } else {
    return Join::of({vuzp1q_f32(a.v, b.v)}, {vuzp2q_f32(a.v, b.v)});
  }
}
constexpr int lane_of_leaf(int leaf) { return leaf; }

/// The totals of four, in the first four lanes.
template <class Join>
inline Vec join_four(const Vec* a) {
  return merge_pieces<2, Join>(merge_pieces<4, Join>(a[0], a[1]), merge_pieces<4, Join>(a[2], a[3]));
}
inline Vec load_four(const float* p) { return Vec::load(p); }
inline void store_four(Vec a, float* p) { a.store(p); }

/// Lane j of row i becomes lane i of row j.
inline void transpose(Vec* rows) {
  const float32x4x2_t t = vtrnq_f32(rows[0].v, rows[1].v), u = vtrnq_f32(rows[2].v, rows[3].v);
  for (int i = 0; i < 2; i++) {
    rows[i].v = vcombine_f32(vget_low_f32(t.val[i]), vget_low_f32(u.val[i]));
    rows[2 + i].v = vcombine_f32(vget_high_f32(t.val[i]), vget_high_f32(u.val[i]));
  }
}

/// Every lane the f16 at p.
inline Vec broadcast_f16(const uint8_t* p) {
  uint16_t h;
  memcpy(&h, p, 2);
  return {vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(h)))};
}

}  // namespace
}  // namespace sambay
