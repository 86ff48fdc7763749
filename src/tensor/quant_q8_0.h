// Q8_0: blocks of 32 signed bytes and one f16 scale, as ggml defines them. value = scale * quant.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/half.h"

namespace sambay {

struct BlockQ8_0 {
  static constexpr int kElems = 32;
  uint16_t scale;  // f16
  int8_t quants[kElems];
};
static_assert(sizeof(BlockQ8_0) == 34);

inline void decode_q8_0(const std::byte* from, float* to, int64_t count) {
  for (int64_t b = 0; b < count / BlockQ8_0::kElems; b++) {
    BlockQ8_0 block;
    std::memcpy(&block, from + b * int64_t{sizeof block}, sizeof block);
    const float scale = f16_to_f32(block.scale);
    for (int i = 0; i < BlockQ8_0::kElems; i++) *to++ = scale * static_cast<float>(block.quants[i]);
  }
}

/// The largest magnitude becomes 127; quants are rounded with the unrounded scale, ties away from zero, which
/// is what ggml's reference does.
inline void encode_q8_0(const float* from, std::byte* to, int64_t count) {
  for (int64_t b = 0; b < count / BlockQ8_0::kElems; b++, from += BlockQ8_0::kElems) {
    float largest = 0;
    for (int i = 0; i < BlockQ8_0::kElems; i++) largest = std::fmax(largest, std::fabs(from[i]));
    const float scale = largest / 127.0f;
    const float inverse = scale > 0 ? 1.0f / scale : 0.0f;
    BlockQ8_0 block;
    block.scale = f32_to_f16(scale);
    for (int i = 0; i < BlockQ8_0::kElems; i++) {
      // The clamp matters only where 1/scale overflows (subnormal scales).
      const float q = std::round(from[i] * inverse);
      block.quants[i] = static_cast<int8_t>(q > 127.0f ? 127.0f : q < -127.0f ? -127.0f : q == q ? q : 0.0f);
    }
    std::memcpy(to + b * int64_t{sizeof block}, &block, sizeof block);
  }
}

}  // namespace sambay
