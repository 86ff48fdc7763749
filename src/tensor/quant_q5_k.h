// Q5_K: blocks of 256 levels of 5 bits in 8 groups, each with a scale and a minimum of 6 bits, as ggml
// defines them. value = factor * scale * level - min_factor * min.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sambay {

struct BlockQ5_K {
  static constexpr int kElems = 256;
  uint16_t factor, min_factor;  // f16
  uint8_t scales[12];           // see k_scales.h
  uint8_t fifth_bits[32];       // element 32 g + i: bit g of byte i
  uint8_t levels[128];          // element 64 h + i: lower half of byte 32 h + i; 64 h + 32 + i: upper half
};
static_assert(sizeof(BlockQ5_K) == 176);

void decode_q5_k(const std::byte* from, float* to, int64_t count);
/// The scale that errs least is searched for; importance [count] (finite, not negative) says what each
/// value's squared error weighs, null: all the same.
void encode_q5_k(const float* from, std::byte* to, int64_t count, const float* importance);

}  // namespace sambay
