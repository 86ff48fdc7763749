#include "tensor/quant_q3_k.h"

#include "base/half.h"
#include "tensor/quant_block.h"
#include "tensor/quant_super.h"

namespace sambay {

void decode_q3_k(const std::byte* from, float* to, int64_t count) {
  decode_blocks<BlockQ3_K>(from, to, count, [](const BlockQ3_K& block, float* out) {
    const float factor = f16_to_f32(block.factor);
    for (int g = 0; g < 16; g++) {
      const int low = block.scales[g % 8] >> g / 8 * 4 & 15, high = block.scales[8 + g % 4] >> g / 4 * 2 & 3;
      const float scale = factor * static_cast<float>((low | high << 4) - 32);
      for (int e = g * 16; e < g * 16 + 16; e++) {
        const int lower = block.levels[e / 128 * 32 + e % 32] >> e % 128 / 32 * 2 & 3;
        const int third = block.third_bits[e % 32] >> e / 32 & 1;
        out[e] = scale * static_cast<float>((lower | third << 2) - 4);
      }
    }
  });
}

void encode_q3_k(const float* from, std::byte* to, int64_t count, const float* importance) {
  encode_blocks<BlockQ3_K>(from, to, count, importance, [](const float* x, const float* w, BlockQ3_K& block) {
    search::ScaledSuper<16, -4, -32> found;
    found.encode(x, w);
    block.factor = found.factor;
    for (int g = 0; g < 16; g++) {
      const int scale = found.scales[g] + 32;
      uint8_t &low = block.scales[g % 8], &high = block.scales[8 + g % 4];
      low = static_cast<uint8_t>(low | (scale & 15) << g / 8 * 4);
      high = static_cast<uint8_t>(high | scale >> 4 << g / 4 * 2);
    }
    for (int e = 0; e < 256; e++) {
      const int level = found.levels[e] + 4;
      uint8_t &lower = block.levels[e / 128 * 32 + e % 32], &third = block.third_bits[e % 32];
      lower = static_cast<uint8_t>(lower | (level & 3) << e % 128 / 32 * 2);
      third = static_cast<uint8_t>(third | level >> 2 << e / 32);
    }
  });
}

}  // namespace sambay
