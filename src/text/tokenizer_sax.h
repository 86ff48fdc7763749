// Reads tokenizer.json as a stream: the two huge members go to flat arrays, the rest becomes a small tree.
// Private to tokenizer_json.cpp (the only includer: it brings nlohmann/json).
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sambay/error.h"

namespace sambay {

/// A tokenizer.json, syntactically. Texts are as in the file (UTF-8, escapes resolved).
struct TokenizerFile {
  struct Text {
    uint32_t offset, size;  // in `texts`
  };
  struct Entry {
    Text token;
    uint64_t id;
  };
  struct Pair {
    Text left, right;
  };
  nlohmann::json tree;  ///< everything but model.vocab and model.merges
  std::string texts;
  std::vector<Entry> vocab;
  std::vector<Pair> merges;
  bool has_vocab = false, has_merges = false;

  std::string_view view(Text text) const { return std::string_view(texts).substr(text.offset, text.size); }
};

/// Errors: corrupt: not JSON (with the byte), a key twice in one object, nesting deeper than 32, a member of
/// vocab or merges of another type than it should have; all but the first with the JSON path. Keys of vocab
/// are not checked to be unique.
Result<TokenizerFile> read_tokenizer_file(std::string_view json);

}  // namespace sambay
