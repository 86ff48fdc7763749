// Q6_K: blocks of 256 levels of 6 bits in 16 groups, each with a signed scale of 8 bits, as ggml defines
// them. value = factor * scale * (level - 32).
#pragma once

#include <cstddef>
#include <cstdint>

namespace sambay {

struct BlockQ6_K {
  static constexpr int kElems = 256;
  uint8_t levels[128];     // element 128 h + 32 j + i: half j / 2 of byte 64 h + 32 (j % 2) + i
  uint8_t upper_bits[64];  // its upper 2 bits: bits 2 j of byte 32 h + i
  int8_t scales[16];
  uint16_t factor;  // f16
};
static_assert(sizeof(BlockQ6_K) == 210);

void decode_q6_k(const std::byte* from, float* to, int64_t count);
/// The scale that errs least is searched for; importance [count] (finite, not negative) says what each
/// value's squared error weighs, null: all the same.
void encode_q6_k(const float* from, std::byte* to, int64_t count, const float* importance);

}  // namespace sambay
