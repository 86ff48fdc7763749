// Q3_K: blocks of 256 levels of 3 bits in 16 groups, each with a signed scale of 6 bits, as ggml defines
// them. value = factor * scale * (level - 4).
#pragma once

#include <cstddef>
#include <cstdint>

namespace sambay {

struct BlockQ3_K {
  static constexpr int kElems = 256;
  uint8_t third_bits[32];  // element 128 h + 32 j + i: bit 4 h + j of byte i
  uint8_t levels[64];      // its lower bits: bits 2 j of byte 32 h + i
  uint8_t scales[12];      // scale + 32 of group g: lower 4 bits in half g / 8 of byte g % 8,
                           // upper 2 bits in bits 2 (g / 4) of byte 8 + g % 4
  uint16_t factor;         // f16
};
static_assert(sizeof(BlockQ3_K) == 110);

void decode_q3_k(const std::byte* from, float* to, int64_t count);
/// The scale that errs least is searched for; importance [count] (finite, not negative) says what each
/// value's squared error weighs, null: all the same.
void encode_q3_k(const float* from, std::byte* to, int64_t count, const float* importance);

}  // namespace sambay
