// AVX-512 in software: each of its registers as two of AVX2, and the instructions that the kernels use. With
// it the AVX-512 kernels are tested on every CPU that has AVX2. Include it before the kernels' files.
#pragma once

#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

namespace sambay::software {
namespace {

struct Floats {
  __m256 half[2];
};
struct Doubles {
  __m256d half[2];
};
struct Ints {
  __m256i half[2];
};

// ---- lane by lane: the same instruction on both halves ----

#define SAMBAY_HALVES_1(Type, name, From, from_name) \
  inline Type name(From a) { return {{from_name(a.half[0]), from_name(a.half[1])}}; }
#define SAMBAY_HALVES_2(Type, name, half_name)                                   \
  inline Type name(Type a, Type b) {                                             \
    return {{half_name(a.half[0], b.half[0]), half_name(a.half[1], b.half[1])}}; \
  }
#define SAMBAY_HALVES_3(Type, name, half_name)                                                         \
  inline Type name(Type a, Type b, Type c) {                                                           \
    return {{half_name(a.half[0], b.half[0], c.half[0]), half_name(a.half[1], b.half[1], c.half[1])}}; \
  }
SAMBAY_HALVES_2(Floats, add_ps, _mm256_add_ps)
SAMBAY_HALVES_2(Floats, sub_ps, _mm256_sub_ps)
SAMBAY_HALVES_2(Floats, mul_ps, _mm256_mul_ps)
SAMBAY_HALVES_2(Floats, div_ps, _mm256_div_ps)
SAMBAY_HALVES_2(Floats, min_ps, _mm256_min_ps)
SAMBAY_HALVES_2(Floats, max_ps, _mm256_max_ps)
SAMBAY_HALVES_2(Floats, unpacklo_ps, _mm256_unpacklo_ps)
SAMBAY_HALVES_2(Floats, unpackhi_ps, _mm256_unpackhi_ps)
SAMBAY_HALVES_2(Doubles, unpacklo_pd, _mm256_unpacklo_pd)
SAMBAY_HALVES_2(Doubles, unpackhi_pd, _mm256_unpackhi_pd)
SAMBAY_HALVES_3(Floats, fmadd_ps, _mm256_fmadd_ps)
SAMBAY_HALVES_3(Floats, fnmadd_ps, _mm256_fnmadd_ps)
SAMBAY_HALVES_2(Ints, add_epi32, _mm256_add_epi32)
SAMBAY_HALVES_2(Ints, add_epi16, _mm256_add_epi16)
SAMBAY_HALVES_2(Ints, sub_epi32, _mm256_sub_epi32)
SAMBAY_HALVES_2(Ints, sub_epi8, _mm256_sub_epi8)
SAMBAY_HALVES_2(Ints, and_si512, _mm256_and_si256)
SAMBAY_HALVES_2(Ints, or_si512, _mm256_or_si256)
SAMBAY_HALVES_2(Ints, xor_si512, _mm256_xor_si256)
SAMBAY_HALVES_2(Ints, maddubs_epi16, _mm256_maddubs_epi16)
SAMBAY_HALVES_2(Ints, madd_epi16, _mm256_madd_epi16)
SAMBAY_HALVES_1(Ints, abs_epi8, Ints, _mm256_abs_epi8)
SAMBAY_HALVES_1(Floats, cvtepi32_ps, Ints, _mm256_cvtepi32_ps)
SAMBAY_HALVES_1(Ints, cvtps_epi32, Floats, _mm256_cvtps_epi32)
SAMBAY_HALVES_1(Ints, castps_si512, Floats, _mm256_castps_si256)
SAMBAY_HALVES_1(Floats, castsi512_ps, Ints, _mm256_castsi256_ps)
SAMBAY_HALVES_1(Doubles, castps_pd, Floats, _mm256_castps_pd)
SAMBAY_HALVES_1(Floats, castpd_ps, Doubles, _mm256_castpd_ps)
#undef SAMBAY_HALVES_1
#undef SAMBAY_HALVES_2
#undef SAMBAY_HALVES_3

inline Ints slli_epi16(Ints a, int n) {
  return {{_mm256_slli_epi16(a.half[0], n), _mm256_slli_epi16(a.half[1], n)}};
}
inline Ints srli_epi16(Ints a, int n) {
  return {{_mm256_srli_epi16(a.half[0], n), _mm256_srli_epi16(a.half[1], n)}};
}
inline Ints slli_epi32(Ints a, int n) {
  return {{_mm256_slli_epi32(a.half[0], n), _mm256_slli_epi32(a.half[1], n)}};
}
inline Ints srai_epi32(Ints a, int n) {
  return {{_mm256_srai_epi32(a.half[0], n), _mm256_srai_epi32(a.half[1], n)}};
}
template <int Mode>
inline Floats roundscale_ps(Floats a) {
  return {{_mm256_round_ps(a.half[0], Mode), _mm256_round_ps(a.half[1], Mode)}};
}
template <int Picks>
inline Floats permute_ps(Floats a) {
  return {{_mm256_permute_ps(a.half[0], Picks), _mm256_permute_ps(a.half[1], Picks)}};
}
template <int Picks>
inline Floats shuffle_ps(Floats a, Floats b) {
  return {{_mm256_shuffle_ps(a.half[0], b.half[0], Picks), _mm256_shuffle_ps(a.half[1], b.half[1], Picks)}};
}

// ---- constants, memory ----

inline Floats set1_ps(float x) { return {{_mm256_set1_ps(x), _mm256_set1_ps(x)}}; }
inline Floats setzero_ps() { return set1_ps(0); }
inline Ints set1_epi8(int x) {
  return {{_mm256_set1_epi8(static_cast<char>(x)), _mm256_set1_epi8(static_cast<char>(x))}};
}
inline Ints set1_epi16(int x) {
  return {{_mm256_set1_epi16(static_cast<short>(x)), _mm256_set1_epi16(static_cast<short>(x))}};
}
inline Ints set1_epi32(int x) { return {{_mm256_set1_epi32(x), _mm256_set1_epi32(x)}}; }
inline Ints setzero_si512() { return set1_epi32(0); }
template <class... Int>
inline Ints set_epi32(Int... last_first) {
  const int32_t list[16] = {last_first...};
  int32_t turned[16];
  for (int i = 0; i < 16; i++) turned[i] = list[15 - i];
  Ints result;
  memcpy(&result, turned, 64);
  return result;
}
template <class T>
inline T load(const void* p) {
  T result;
  memcpy(&result, p, 64);
  return result;
}
inline Floats loadu_ps(const void* p) { return load<Floats>(p); }
inline Ints loadu_si512(const void* p) { return load<Ints>(p); }
inline void storeu_ps(void* p, Floats a) { memcpy(p, &a, 64); }

// ---- lanes as numbers ----

struct Lanes {
  float f[16];
  int32_t i[16];
};
inline Lanes lanes(Floats a) {
  Lanes result;
  memcpy(result.f, &a, 64);
  memcpy(result.i, &a, 64);
  return result;
}
inline Floats maskz_loadu_ps(__mmask16 mask, const float* p) {
  float list[16] = {};
  for (int i = 0; i < 16; i++)
    if (mask >> i & 1) list[i] = p[i];
  return loadu_ps(list);
}
inline void mask_storeu_ps(float* p, __mmask16 mask, Floats a) {
  const Lanes from = lanes(a);
  for (int i = 0; i < 16; i++)
    if (mask >> i & 1) p[i] = from.f[i];
}
inline Floats mask_blend_ps(__mmask16 mask, Floats no, Floats yes) {
  Lanes result = lanes(no);
  const Lanes other = lanes(yes);
  for (int i = 0; i < 16; i++)
    if (mask >> i & 1) result.i[i] = other.i[i];
  return load<Floats>(result.i);
}
template <int Predicate>
inline __mmask16 cmp_ps_mask(Floats a, Floats b) {
  const int lower = _mm256_movemask_ps(_mm256_cmp_ps(a.half[0], b.half[0], Predicate));
  return static_cast<__mmask16>(lower | _mm256_movemask_ps(_mm256_cmp_ps(a.half[1], b.half[1], Predicate))
                                            << 8);
}
inline uint64_t movepi8_mask(Ints a) {
  return static_cast<uint32_t>(_mm256_movemask_epi8(a.half[0])) |
         static_cast<uint64_t>(static_cast<uint32_t>(_mm256_movemask_epi8(a.half[1]))) << 32;
}
inline Ints mask_sub_epi8(Ints source, uint64_t mask, Ints a, Ints b) {
  int8_t result[64], other[64];
  const Ints difference = sub_epi8(a, b);
  memcpy(result, &source, 64);
  memcpy(other, &difference, 64);
  for (int i = 0; i < 64; i++)
    if (mask >> i & 1) result[i] = other[i];
  return load<Ints>(result);
}
inline Floats abs_ps(Floats a) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return {{_mm256_andnot_ps(sign, a.half[0]), _mm256_andnot_ps(sign, a.half[1])}};
}
inline Floats permutexvar_ps(Ints from, Floats a) {
  int32_t picks[16];
  Lanes result;
  memcpy(picks, &from, 64);
  for (int i = 0; i < 16; i++) result.i[i] = lanes(a).i[picks[i] & 15];
  return load<Floats>(result.i);
}
template <int Picks>
inline Floats shuffle_f32x4(Floats a, Floats b) {
  const Lanes from[2] = {lanes(a), lanes(b)};
  int32_t list[16];
  for (int quarter = 0; quarter < 4; quarter++)
    memcpy(list + 4 * quarter, from[quarter / 2].i + 4 * (Picks >> 2 * quarter & 3), 16);
  return load<Floats>(list);
}
template <int Truth>
inline Ints ternarylogic_epi32(Ints a, Ints b, Ints c) {
  static_assert(Truth == 0xf8, "only a | (b & c)");
  return or_si512(a, and_si512(b, c));
}
inline Ints dpbusd_epi32(Ints sum, Ints unsigned_bytes, Ints signed_bytes) {
  uint8_t a[64];
  int8_t b[64];
  int32_t s[16];
  memcpy(a, &unsigned_bytes, 64);
  memcpy(b, &signed_bytes, 64);
  memcpy(s, &sum, 64);
  for (int i = 0; i < 64; i++) s[i / 4] += a[i] * b[i];
  return load<Ints>(s);
}

// ---- other sizes ----

inline __m256 castps512_ps256(Floats a) { return a.half[0]; }
inline __m128 castps512_ps128(Floats a) { return _mm256_castps256_ps128(a.half[0]); }
inline Floats castps128_ps512(__m128 a) {
  Floats result = set1_ps(NAN);  // the other lanes are not defined
  memcpy(&result, &a, 16);
  return result;
}
template <int Half>
inline __m256 extractf32x8_ps(Floats a) {
  return a.half[Half];
}
inline __m128i upper(__m128i a) { return _mm_srli_si128(a, 8); }
inline Ints cvtepi8_epi32(__m128i a) { return {{_mm256_cvtepi8_epi32(a), _mm256_cvtepi8_epi32(upper(a))}}; }
inline Ints cvtepu8_epi32(__m128i a) { return {{_mm256_cvtepu8_epi32(a), _mm256_cvtepu8_epi32(upper(a))}}; }
inline Ints cvtepu16_epi32(__m256i a) {
  return {{_mm256_cvtepu16_epi32(_mm256_castsi256_si128(a)),
           _mm256_cvtepu16_epi32(_mm256_extracti128_si256(a, 1))}};
}
inline Floats cvtph_ps(__m256i a) {
  return {{_mm256_cvtph_ps(_mm256_castsi256_si128(a)), _mm256_cvtph_ps(_mm256_extracti128_si256(a, 1))}};
}
inline __m128i cvtepi32_epi8(Ints a) {
  int32_t wide[16];
  int8_t narrow[16];
  memcpy(wide, &a, 64);
  for (int i = 0; i < 16; i++) narrow[i] = static_cast<int8_t>(wide[i]);
  __m128i result;
  memcpy(&result, narrow, 16);
  return result;
}

}  // namespace
}  // namespace sambay::software

