// Vec of four floats (NEON of every 64-bit ARM).
#pragma once

#include <arm_neon.h>
#include <stdint.h>
#include <string.h>

namespace sambay {
namespace {

struct Vec {
  static constexpr int kWidth = 4;
  float32x4_t v;

  static Vec zero() { return {vdupq_n_f32(0)}; }
  static Vec set1(float x) { return {vdupq_n_f32(x)}; }
  static Vec load(const float* p) { return {vld1q_f32(p)}; }
  void store(float* p) const { vst1q_f32(p, v); }

  /// The first n (1..3) lanes; the others load as zero and are not stored.
  static Vec load_n(const float* p, int64_t n) {
    float lanes[4] = {};
    memcpy(lanes, p, static_cast<size_t>(n) * sizeof(float));
    return load(lanes);
  }
  void store_n(float* p, int64_t n) const {
    float lanes[4];
    store(lanes);
    memcpy(p, lanes, static_cast<size_t>(n) * sizeof(float));
  }

  /// Elements k.. of a row as stored (possibly unaligned).
  static Vec load_f32(const uint8_t* row, int64_t k) { return {vreinterpretq_f32_u8(vld1q_u8(row + k * 4))}; }
  static Vec load_f16(const uint8_t* row, int64_t k) {
    return {vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(row + k * 2)))};
  }
  static Vec load_bf16(const uint8_t* row, int64_t k) {
    return {vreinterpretq_f32_u32(vshll_n_u16(vreinterpret_u16_u8(vld1_u8(row + k * 2)), 16))};
  }
  static Vec load_i8(const int8_t* p) {
    int32_t four;
    memcpy(&four, p, 4);
    const int16x8_t wide = vmovl_s8(vreinterpret_s8_s32(vdup_n_s32(four)));
    return {vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide)))};
  }

  static Vec fma(Vec a, Vec b, Vec c) { return {vfmaq_f32(c.v, a.v, b.v)}; }
  // Second operand wins when one is NaN, as on x86.
  static Vec min(Vec a, Vec b) { return {vbslq_f32(vcltq_f32(a.v, b.v), a.v, b.v)}; }
  static Vec max(Vec a, Vec b) { return {vbslq_f32(vcgtq_f32(a.v, b.v), a.v, b.v)}; }
  friend Vec operator+(Vec a, Vec b) { return {vaddq_f32(a.v, b.v)}; }
  friend Vec operator-(Vec a, Vec b) { return {vsubq_f32(a.v, b.v)}; }
  friend Vec operator*(Vec a, Vec b) { return {vmulq_f32(a.v, b.v)}; }
  friend Vec operator/(Vec a, Vec b) { return {vdivq_f32(a.v, b.v)}; }

  float hsum() const { return vaddvq_f32(v); }
  float hmax() const { return vmaxvq_f32(v); }

  // Building blocks of vec_math.inc.
  static Vec round(Vec x) { return {vrndnq_f32(x.v)}; }
  static Vec floor(Vec x) { return {vrndmq_f32(x.v)}; }
  /// 2^n for integral n in [-126, 127].
  static Vec pow2(Vec n) {
    return {vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vcvtnq_s32_f32(n.v), vdupq_n_s32(127)), 23))};
  }
  /// x = mantissa * 2^exponent with mantissa in [sqrt(1/2), sqrt(2)); x normal and positive.
  static void split(Vec x, Vec* mantissa, Vec* exponent) {
    const int32x4_t bits = vreinterpretq_s32_f32(x.v);
    const int32x4_t e = vshrq_n_s32(vsubq_s32(bits, vdupq_n_s32(0x3f3504f3)), 23);
    mantissa->v = vreinterpretq_f32_s32(vsubq_s32(bits, vshlq_n_s32(e, 23)));
    exponent->v = vcvtq_f32_s32(e);
  }
  /// where a > b: yes, elsewhere (NaN too): no
  static Vec select_greater(Vec a, Vec b, Vec yes, Vec no) {
    return {vbslq_f32(vcgtq_f32(a.v, b.v), yes.v, no.v)};
  }

  static Vec exp(Vec x);
  static Vec softplus(Vec x);
};

}  // namespace
}  // namespace sambay

#include "kernels/cpu/vec_math.inc"
