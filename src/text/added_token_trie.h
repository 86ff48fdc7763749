// Finds added tokens ("<|end|>") in text.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "text/tokenizer_data.h"

namespace sambay {

/// Immutable; thread-safe. Contents are unique and not empty.
class AddedTokenTrie {
 public:
  explicit AddedTokenTrie(std::span<const AddedToken> tokens);

  struct Match {
    size_t start, end;
    int index;  // in the span given
  };
  /// The leftmost match that begins at `from` or later; the longest of several that begin there. Takes time
  /// proportional to the text times, at most, kMaxAddedTokenBytes.
  std::optional<Match> find(std::string_view text, size_t from) const;
  /// The token that is exactly this text; -1 if there is none.
  int exact(std::string_view text) const;

 private:
  struct Node {
    int index = -1;  // of the token that ends here
    std::vector<std::pair<unsigned char, int>> children;
  };
  int child(int node, char byte) const;
  std::vector<Node> nodes_;
  std::array<bool, 256> begins_{};  // bytes that some token begins with
};

}  // namespace sambay
