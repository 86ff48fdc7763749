#include "tensor/quant_iq4_nl.h"

#include "base/half.h"
#include "tensor/quant_block.h"
#include "tensor/quant_search.h"

namespace sambay {

namespace {

/// The table as levels for the search.
struct TableLevels {
  static constexpr float kLowest = kIQ4NLTable[0], kHighest = kIQ4NLTable[15];
  /// From the lowest up by the step to the next entry, as often as v is beyond the middle between two.
  static search::Lanes nearest(search::Lanes v) {
    search::Lanes level = search::Lanes{} + kLowest;
    for (int i = 0; i < 15; i++) {
      const auto middle = static_cast<float>(kIQ4NLTable[i] + kIQ4NLTable[i + 1]) * 0.5f;
      const auto step = static_cast<float>(kIQ4NLTable[i + 1] - kIQ4NLTable[i]);
      level += v > middle ? search::Lanes{} + step : search::Lanes{};
    }
    return level;
  }
};

int index_of(int value) {
  int i = 0;
  while (kIQ4NLTable[i] < value) i++;
  return i;
}

}  // namespace

void decode_iq4_nl(const std::byte* from, float* to, int64_t count) {
  decode_blocks<BlockIQ4_NL>(from, to, count, [](const BlockIQ4_NL& block, float* out) {
    const float scale = f16_to_f32(block.scale);
    for (int i = 0; i < 32; i++) out[i] = scale * static_cast<float>(kIQ4NLTable[nibble(block.levels, i)]);
  });
}

void encode_iq4_nl(const float* from, std::byte* to, int64_t count, const float* importance) {
  encode_blocks<BlockIQ4_NL>(
      from, to, count, importance, [](const float* x, const float* w, BlockIQ4_NL& block) {
        const search::Normalized n = search::normalize(x, w, 32);
        block.scale = search::stored_scale(n, search::fit_scale<32, TableLevels>(n.x, n.w, 3.0f).scale);
        int levels[32];
        search::levels_of_scale<32, TableLevels>(n.x, search::usable_scale(n, block.scale), levels);
        for (int& level : levels) level = index_of(level);
        pack_nibbles(levels, block.levels);
      });
}

}  // namespace sambay
