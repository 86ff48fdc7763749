// A flat hash table from text to token id. Does not own the texts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "sambay/text.h"

namespace sambay {

class TokenIndex {
 public:
  static constexpr TokenId kNone = -1;

  /// Makes room for `expected` texts, which must not be exceeded.
  explicit TokenIndex(size_t expected);
  /// False, changing nothing, when the text is there already. The view must stay valid.
  bool insert(std::string_view text, TokenId id);
  TokenId find(std::string_view text) const;

 private:
  struct Slot {
    const char* data;
    uint32_t size;
    TokenId id;  // kNone: empty
  };
  /// The slot that holds `text`, or the empty one where it would go.
  size_t slot_of(std::string_view text) const;
  std::vector<Slot> slots_;  // a power of two of them, at most half full
};

}  // namespace sambay
