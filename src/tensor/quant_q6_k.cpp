#include "tensor/quant_q6_k.h"

#include "base/half.h"
#include "tensor/quant_block.h"
#include "tensor/quant_super.h"

namespace sambay {

void decode_q6_k(const std::byte* from, float* to, int64_t count) {
  decode_blocks<BlockQ6_K>(from, to, count, [](const BlockQ6_K& block, float* out) {
    const float factor = f16_to_f32(block.factor);
    for (int g = 0; g < 16; g++) {
      const float scale = factor * static_cast<float>(block.scales[g]);
      for (int e = g * 16; e < g * 16 + 16; e++) {
        const int h = e / 128, j = e % 128 / 32, i = e % 32;
        const int lower = block.levels[64 * h + 32 * (j % 2) + i] >> j / 2 * 4 & 15;
        const int upper = block.upper_bits[32 * h + i] >> 2 * j & 3;
        out[e] = scale * static_cast<float>((lower | upper << 4) - 32);
      }
    }
  });
}

void encode_q6_k(const float* from, std::byte* to, int64_t count, const float* importance) {
  encode_blocks<BlockQ6_K>(from, to, count, importance, [](const float* x, const float* w, BlockQ6_K& block) {
    search::ScaledSuper<16, -32, -128> found;
    found.encode(x, w);
    block.factor = found.factor;
    for (int g = 0; g < 16; g++) block.scales[g] = static_cast<int8_t>(found.scales[g]);
    for (int e = 0; e < 256; e++) {
      const int h = e / 128, j = e % 128 / 32, i = e % 32, level = found.levels[e] + 32;
      uint8_t &lower = block.levels[64 * h + 32 * (j % 2) + i], &upper = block.upper_bits[32 * h + i];
      lower = static_cast<uint8_t>(lower | (level & 15) << j / 2 * 4);
      upper = static_cast<uint8_t>(upper | level >> 4 << 2 * j);
    }
  });
}

}  // namespace sambay
