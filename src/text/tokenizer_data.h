// What a tokenizer is made of, however it was stored; the bridge between files and the encoder.
#pragma once

#include <cstddef>
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

// Limits on what a file may ask for. Everything else is bounded by the file's size.
inline constexpr int kMaxTokenIds = (1 << 20) - 1;         ///< ids are 0 to 1,048,574
inline constexpr int kMaxMerges = 1 << 24;                 ///< 16,777,216
inline constexpr size_t kMaxAddedTokenBytes = 1024;        ///< content of one added token
inline constexpr size_t kMaxTokenizerJsonBytes = 1 << 26;  ///< 64 MiB

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
// clang-format off
/// The keys for a GGUF file, as load_tokenizer_data reads them back. The token list is padded to `vocab` rows.
/// Keys without a value are left out; those of sambay.tokenizer.* are optional when reading.
///
/// | key                               | type    | meaning                                                     |
/// |-----------------------------------|---------|-------------------------------------------------------------|
/// | tokenizer.ggml.model              | string  | "gpt2": byte-level BPE; anything else is refused            |
/// | tokenizer.ggml.pre                | string  | "gpt-4o" for o200k's pattern, else "sambay"; decides only   |
/// |                                   |         | when sambay.tokenizer.pattern is absent                     |
/// | tokenizer.ggml.tokens             | strings | by id: GPT-2's byte alphabet (types 1 and 6), as written    |
/// |                                   |         | (3 and 4), "[PADn]" (5)                                     |
/// | tokenizer.ggml.token_type         | i32s    | by id: 1 normal, 3 control (added, special), 4 user-defined |
/// |                                   |         | (added, not special), 5 unused, 6 byte (read like 1)        |
/// | tokenizer.ggml.merges             | strings | "left right" in the byte alphabet, in rank order            |
/// | tokenizer.ggml.bos_token_id       | u32     | and eos_token_id, padding_token_id                          |
/// | tokenizer.ggml.eot_token_id       | u32     | the first stop token that is not eos                        |
/// | tokenizer.ggml.add_bos_token      | bool    | false; true is refused                                      |
/// | tokenizer.chat_template           | string  | Jinja text                                                  |
/// | sambay.tokenizer.pattern          | string  | the pre-tokenizer's regular expression                      |
/// | sambay.tokenizer.merge_ids        | i32s    | (left, right, merged) of each merge; spares looking 600,000 |
/// |                                   |         | strings up                                                  |
/// | sambay.tokenizer.rstrip_ids       | i32s    | added tokens that swallow white space to their right        |
/// | sambay.tokenizer.lstrip_ids       | i32s    | and to their left                                           |
/// | sambay.tokenizer.stop_ids         | i32s    | tokens that end an answer                                   |
/// | sambay.tokenizer.ignore_merges    | bool    | a word that is a token is that token, whatever the merges   |
// clang-format on
std::vector<GgufEntry> tokenizer_to_gguf(const TokenizerData& data, int vocab);

/// Checks the data (ids unique and < vocab when vocab > 0, merges closed) and builds the encoder. Errors:
/// corrupt (data that contradicts itself, a special token that plain text could merge into), unsupported (the
/// pattern). `name` goes in front of messages.
Result<std::unique_ptr<Tokenizer>> build_tokenizer(TokenizerData data, std::string_view name, int vocab = 0);

/// Sampling defaults of the model's generation_config.json or GGUF: absent fields stay empty. "do_sample":
/// false gives temperature 0.
struct GenerationDefaults {
  std::optional<float> temperature, top_p, min_p;
  std::optional<int> top_k;
};
/// GGUF keys: general.sampling.temp, .top_p, .min_p (f32), .top_k (i32). Fields of a wrong type or out of
/// SamplingOptions' range count as absent.
GenerationDefaults load_generation_defaults(const Checkpoint& checkpoint);
std::vector<GgufEntry> generation_defaults_to_gguf(const GenerationDefaults& defaults);

}  // namespace sambay
