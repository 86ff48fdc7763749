// Walking over blocks; for the quant_<name>.cpp only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace sambay {

/// decode_one(block, out) for every block of `count` elements. Blocks may lie unaligned, hence the copy.
template <class Block, class F>
void decode_blocks(const std::byte* from, float* to, int64_t count, F&& decode_one) {
  for (int64_t b = 0; b < count / Block::kElems; b++) {
    Block block;
    std::memcpy(&block, from + b * int64_t{sizeof block}, sizeof block);
    decode_one(block, to + b * Block::kElems);
  }
}

/// encode_one(values, importance or null, block) for every block; blocks come in as zeros.
template <class Block, class F>
void encode_blocks(const float* from, std::byte* to, int64_t count, const float* importance, F&& encode_one) {
  for (int64_t b = 0; b < count / Block::kElems; b++) {
    Block block{};
    encode_one(from + b * Block::kElems, importance ? importance + b * Block::kElems : nullptr, block);
    std::memcpy(to + b * int64_t{sizeof block}, &block, sizeof block);
  }
}

/// Nibbles of a block of 32: element i in the lower, i + 16 in the upper half of byte i.
inline void pack_nibbles(const int* levels, uint8_t* bytes) {
  for (int i = 0; i < 16; i++) bytes[i] = static_cast<uint8_t>((levels[i] & 15) | (levels[i + 16] & 15) << 4);
}
/// Bit i of the four bytes: bit 4 of level i.
inline void pack_fifth_bits(const int* levels, uint8_t* bytes) {
  for (int i = 0; i < 32; i++)
    bytes[i / 8] = static_cast<uint8_t>(bytes[i / 8] | (levels[i] >> 4 & 1) << i % 8);
}
inline int nibble(const uint8_t* bytes, int i) { return i < 16 ? bytes[i] & 15 : bytes[i - 16] >> 4; }
inline int fifth_bit(const uint8_t* bytes, int i) { return (bytes[i / 8] >> i % 8 & 1) << 4; }

}  // namespace sambay
