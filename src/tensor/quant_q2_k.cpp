#include "tensor/quant_q2_k.h"

#include "base/half.h"
#include "tensor/quant_block.h"
#include "tensor/quant_super.h"

namespace sambay {

void decode_q2_k(const std::byte* from, float* to, int64_t count) {
  decode_blocks<BlockQ2_K>(from, to, count, [](const BlockQ2_K& block, float* out) {
    const float factor = f16_to_f32(block.factor), min_factor = f16_to_f32(block.min_factor);
    for (int g = 0; g < 16; g++) {
      const float scale = factor * static_cast<float>(block.scales[g] & 15);
      const float min = min_factor * static_cast<float>(block.scales[g] >> 4);
      for (int e = g * 16; e < g * 16 + 16; e++) {
        const int level = block.levels[e / 128 * 32 + e % 32] >> e % 128 / 32 * 2 & 3;
        out[e] = scale * static_cast<float>(level) - min;
      }
    }
  });
}

void encode_q2_k(const float* from, std::byte* to, int64_t count, const float* importance) {
  encode_blocks<BlockQ2_K>(from, to, count, importance, [](const float* x, const float* w, BlockQ2_K& block) {
    search::AffineSuper<16, 3, 15> found;
    found.encode(x, w);
    block.factor = found.factor;
    block.min_factor = found.min_factor;
    for (int g = 0; g < 16; g++) block.scales[g] = static_cast<uint8_t>(found.scales[g] | found.mins[g] << 4);
    for (int e = 0; e < 256; e++) {
      uint8_t& byte = block.levels[e / 128 * 32 + e % 32];
      byte = static_cast<uint8_t>(byte | found.levels[e] << e % 128 / 32 * 2);
    }
  });
}

}  // namespace sambay
