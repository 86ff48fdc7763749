// Q5_1: blocks of 32 levels of 5 bits, an f16 scale and an f16 offset, as ggml defines them. value = scale *
// level + offset.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sambay {

struct BlockQ5_1 {
  static constexpr int kElems = 32;
  uint16_t scale, offset;  // f16
  uint8_t fifth_bits[4];   // bit i: the highest bit of level i
  uint8_t levels[16];      // level i in the lower half of byte i, level i + 16 in the upper
};
static_assert(sizeof(BlockQ5_1) == 24);

void decode_q5_1(const std::byte* from, float* to, int64_t count);
/// The scale that errs least is searched for; importance [count] (finite, not negative) says what each
/// value's squared error weighs, null: all the same.
void encode_q5_1(const float* from, std::byte* to, int64_t count, const float* importance);

}  // namespace sambay
