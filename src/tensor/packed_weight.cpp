#include "tensor/packed_weight.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "tensor/k_scales.h"
#include "tensor/quant_q4_0.h"
#include "tensor/quant_q4_k.h"
#include "tensor/quant_q5_k.h"
#include "tensor/quant_q6_k.h"
#include "tensor/quant_q8_0.h"

namespace sambay {
namespace {

// A group is four columns, which is one 32-bit word per row, on both sides: everything below moves words.
static_assert(std::endian::native == std::endian::little);
using Word = uint32_t;
constexpr Word kNibbles = 0x0f0f0f0f, kPairs = 0x03030303, kBits = 0x01010101;

Word word_at(const void* bytes, int index) {
  Word word;
  std::memcpy(&word, static_cast<const std::byte*>(bytes) + index * 4, 4);
  return word;
}
void put_word(void* bytes, int index, Word word) {
  std::memcpy(static_cast<std::byte*>(bytes) + index * 4, &word, 4);
}

/// The 32 levels of a row in a block of 32, four to a word.
struct Levels {
  Word word[kPanelGroups] = {};
};

/// Where one row's part of a panel is.
struct PanelRow {
  std::byte* levels;  ///< of the block
  int row;
  /// The word of this row in the block's vector `vector`.
  Word get(int vector) const { return word_at(levels + vector * kPanelVector, row); }
  void put(int vector, Word word) const { put_word(levels + vector * kPanelVector, row, word); }
};

void put_nibbles(const PanelRow& to, const Levels& l) {
  for (int j = 0; j < 4; j++) to.put(j, (l.word[j] & kNibbles) | (l.word[j + 4] & kNibbles) << 4);
}
Levels get_nibbles(const PanelRow& from) {
  Levels l;
  for (int j = 0; j < 4; j++) {
    const Word both = from.get(j);
    l.word[j] = both & kNibbles, l.word[j + 4] = both >> 4 & kNibbles;
  }
  return l;
}

/// The record of scales of a panel; row r's entries are r-th in each list of 16.
struct Record {
  std::byte* bytes;
  int row;
  int sub;  ///< of the stored block, where several share a record
  uint16_t get_half(int list) const {
    uint16_t half;
    std::memcpy(&half, bytes + list * 32 + row * 2, 2);
    return half;
  }
  void put_half(int list, uint16_t half) const { std::memcpy(bytes + list * 32 + row * 2, &half, 2); }
  uint8_t& byte(int offset) const { return reinterpret_cast<uint8_t*>(bytes)[offset + row]; }
};

// Each format: Block as stored, and for one block how a row of it goes in and comes out. `levels` is the
// panel row of the block's first 32 columns; the next 32 lie layout.levels_bytes further on.

struct Q4_0 {
  using Block = BlockQ4_0;
  static constexpr PanelLayout kLayout = kPanelQ4_0;
  static void pack(const Block& from, PanelRow to, Record scales) {
    for (int j = 0; j < 4; j++) to.put(j, word_at(from.levels, j));  // halves are paired as in the panel
    scales.put_half(scales.sub, from.scale);
  }
  static void unpack(PanelRow from, Record scales, Block& to) {
    for (int j = 0; j < 4; j++) put_word(to.levels, j, from.get(j));
    to.scale = scales.get_half(scales.sub);
  }
};

struct Q8_0 {
  using Block = BlockQ8_0;
  static constexpr PanelLayout kLayout = kPanelQ8_0;
  static void pack(const Block& from, PanelRow to, Record scales) {
    for (int g = 0; g < kPanelGroups; g++) to.put(g, word_at(from.quants, g));
    scales.put_half(scales.sub, from.scale);
  }
  static void unpack(PanelRow from, Record scales, Block& to) {
    for (int g = 0; g < kPanelGroups; g++) put_word(to.quants, g, from.get(g));
    to.scale = scales.get_half(scales.sub);
  }
};

/// Scales of q4_k and q5_k, each 6-bit number in a byte of its own.
template <class Block>
void pack_k_record(const Block& from, Record to) {
  to.put_half(0, from.factor), to.put_half(1, from.min_factor);
  for (int g = 0; g < 8; g++) {
    to.byte(64 + g * 32) = static_cast<uint8_t>(k_scale(from.scales, g));
    to.byte(64 + g * 32 + 16) = static_cast<uint8_t>(k_min(from.scales, g));
  }
}
template <class Block>
void unpack_k_record(Record from, Block& to) {
  to.factor = from.get_half(0), to.min_factor = from.get_half(1);
  int scales[8], mins[8];
  for (int g = 0; g < 8; g++) scales[g] = from.byte(64 + g * 32), mins[g] = from.byte(64 + g * 32 + 16);
  pack_k_scales(scales, mins, to.scales);
}

/// Levels of 4 bits of 32 columns as q4_k and q5_k store them.
Levels k_nibbles(const uint8_t* levels, int group) {
  Levels l;
  for (int g = 0; g < kPanelGroups; g++)
    l.word[g] = word_at(levels, group / 2 * 8 + g) >> group % 2 * 4 & kNibbles;
  return l;
}
void put_k_nibbles(const Levels& l, uint8_t* levels, int group) {
  for (int g = 0; g < kPanelGroups; g++) {
    const int at = group / 2 * 8 + g;
    put_word(levels, at, word_at(levels, at) | (l.word[g] & kNibbles) << group % 2 * 4);
  }
}

struct Q4_K {
  using Block = BlockQ4_K;
  static constexpr PanelLayout kLayout = kPanelQ4_K;
  static void pack(const Block& from, PanelRow to, Record scales) {
    for (int s = 0; s < 8; s++, to.levels += kLayout.levels_bytes) put_nibbles(to, k_nibbles(from.levels, s));
    pack_k_record(from, scales);
  }
  static void unpack(PanelRow from, Record scales, Block& to) {
    for (int s = 0; s < 8; s++, from.levels += kLayout.levels_bytes)
      put_k_nibbles(get_nibbles(from), to.levels, s);
    unpack_k_record(scales, to);
  }
};

struct Q5_K {
  using Block = BlockQ5_K;
  static constexpr PanelLayout kLayout = kPanelQ5_K;
  static void pack(const Block& from, PanelRow to, Record scales) {
    for (int s = 0; s < 8; s++, to.levels += kLayout.levels_bytes) {
      put_nibbles(to, k_nibbles(from.levels, s));
      Word fifth = 0;
      for (int g = 0; g < kPanelGroups; g++) fifth |= (word_at(from.fifth_bits, g) >> s & kBits) << g;
      to.put(4, fifth);
    }
    pack_k_record(from, scales);
  }
  static void unpack(PanelRow from, Record scales, Block& to) {
    for (int s = 0; s < 8; s++, from.levels += kLayout.levels_bytes) {
      put_k_nibbles(get_nibbles(from), to.levels, s);
      for (int g = 0; g < kPanelGroups; g++)
        put_word(to.fifth_bits, g, word_at(to.fifth_bits, g) | (from.get(4) >> g & kBits) << s);
    }
    unpack_k_record(scales, to);
  }
};

struct Q6_K {
  using Block = BlockQ6_K;
  static constexpr PanelLayout kLayout = kPanelQ6_K;
  static void pack(const Block& from, PanelRow to, Record scales) {
    for (int s = 0; s < 8; s++, to.levels += kLayout.levels_bytes) {
      const int h = s / 4, j = s % 4;
      Levels lower;
      Word upper[2] = {};
      for (int g = 0; g < kPanelGroups; g++) {
        lower.word[g] = word_at(from.levels, 16 * h + 8 * (j % 2) + g) >> j / 2 * 4 & kNibbles;
        upper[g / 4] |= (word_at(from.upper_bits, 8 * h + g) >> 2 * j & kPairs) << g % 4 * 2;
      }
      put_nibbles(to, lower);
      to.put(4, upper[0]), to.put(5, upper[1]);
    }
    scales.put_half(0, from.factor);
    for (int g = 0; g < 16; g++) scales.byte(32 + g * 16) = static_cast<uint8_t>(from.scales[g]);
  }
  static void unpack(PanelRow from, Record scales, Block& to) {
    for (int s = 0; s < 8; s++, from.levels += kLayout.levels_bytes) {
      const int h = s / 4, j = s % 4;
      const Levels lower = get_nibbles(from);
      for (int g = 0; g < kPanelGroups; g++) {
        const int at = 16 * h + 8 * (j % 2) + g;
        put_word(to.levels, at, word_at(to.levels, at) | lower.word[g] << j / 2 * 4);
        const Word upper = from.get(4 + g / 4) >> g % 4 * 2 & kPairs;
        put_word(to.upper_bits, 8 * h + g, word_at(to.upper_bits, 8 * h + g) | upper << 2 * j);
      }
    }
    to.factor = scales.get_half(0);
    for (int g = 0; g < 16; g++) to.scales[g] = static_cast<int8_t>(scales.byte(32 + g * 16));
  }
};

/// Where the stored block number b of a row lies in its panel.
template <class Format>
struct Place {
  PanelRow levels;
  Record record;
  Place(std::byte* panel, int64_t b, int row) {
    constexpr PanelLayout layout = Format::kLayout;
    const int64_t block = b * (Format::Block::kElems / kPanelBlock);
    const auto sub = static_cast<int>(block % layout.super_blocks);
    std::byte* super = panel + block / layout.super_blocks * panel_super_bytes(layout);
    levels = {super + layout.record_bytes + sub * layout.levels_bytes, row};
    record = {super, row, sub};
  }
};

template <class Format>
void pack_panel(const std::byte* stored, int64_t row_bytes, int rows, int64_t cols, std::byte* panel) {
  using Block = typename Format::Block;
  std::fill_n(panel, rows < kPanelRows ? panel_bytes(Format::kLayout, cols) : 0, std::byte{0});
  for (int64_t b = 0; b < cols / Block::kElems; b++)
    for (int r = 0; r < rows; r++) {
      Block block;
      std::memcpy(&block, stored + r * row_bytes + b * int64_t{sizeof block}, sizeof block);
      const Place<Format> to(panel, b, r);
      Format::pack(block, to.levels, to.record);
    }
}

template <class Format>
void unpack_row(const std::byte* panel, int row, int64_t cols, std::byte* stored) {
  using Block = typename Format::Block;
  for (int64_t b = 0; b < cols / Block::kElems; b++) {
    Block block{};
    // A place serves both ways; nothing is written here.
    const Place<Format> from(const_cast<std::byte*>(panel), b, row);
    Format::unpack(from.levels, from.record, block);
    std::memcpy(stored + b * int64_t{sizeof block}, &block, sizeof block);
  }
}

template <class Format>
constexpr PackedFormat kFormat = {Format::kLayout, pack_panel<Format>, unpack_row<Format>};

}  // namespace

const PackedFormat* packed_format(DType type) {
  switch (type) {
    case DType::q4_0: return &kFormat<Q4_0>;
    case DType::q8_0: return &kFormat<Q8_0>;
    case DType::q4_k: return &kFormat<Q4_K>;
    case DType::q5_k: return &kFormat<Q5_K>;
    case DType::q6_k: return &kFormat<Q6_K>;
    default: return nullptr;
  }
}

int64_t packed_bytes(DType type, int64_t rows, int64_t cols) {
  return panel_count(rows) * panel_bytes(packed_format(type)->layout, cols);
}

}  // namespace sambay
