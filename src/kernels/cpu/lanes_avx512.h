// Vecs worked on across their lanes (AVX-512).
#pragma once

#include "kernels/cpu/vec_avx512.h"

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
  if constexpr (Pieces == 16) {
    return Join::of({_mm512_shuffle_f32x4(a.v, b.v, 0x44)}, {_mm512_shuffle_f32x4(a.v, b.v, 0xee)});
  } else if constexpr (Pieces == 8) {
    return Join::of({_mm512_shuffle_f32x4(a.v, b.v, 0x88)}, {_mm512_shuffle_f32x4(a.v, b.v, 0xdd)});
  } else if constexpr (Pieces == 4) {
    const __m512d x = _mm512_castps_pd(a.v), y = _mm512_castps_pd(b.v);
    return Join::of({_mm512_castpd_ps(_mm512_unpacklo_pd(x, y))},
                    {_mm512_castpd_ps(_mm512_unpackhi_pd(x, y))});
  } else {
    return Join::of({_mm512_shuffle_ps(a.v, b.v, 0x88)}, {_mm512_shuffle_ps(a.v, b.v, 0xdd)});
  }
}
constexpr int lane_of_leaf(int leaf) { return leaf % 4 * 4 + leaf / 4; }

/// The totals of four, in the first four lanes.
template <class Join>
inline Vec join_four(const Vec* a) {
  const Vec pieces =
      merge_pieces<8, Join>(merge_pieces<16, Join>(a[0], a[1]), merge_pieces<16, Join>(a[2], a[3]));
  const Vec halves = Join::of(pieces, {_mm512_permute_ps(pieces.v, 0x4e)});
  const Vec totals = Join::of(halves, {_mm512_permute_ps(halves.v, 0xb1)});
  const __m512i first = _mm512_set_epi32(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12, 8, 4, 0);
  return {_mm512_permutexvar_ps(first, totals.v)};
}
/// The first four lanes; the others are not defined.
inline Vec load_four(const float* p) { return {_mm512_castps128_ps512(_mm_loadu_ps(p))}; }
inline void store_four(Vec a, float* p) { _mm_storeu_ps(p, _mm512_castps512_ps128(a.v)); }

/// Lane j of row i becomes lane i of row j.
inline void transpose(Vec* rows) {
  __m512 t[16], u[16];
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_ps(rows[i].v, rows[i + 1].v);
    t[i + 1] = _mm512_unpackhi_ps(rows[i].v, rows[i + 1].v);
  }
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 4)
    for (int half = 0; half < 2; half++) {
      const __m512d x = _mm512_castps_pd(t[i + half]), y = _mm512_castps_pd(t[i + 2 + half]);
      u[i + 2 * half] = _mm512_castpd_ps(_mm512_unpacklo_pd(x, y));
      u[i + 2 * half + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(x, y));
    }
  // u[4 g + c]: columns c, 4 + c, 8 + c, 12 + c of rows 4 g to 4 g + 3
#pragma GCC unroll 4
  for (int c = 0; c < 4; c++) {
    const __m512 low = _mm512_shuffle_f32x4(u[c], u[4 + c], 0x88);
    const __m512 high = _mm512_shuffle_f32x4(u[c], u[4 + c], 0xdd);
    const __m512 low2 = _mm512_shuffle_f32x4(u[8 + c], u[12 + c], 0x88);
    const __m512 high2 = _mm512_shuffle_f32x4(u[8 + c], u[12 + c], 0xdd);
    rows[c].v = _mm512_shuffle_f32x4(low, low2, 0x88);
    rows[4 + c].v = _mm512_shuffle_f32x4(high, high2, 0x88);
    rows[8 + c].v = _mm512_shuffle_f32x4(low, low2, 0xdd);
    rows[12 + c].v = _mm512_shuffle_f32x4(high, high2, 0xdd);
  }
}

/// Every lane the f16 at p.
inline Vec broadcast_f16(const uint8_t* p) {
  int16_t h;
  __builtin_memcpy(&h, p, 2);
  return {_mm512_cvtph_ps(_mm256_set1_epi16(h))};
}

}  // namespace
}  // namespace sambay
