#include "tensor/quant_q4_1.h"

#include "base/half.h"
#include "tensor/quant_block.h"
#include "tensor/quant_search.h"

namespace sambay {

void decode_q4_1(const std::byte* from, float* to, int64_t count) {
  decode_blocks<BlockQ4_1>(from, to, count, [](const BlockQ4_1& block, float* out) {
    const float scale = f16_to_f32(block.scale), offset = f16_to_f32(block.offset);
    for (int i = 0; i < 32; i++) out[i] = scale * static_cast<float>(nibble(block.levels, i)) + offset;
  });
}

void encode_q4_1(const float* from, std::byte* to, int64_t count, const float* importance) {
  encode_blocks<BlockQ4_1>(from, to, count, importance, [](const float* x, const float* w, BlockQ4_1& block) {
    const search::Normalized n = search::normalize(x, w, 32);
    const search::AffineFit fit = search::fit_affine<32, 15>(n.x, n.w, false);
    block.scale = search::stored_scale(n, fit.scale);
    block.offset = search::stored_scale(n, fit.offset);
    int levels[32];
    search::levels_of_affine<32, 15>(n.x, search::usable_scale(n, block.scale),
                                     search::usable_scale(n, block.offset), levels);
    pack_nibbles(levels, block.levels);
  });
}

}  // namespace sambay
