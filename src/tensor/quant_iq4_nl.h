// IQ4_NL: blocks of 32 levels of 4 bits that name one of 16 values of a fixed, uneven table, and one f16
// scale, as ggml defines them. value = scale * table[level].
#pragma once

#include <cstddef>
#include <cstdint>

namespace sambay {

struct BlockIQ4_NL {
  static constexpr int kElems = 32;
  uint16_t scale;      // f16
  uint8_t levels[16];  // level i in the lower half of byte i, level i + 16 in the upper
};
static_assert(sizeof(BlockIQ4_NL) == 18);

/// The table, ascending: denser around 0, where most weights are.
inline constexpr int8_t kIQ4NLTable[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                           1,    13,   25,  38,  53,  69,  89,  113};

void decode_iq4_nl(const std::byte* from, float* to, int64_t count);
/// The scale that errs least is searched for; importance [count] (finite, not negative) says what each
/// value's squared error weighs, null: all the same.
void encode_iq4_nl(const float* from, std::byte* to, int64_t count, const float* importance);

}  // namespace sambay