// Whatever the kernels call is found there. What some compilers have as macros:
#undef _mm512_roundscale_ps
#undef _mm512_permute_ps
#undef _mm512_shuffle_ps
#undef _mm512_shuffle_f32x4
#undef _mm512_cmp_ps_mask
#undef _mm512_ternarylogic_epi32
#undef _mm512_extractf32x8_ps
#undef _mm512_slli_epi16
#undef _mm512_slli_epi32
#undef _mm512_srai_epi32
#undef _mm512_srli_epi16
#define __m512 ::sambay::software::Floats
#define __m512i ::sambay::software::Ints
#define __m512d ::sambay::software::Doubles
#define _mm512_roundscale_ps(a, mode) ::sambay::software::roundscale_ps<(mode)>(a)
#define _mm512_permute_ps(a, picks) ::sambay::software::permute_ps<(picks)>(a)
#define _mm512_shuffle_ps(a, b, picks) ::sambay::software::shuffle_ps<(picks)>(a, b)
#define _mm512_shuffle_f32x4(a, b, picks) ::sambay::software::shuffle_f32x4<(picks)>(a, b)
#define _mm512_cmp_ps_mask(a, b, predicate) ::sambay::software::cmp_ps_mask<(predicate)>(a, b)
#define _mm512_ternarylogic_epi32(a, b, c, truth) ::sambay::software::ternarylogic_epi32<(truth)>(a, b, c)
#define _mm512_extractf32x8_ps(a, half) ::sambay::software::extractf32x8_ps<(half)>(a)
#define _mm512_abs_epi8 ::sambay::software::abs_epi8
#define _mm512_abs_ps ::sambay::software::abs_ps
#define _mm512_add_epi16 ::sambay::software::add_epi16
#define _mm512_add_epi32 ::sambay::software::add_epi32
#define _mm512_add_ps ::sambay::software::add_ps
#define _mm512_and_si512 ::sambay::software::and_si512
#define _mm512_castpd_ps ::sambay::software::castpd_ps
#define _mm512_castps128_ps512 ::sambay::software::castps128_ps512
#define _mm512_castps512_ps128 ::sambay::software::castps512_ps128
#define _mm512_castps512_ps256 ::sambay::software::castps512_ps256
#define _mm512_castps_pd ::sambay::software::castps_pd
#define _mm512_castps_si512 ::sambay::software::castps_si512
#define _mm512_castsi512_ps ::sambay::software::castsi512_ps
#define _mm512_cvtepi32_epi8 ::sambay::software::cvtepi32_epi8
#define _mm512_cvtepi32_ps ::sambay::software::cvtepi32_ps
#define _mm512_cvtepi8_epi32 ::sambay::software::cvtepi8_epi32
#define _mm512_cvtepu16_epi32 ::sambay::software::cvtepu16_epi32
#define _mm512_cvtepu8_epi32 ::sambay::software::cvtepu8_epi32
#define _mm512_cvtph_ps ::sambay::software::cvtph_ps
#define _mm512_cvtps_epi32 ::sambay::software::cvtps_epi32
#define _mm512_div_ps ::sambay::software::div_ps
#define _mm512_dpbusd_epi32 ::sambay::software::dpbusd_epi32
#define _mm512_fmadd_ps ::sambay::software::fmadd_ps
#define _mm512_fnmadd_ps ::sambay::software::fnmadd_ps
#define _mm512_loadu_ps ::sambay::software::loadu_ps
#define _mm512_loadu_si512 ::sambay::software::loadu_si512
#define _mm512_madd_epi16 ::sambay::software::madd_epi16
#define _mm512_maddubs_epi16 ::sambay::software::maddubs_epi16
#define _mm512_mask_blend_ps ::sambay::software::mask_blend_ps
#define _mm512_mask_storeu_ps ::sambay::software::mask_storeu_ps
#define _mm512_mask_sub_epi8 ::sambay::software::mask_sub_epi8
#define _mm512_maskz_loadu_ps ::sambay::software::maskz_loadu_ps
#define _mm512_max_ps ::sambay::software::max_ps
#define _mm512_min_ps ::sambay::software::min_ps
#define _mm512_movepi8_mask ::sambay::software::movepi8_mask
#define _mm512_mul_ps ::sambay::software::mul_ps
#define _mm512_permutexvar_ps ::sambay::software::permutexvar_ps
#define _mm512_set1_epi16 ::sambay::software::set1_epi16
#define _mm512_set1_epi32 ::sambay::software::set1_epi32
#define _mm512_set1_epi8 ::sambay::software::set1_epi8
#define _mm512_set1_ps ::sambay::software::set1_ps
#define _mm512_set_epi32 ::sambay::software::set_epi32
#define _mm512_setzero_ps ::sambay::software::setzero_ps
#define _mm512_setzero_si512 ::sambay::software::setzero_si512
#define _mm512_slli_epi16 ::sambay::software::slli_epi16
#define _mm512_slli_epi32 ::sambay::software::slli_epi32
#define _mm512_srai_epi32 ::sambay::software::srai_epi32
#define _mm512_srli_epi16 ::sambay::software::srli_epi16
#define _mm512_storeu_ps ::sambay::software::storeu_ps
#define _mm512_sub_epi32 ::sambay::software::sub_epi32
#define _mm512_sub_ps ::sambay::software::sub_ps
#define _mm512_unpackhi_pd ::sambay::software::unpackhi_pd
#define _mm512_unpackhi_ps ::sambay::software::unpackhi_ps
#define _mm512_unpacklo_pd ::sambay::software::unpacklo_pd
#define _mm512_unpacklo_ps ::sambay::software::unpacklo_ps
#define _mm512_xor_si512 ::sambay::software::xor_si512
