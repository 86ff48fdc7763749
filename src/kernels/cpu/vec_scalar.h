// Vec of one float: the oracle. Elementary functions are the C library's, so that the polynomial ones of the
// other instruction sets are tested against something they do not share.
#pragma once

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/half.h"

namespace sambay {
namespace {

struct Vec {
  static constexpr int kWidth = 1;
  float v;

  static Vec zero() { return {0.0f}; }
  static Vec set1(float x) { return {x}; }
  static Vec load(const float* p) { return {*p}; }
  static Vec load_n(const float* p, int64_t) { return {*p}; }
  void store(float* p) const { *p = v; }
  void store_n(float* p, int64_t) const { *p = v; }

  /// Element k of a row as stored (possibly unaligned).
  static Vec load_f32(const uint8_t* row, int64_t k) {
    float f;
    memcpy(&f, row + k * 4, 4);
    return {f};
  }
  static Vec load_f16(const uint8_t* row, int64_t k) {
    uint16_t h;
    memcpy(&h, row + k * 2, 2);
    return {f16_to_f32(h)};
  }
  static Vec load_bf16(const uint8_t* row, int64_t k) {
    uint16_t h;
    memcpy(&h, row + k * 2, 2);
    return {bf16_to_f32(h)};
  }
  static Vec load_i8(const int8_t* p) { return {static_cast<float>(*p)}; }

  static Vec fma(Vec a, Vec b, Vec c) { return {a.v * b.v + c.v}; }
  static Vec min(Vec a, Vec b) { return {a.v < b.v ? a.v : b.v}; }
  static Vec max(Vec a, Vec b) { return {a.v > b.v ? a.v : b.v}; }
  friend Vec operator+(Vec a, Vec b) { return {a.v + b.v}; }
  friend Vec operator-(Vec a, Vec b) { return {a.v - b.v}; }
  friend Vec operator*(Vec a, Vec b) { return {a.v * b.v}; }
  friend Vec operator/(Vec a, Vec b) { return {a.v / b.v}; }

  float hsum() const { return v; }
  float hmax() const { return v; }

  static Vec exp(Vec x) { return {expf(x.v)}; }
  static Vec softplus(Vec x) { return {x.v > 20.0f ? x.v : log1pf(expf(x.v))}; }
};

}  // namespace
}  // namespace sambay
