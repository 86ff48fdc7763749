// Vecs worked on across their lanes (AVX2).
#pragma once

#include "kernels/cpu/vec_avx2.h"

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
  if constexpr (Pieces == 8) {
    return Join::of({_mm256_permute2f128_ps(a.v, b.v, 0x20)}, {_mm256_permute2f128_ps(a.v, b.v, 0x31)});
  } else if constexpr (Pieces == 4) {
    const __m256d x = _mm256_castps_pd(a.v), y = _mm256_castps_pd(b.v);
    return Join::of({_mm256_castpd_ps(_mm256_unpacklo_pd(x, y))},
                    {_mm256_castpd_ps(_mm256_unpackhi_pd(x, y))});
  } else {
    return Join::of({_mm256_shuffle_ps(a.v, b.v, 0x88)}, {_mm256_shuffle_ps(a.v, b.v, 0xdd)});
  }
}
constexpr int lane_of_leaf(int leaf) { return leaf % 2 * 4 + leaf / 2; }

/// The totals of four, in the first four lanes.
template <class Join>
inline Vec join_four(const Vec* a) {
  const Vec pieces =
      merge_pieces<4, Join>(merge_pieces<8, Join>(a[0], a[1]), merge_pieces<8, Join>(a[2], a[3]));
  const __m256 totals = merge_pieces<2, Join>(pieces, pieces).v;  // of 0, 2 and of 1, 3
  const __m128 low = _mm256_castps256_ps128(totals), high = _mm256_extractf128_ps(totals, 1);
  return {_mm256_castps128_ps256(_mm_unpacklo_ps(low, high))};
}
/// The first four lanes; the others are not defined.
inline Vec load_four(const float* p) { return {_mm256_castps128_ps256(_mm_loadu_ps(p))}; }
inline void store_four(Vec a, float* p) { _mm_storeu_ps(p, _mm256_castps256_ps128(a.v)); }

/// Lane j of row i becomes lane i of row j.
inline void transpose(Vec* rows) {
  __m256 t[8], u[8];
#pragma GCC unroll 4
  for (int i = 0; i < 8; i += 2) {
    t[i] = _mm256_unpacklo_ps(rows[i].v, rows[i + 1].v);
    t[i + 1] = _mm256_unpackhi_ps(rows[i].v, rows[i + 1].v);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 8; i += 4)
    for (int half = 0; half < 2; half++) {
      u[i + 2 * half] = _mm256_shuffle_ps(t[i + half], t[i + 2 + half], 0x44);
      u[i + 2 * half + 1] = _mm256_shuffle_ps(t[i + half], t[i + 2 + half], 0xee);
    }
  // u[4 g + c]: columns c and 4 + c of rows 4 g to 4 g + 3
#pragma GCC unroll 4
  for (int c = 0; c < 4; c++) {
    rows[c].v = _mm256_permute2f128_ps(u[c], u[4 + c], 0x20);
    rows[4 + c].v = _mm256_permute2f128_ps(u[c], u[4 + c], 0x31);
  }
}

/// Every lane the f16 at p.
inline Vec broadcast_f16(const uint8_t* p) {
  int16_t h;
  __builtin_memcpy(&h, p, 2);
  return {_mm256_cvtph_ps(_mm_set1_epi16(h))};
}

}  // namespace
}  // namespace sambay
