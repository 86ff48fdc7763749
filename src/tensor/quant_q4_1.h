// Q4_1: blocks of 32 levels of 4 bits, an f16 scale and an f16 offset, as ggml defines them. value = scale *
// level + offset.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sambay {

struct BlockQ4_1 {
  static constexpr int kElems = 32;
  uint16_t scale, offset;  // f16
  uint8_t levels[16];      // level i in the lower half of byte i, level i + 16 in the upper
};
static_assert(sizeof(BlockQ4_1) == 20);

void decode_q4_1(const std::byte* from, float* to, int64_t count);
/// The scale that errs least is searched for; importance [count] (finite, not negative) says what each
/// value's squared error weighs, null: all the same.
void encode_q4_1(const float* from, std::byte* to, int64_t count, const float* importance);

}  // namespace sambay
