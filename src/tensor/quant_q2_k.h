// Q2_K: blocks of 256 levels of 2 bits in 16 groups, each with a scale and a minimum of 4 bits, as ggml
// defines them. value = factor * scale * level - min_factor * min.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sambay {

struct BlockQ2_K {
  static constexpr int kElems = 256;
  uint8_t scales[16];           // of group g: scale in the lower half, minimum in the upper
  uint8_t levels[64];           // element 128 h + 32 j + i: bits 2 j of byte 32 h + i
  uint16_t factor, min_factor;  // f16
};
static_assert(sizeof(BlockQ2_K) == 84);

void decode_q2_k(const std::byte* from, float* to, int64_t count);
/// The scale that errs least is searched for; importance [count] (finite, not negative) says what each
/// value's squared error weighs, null: all the same.
void encode_q2_k(const float* from, std::byte* to, int64_t count, const float* importance);

}  // namespace sambay
