// Byte-pair encoding of one word: always merge the pair of lowest rank, the leftmost among equals.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "sambay/text.h"
#include "text/tokenizer_data.h"

namespace sambay {

/// (left, right) -> rank of the merge, as one flat table: 8 bytes a slot, so that most of the 200k merges of
/// a large vocabulary stay in the cache.
class MergeTable {
 public:
  static constexpr uint32_t kNoRank = UINT32_MAX;

  /// Makes room for `expected` merges, which must not be exceeded.
  explicit MergeTable(size_t expected);
  /// False when there is a merge for this pair already. Ids below kMaxTokenIds, rank below kMaxMerges.
  bool insert(TokenId left, TokenId right, uint32_t rank);
  /// kNoRank when the two do not merge.
  uint32_t rank(TokenId left, TokenId right) const;

 private:
  size_t first_slot(uint64_t pair) const { return (pair * 0x9E3779B97F4A7C15u) >> shift_; }
  std::vector<uint64_t> slots_;  // pair << kRankBits | rank, or kEmpty; a power of two of them, never full
  int shift_;
};

/// Pairs that wait to be merged: lowest rank first, leftmost among equals. Entries wait in a sorted list; new
/// ones go to a heap, which is sorted to be the next list when this one is used up. So a long run of one
/// character, whose pairs of one rank are all merged before any new pair, needs no heap operation that moves
/// much: 16 MiB take a quarter of the time of a plain heap.
class PairQueue {
 public:
  struct Pair {
    uint32_t rank, position;
  };
  void clear();
  void push(uint32_t rank, uint32_t position);
  std::optional<Pair> pop();

 private:
  std::vector<uint64_t> sorted_, heap_;  // rank << 32 | position
  size_t taken_ = 0;                     // of sorted_
};

/// Immutable after construction; thread-safe.
class Bpe {
 public:
  /// The merges of `data`, whose ids were checked; `byte_ids[b]` is the token of a single byte or -1.
  Bpe(MergeTable table, std::span<const TokenizerData::Merge> merges, std::span<const TokenId, 256> byte_ids);

  /// Working memory of encode(), to be kept from word to word. One thread at a time.
  struct Scratch {
    std::vector<TokenId> ids;
    std::vector<uint32_t> ranks, next, previous;
    PairQueue pairs;
  };

  /// Appends the ids of `word` (at most 2^31 bytes). O(n log n). nullopt when all went well, else the offset
  /// of a byte that has no token.
  std::optional<size_t> encode(std::string_view word, Scratch& scratch, std::vector<TokenId>& out) const;
  TokenId byte_id(unsigned char byte) const { return byte_ids_[byte]; }

 private:
  void merge_short(std::vector<TokenId>& ids, size_t first) const;
  void merge_long(Scratch& scratch, std::vector<TokenId>& out) const;

  MergeTable table_;
  std::vector<TokenId> merged_;  // by rank
  TokenId byte_ids_[256];
};

}  // namespace sambay
