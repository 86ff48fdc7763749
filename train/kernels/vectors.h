#pragma once

// The parts of a training step that are neither matrix products nor worth the memory traffic of separate
// PyTorch operations: norms, gates, convolution, selective scan, attention, loss, each with its hand-written
// gradient.
//
// Plain C functions for ctypes. Every function runs on the calling thread alone; the trainer runs one batch
// per core. Rows are tokens; `starts` [sequences + 1] says where each sequence of a packed batch begins. bf16
// travels as uint16_t, all arithmetic is float32. Reference for each gradient: the plain PyTorch versions in
// ops.py, compared by the tests.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace {

using bf16 = uint16_t;
#if defined(__AVX512F__)
constexpr int kLanes = 16;
#else
constexpr int kLanes = 8;
#endif
typedef float Vec __attribute__((vector_size(4 * kLanes), aligned(4)));
typedef int32_t IntVec __attribute__((vector_size(4 * kLanes), aligned(4)));
typedef uint32_t BitsVec __attribute__((vector_size(4 * kLanes), aligned(4)));
typedef bf16 HalfVec __attribute__((vector_size(2 * kLanes), aligned(2)));

inline float to_float(bf16 x) {
  const uint32_t bits = uint32_t(x) << 16;
  float result;
  std::memcpy(&result, &bits, 4);
  return result;
}

inline Vec load(const float* p) { return *reinterpret_cast<const Vec*>(p); }
inline void store(float* p, Vec v) { *reinterpret_cast<Vec*>(p) = v; }
inline Vec splat(float x) { return x - Vec{}; }
inline Vec load(const bf16* p) {
  return (Vec)(__builtin_convertvector(*reinterpret_cast<const HalfVec*>(p), BitsVec) << 16);
}

// Rounds to the nearest, ties to even, as PyTorch does. A NaN may become an infinity, which the trainer stops
// at just the same.
inline void store(bf16* p, Vec v) {
  BitsVec bits = (BitsVec)v;
  bits += 0x7fff + ((bits >> 16) & 1);
  *reinterpret_cast<HalfVec*>(p) = __builtin_convertvector(bits >> 16, HalfVec);
}

inline float sum(Vec v) {
  float total = 0;
  for (int i = 0; i < kLanes; ++i) total += v[i];
  return total;
}

inline float largest(Vec v) {
  float top = v[0];
  for (int i = 1; i < kLanes; ++i) top = std::max(top, v[i]);
  return top;
}

// e^x = 2^n 2^f with n the nearest integer to x log2(e): the Taylor polynomial of 2^f on [-0.5, 0.5],
// relative error below 3e-6, a thousandth of bf16's rounding. Below -87 it ends at 0 (or at e^-87), above 88
// at infinity (or at e^88).
inline Vec exp(Vec x) {
  const Vec scaled = x * 1.44269504f;
#if defined(__AVX512F__)
  const Vec n = (Vec)_mm512_roundscale_ps((__m512)scaled, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const Vec f = scaled - n;
#else
  const Vec low = splat(-125.0f), high = splat(127.0f),
            magic = splat(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer
  Vec bounded = scaled < low ? low : scaled;
  bounded = bounded > high ? high : bounded;
  const Vec shifted = bounded + magic, f = bounded - (shifted - magic);
#endif
  Vec p = splat(1.3333558e-3f);
  p = p * f + 9.6181291e-3f;
  p = p * f + 5.5504109e-2f;
  p = p * f + 2.4022651e-1f;
  p = p * f + 6.9314718e-1f;
  p = p * f + 1.0f;
#if defined(__AVX512F__)
  return (Vec)_mm512_scalef_ps((__m512)p, (__m512)n);
#else
  return (Vec)((IntVec)p +
               ((IntVec)shifted << 23));  // n stands in the lowest bits of `shifted`: added to p's exponent
#endif
}

inline Vec sigmoid(Vec x) { return 1.0f / (1.0f + exp(-x)); }

// log(1 + e^x) = max(x, 0) + log1p(z) with z = e^-|x|; log1p(z) = 2 atanh(z / (2 + z)), whose series ends
// below 1e-8 after s^15.
inline Vec softplus(Vec x) {
  const Vec zero{}, positive = x > zero ? x : zero;
  const Vec z = exp(x > zero ? -x : x), s = z / (2.0f + z), s2 = s * s;
  Vec series = splat(1.0f / 15);
  for (int n = 13; n > 0; n -= 2) series = series * s2 + 1.0f / float(n);
  return positive + 2.0f * s * series;
}

// As many rows of two vectors each as the registers hold beside a row of B and one of A's elements.
constexpr int kRows = kLanes == 16 ? 12 : 6;

// The part of `multiply` below that stays in registers: R rows, H vectors of columns.
template <int R, int H>
inline void multiply_tile(int k, const float* a, int64_t row_a, int64_t col_a, const float* b, int64_t ldb,
                          float* c, int64_t ldc, bool accumulate) {
  Vec acc[R][H] = {};
  for (int l = 0; l < k; ++l, a += col_a, b += ldb) {
    Vec row[H];
    for (int h = 0; h < H; ++h) row[h] = load(b + h * kLanes);
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r) {
      const Vec value = splat(a[r * row_a]);
      for (int h = 0; h < H; ++h) acc[r][h] += value * row[h];
    }
  }
  for (int r = 0; r < R; ++r)
    for (int h = 0; h < H; ++h) {
      float* out = c + r * ldc + h * kLanes;
      store(out, accumulate ? load(out) + acc[r][h] : acc[r][h]);
    }
}

template <int R>
void multiply_rows(int rows, int n, int k, const float* a, int64_t row_a, int64_t col_a, const float* b,
                   int64_t ldb, float* c, int64_t ldc, bool accumulate) {
  if constexpr (R > 1) {
    if (rows < R) return multiply_rows<R - 1>(rows, n, k, a, row_a, col_a, b, ldb, c, ldc, accumulate);
  }
  int j = 0;
  for (; j + 2 * kLanes <= n; j += 2 * kLanes)
    multiply_tile<R, 2>(k, a, row_a, col_a, b + j, ldb, c + j, ldc, accumulate);
  for (; j < n; j += kLanes) multiply_tile<R, 1>(k, a, row_a, col_a, b + j, ldb, c + j, ldc, accumulate);
}

// C [m, n] (+)= A [m, k] B [k, n]; element (i, l) of A is a[i * row_a + l * col_a]; n is a multiple of 16.
void multiply(int m, int n, int k, const float* a, int row_a, int col_a, const float* b, int ldb, float* c,
              int ldc, bool accumulate) {
  for (int i = 0; i < m; i += kRows)
    multiply_rows<kRows>(std::min(kRows, m - i), n, k, a + int64_t(i) * row_a, row_a, col_a, b, ldb,
                         c + int64_t(i) * ldc, ldc, accumulate);
}

}  // namespace
