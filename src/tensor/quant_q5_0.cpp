#include "tensor/quant_q5_0.h"

#include "base/half.h"
#include "tensor/quant_block.h"
#include "tensor/quant_search.h"

namespace sambay {

void decode_q5_0(const std::byte* from, float* to, int64_t count) {
  decode_blocks<BlockQ5_0>(from, to, count, [](const BlockQ5_0& block, float* out) {
    const float scale = f16_to_f32(block.scale);
    for (int i = 0; i < 32; i++)
      out[i] = scale * static_cast<float>((nibble(block.levels, i) | fifth_bit(block.fifth_bits, i)) - 16);
  });
}

void encode_q5_0(const float* from, std::byte* to, int64_t count, const float* importance) {
  using Levels = search::IntegerLevels<-16, 15>;
  encode_blocks<BlockQ5_0>(from, to, count, importance, [](const float* x, const float* w, BlockQ5_0& block) {
    const search::Normalized n = search::normalize(x, w, 32);
    block.scale = search::stored_scale(n, search::fit_scale<32, Levels>(n.x, n.w, 0.4f).scale);
    int levels[32];
    search::levels_of_scale<32, Levels>(n.x, search::usable_scale(n, block.scale), levels);
    for (int& level : levels) level += 16;
    pack_nibbles(levels, block.levels);
    pack_fifth_bits(levels, block.fifth_bits);
  });
}

}  // namespace sambay
