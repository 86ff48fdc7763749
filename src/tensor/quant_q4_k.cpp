#include "tensor/quant_q4_k.h"

#include "base/half.h"
#include "tensor/k_scales.h"
#include "tensor/quant_block.h"
#include "tensor/quant_super.h"

namespace sambay {

void decode_q4_k(const std::byte* from, float* to, int64_t count) {
  decode_blocks<BlockQ4_K>(from, to, count, [](const BlockQ4_K& block, float* out) {
    const float factor = f16_to_f32(block.factor), min_factor = f16_to_f32(block.min_factor);
    for (int g = 0; g < 8; g++) {
      const float scale = factor * static_cast<float>(k_scale(block.scales, g));
      const float min = min_factor * static_cast<float>(k_min(block.scales, g));
      for (int e = g * 32; e < g * 32 + 32; e++) {
        const int lower = block.levels[e / 64 * 32 + e % 32] >> g % 2 * 4 & 15;
        out[e] = scale * static_cast<float>(lower) - min;
      }
    }
  });
}

void encode_q4_k(const float* from, std::byte* to, int64_t count, const float* importance) {
  encode_blocks<BlockQ4_K>(from, to, count, importance, [](const float* x, const float* w, BlockQ4_K& block) {
    search::AffineSuper<32, 15, 63> found;
    found.encode(x, w);
    block.factor = found.factor;
    block.min_factor = found.min_factor;
    pack_k_scales(found.scales, found.mins, block.scales);
    for (int e = 0; e < 256; e++) {
      uint8_t& byte = block.levels[e / 64 * 32 + e % 32];
      byte = static_cast<uint8_t>(byte | (found.levels[e] & 15) << e / 32 % 2 * 4);
    }
  });
}

}  // namespace sambay
