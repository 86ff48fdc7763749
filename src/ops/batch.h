// What a forward is asked to do: rows of several sequences end to end, and where their caches are.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "tensor/kv_layout.h"

namespace sambay {

using TokenId = int32_t;
using SlotId = int32_t;
using PageId = int32_t;

inline constexpr SlotId kZeroState = -1;  ///< state_in of a sequence that begins
inline constexpr SlotId kDiscard = -1;    ///< state_out of a row whose state nobody needs
inline constexpr PageId kNoPage = -1;     ///< a page that fell out of the window

/// One sequence's rows in a step.
struct SeqRows {
  int first_row = 0, row_count = 0;  ///< in Batch::tokens
  int position = 0;                  ///< of first_row
  SlotId state_in = kZeroState;
  std::span<const SlotId> state_out;  ///< [row_count]; may name state_in
  /// Per KV group: pages[g][p / kPageTokens] holds position p. Long enough for the last row of this step;
  /// pages wholly before the window of every row may be kNoPage.
  std::array<std::span<const PageId>, kMaxKvGroups> pages;
};

struct Batch {
  std::span<const TokenId> tokens;     ///< [T], each < vocab
  std::span<const SeqRows> sequences;  ///< ascending, covering all T rows
  std::span<const int> logit_rows;     ///< rows whose logits are wanted, ascending
};

/// The pools, owned by the engine (or a tool); slots and pages are addressed by number.
struct CacheMemory {
  std::byte* slots = nullptr;
  int64_t slot_bytes = 0;
  std::array<std::byte*, kMaxKvGroups>
      pages{};  ///< page p of group g begins at pages[g] + p * KvLayout::page_bytes

  float* slot(SlotId id) const { return reinterpret_cast<float*>(slots + id * slot_bytes); }
};

}  // namespace sambay
