#include "text/token_index.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <bit>

namespace sambay {

TokenIndex::TokenIndex(size_t expected)
    : slots_(std::bit_ceil(std::max<size_t>(2, expected * 2)), Slot{nullptr, 0, kNone}) {}

size_t TokenIndex::slot_of(std::string_view text) const {
  const size_t mask = slots_.size() - 1;
  for (size_t slot = XXH3_64bits(text.data(), text.size()) & mask;; slot = (slot + 1) & mask) {
    const Slot& s = slots_[slot];
    if (s.id == kNone || std::string_view(s.data, s.size) == text) return slot;
  }
}

bool TokenIndex::insert(std::string_view text, TokenId id) {
  Slot& slot = slots_[slot_of(text)];
  if (slot.id != kNone) return false;
  slot = {text.data(), static_cast<uint32_t>(text.size()), id};
  return true;
}

TokenId TokenIndex::find(std::string_view text) const { return slots_[slot_of(text)].id; }

}  // namespace sambay
