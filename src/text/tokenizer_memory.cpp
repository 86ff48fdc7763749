#include "text/tokenizer_memory.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <filesystem>
#include <string>
#include <system_error>

#include "text/tokenizer_data.h"
#include "text/tokenizer_impl.h"

namespace sambay {

int64_t tokenizer_memory(const Checkpoint& checkpoint, int vocab) {
  const bool has_one = checkpoint.kind() == CheckpointKind::gguf
                           ? checkpoint.gguf().has("tokenizer.ggml.tokens")
                           : checkpoint.text().tokenizer.has_value();
  if (!has_one) return 0;
  // Byte-level vocabularies have about one merge per token; a tenth of the tokens does not fit into the
  // string object itself.
  const auto tokens = static_cast<int64_t>(vocab);
  const auto slots = static_cast<int64_t>(std::bit_ceil(2 * static_cast<uint64_t>(vocab)));
  const int64_t texts = tokens * static_cast<int64_t>(sizeof(std::string) + 4 + sizeof(uint8_t));
  const int64_t merges = tokens * static_cast<int64_t>(sizeof(TokenizerData::Merge) + sizeof(TokenId));
  return texts + merges + slots * static_cast<int64_t>(sizeof(uint64_t)) +  // MergeTable
         slots * 16;                                                        // TokenIndex
}

int64_t text_memory(const std::string& path) {
  constexpr int64_t kFactor = 4;  // of a text's byte: itself, and its share of eight bytes for a token
  std::error_code missing;
  const auto bytes = std::filesystem::file_size(path, missing);
  return missing ? 0 : kFactor * static_cast<int64_t>(std::min<uintmax_t>(bytes, INT64_MAX / kFactor));
}

}  // namespace sambay
