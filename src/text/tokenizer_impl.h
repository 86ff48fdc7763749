// What a Tokenizer is made of.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sambay/text.h"
#include "text/added_token_trie.h"
#include "text/bpe.h"
#include "text/pretokenizer.h"
#include "text/token_index.h"

namespace sambay {

/// Immutable; made by build_tokenizer() from checked data.
class Tokenizer::Impl {
 public:
  enum Flag : uint8_t { kAdded = 1, kSpecial = 2, kStripsRight = 4, kStripsLeft = 8 };

  Impl(TokenizerData data, std::vector<uint8_t> token_flags, Bpe the_bpe, Pretokenizer the_pretokenizer);
  bool has_flag(TokenId id, Flag flag) const {
    return id >= 0 && static_cast<size_t>(id) < flags.size() && (flags[static_cast<size_t>(id)] & flag) != 0;
  }

  std::vector<std::string> tokens;  // by id, as bytes
  int vocab = 0;                    // rows, padding counted
  std::vector<AddedToken> added;
  std::vector<uint8_t> flags;  // by id
  AddedTokenTrie trie;         // over `added`
  Bpe bpe;
  Pretokenizer pretokenizer;
  std::optional<TokenIndex> whole_words;  // with ignore_merges: every token that is not an added one
};

}  // namespace sambay
