#include "text/tokenizer_memory.h"

#include <bit>
#include <string>

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

}  // namespace sambay
