#include "tensor/quant_q4_0.h"

#include "base/half.h"
#include "tensor/quant_block.h"
#include "tensor/quant_search.h"

namespace sambay {

void decode_q4_0(const std::byte* from, float* to, int64_t count) {
  decode_blocks<BlockQ4_0>(from, to, count, [](const BlockQ4_0& block, float* out) {
    const float scale = f16_to_f32(block.scale);
    for (int i = 0; i < 32; i++) out[i] = scale * static_cast<float>((nibble(block.levels, i))-8);
  });
}

void encode_q4_0(const float* from, std::byte* to, int64_t count, const float* importance) {
  using Levels = search::IntegerLevels<-8, 7>;
  encode_blocks<BlockQ4_0>(from, to, count, importance, [](const float* x, const float* w, BlockQ4_0& block) {
    const search::Normalized n = search::normalize(x, w, 32);
    block.scale = search::stored_scale(n, search::fit_scale<32, Levels>(n.x, n.w, 0.2f).scale);
    int levels[32];
    search::levels_of_scale<32, Levels>(n.x, search::usable_scale(n, block.scale), levels);
    for (int& level : levels) level += 8;
    pack_nibbles(levels, block.levels);
  });
}

}  // namespace sambay
