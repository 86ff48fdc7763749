// What a tokenizer is made of, however it was stored; the bridge between files and the encoder.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/checkpoint.h"
#include "formats/gguf.h"
#include "sambay/error.h"
#include "sambay/text.h"

namespace sambay {

struct AddedToken {
  TokenId id = 0;
  std::string content;
  bool rstrip = false, lstrip = false, special = false;
};

/// Plain data. Token texts are bytes, not the GPT-2 byte alphabet.
struct TokenizerData {
  std::vector<std::string> tokens;  ///< by id; "" where an id has no token
  /// In rank order: (left id, right id, merged id).
  struct Merge {
    TokenId left, right, merged;
  };
  std::vector<Merge> merges;
  std::vector<AddedToken> added;
  std::string pattern;  ///< the pre-tokenizer's regular expression; every match is one BPE word
  bool ignore_merges = false;
  std::optional<std::string> chat_template;
  std::vector<TokenId> stop_ids;  ///< end of turn and end of text, from generation_config or the GGUF
  std::optional<TokenId> bos_id, eos_id, pad_id;
};

/// tokenizer.json. Errors: corrupt with the JSON path, unsupported (a model, normalizer or pre-tokenizer that
/// we do not compute) naming it. Limits: docs/file-format.md.
Result<TokenizerData> parse_tokenizer_json(std::string_view json, std::string_view name);
/// From the folder's files or the GGUF's keys, with template and stop ids. not_found: has no tokenizer.
Result<TokenizerData> load_tokenizer_data(const Checkpoint& checkpoint);
/// The keys for a GGUF file (tokenizer.ggml.* and sambay.tokenizer.*), as load_tokenizer_data reads them back.
/// Token list padded to `vocab` rows.
std::vector<GgufEntry> tokenizer_to_gguf(const TokenizerData& data, int vocab);

/// Checks the data (ids unique and < vocab when vocab > 0, merges closed) and builds the encoder.
Result<std::unique_ptr<Tokenizer>> build_tokenizer(TokenizerData data, std::string_view name, int vocab = 0);

/// Sampling defaults of the model's generation_config.json or GGUF: absent fields stay empty. "do_sample": false
/// gives temperature 0.
struct GenerationDefaults {
  std::optional<float> temperature, top_p, min_p;
  std::optional<int> top_k;
};
GenerationDefaults load_generation_defaults(const Checkpoint& checkpoint);
std::vector<GgufEntry> generation_defaults_to_gguf(const GenerationDefaults& defaults);

}  // namespace sambay
