// What stands behind GGUF keys: configuration, tokenizer, sampling defaults, and the match with the tensor
// table.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>

#include "formats/checkpoint.h"
#include "model/sambay_config.h"
#include "model/tensor_table.h"
#include "text/tokenizer_data.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sambay;
  const std::span<const std::byte> file(reinterpret_cast<const std::byte*>(data), size);
  const auto checkpoint = Checkpoint::from_gguf_memory(file, "fuzz");
  if (!checkpoint) return 0;
  const auto config = load_sambay_config(*checkpoint);
  if (config && config->layers <= 64) (void)match_tensors(*checkpoint, sambay_tensors(*config));
  (void)load_generation_defaults(*checkpoint);
  auto tokenizer_data = load_tokenizer_data(*checkpoint);
  if (!tokenizer_data) return 0;
  const auto tokenizer = build_tokenizer(*std::move(tokenizer_data), "fuzz");
  if (!tokenizer) return 0;
  const std::string text = "ab abc <|end|> 12\xff\n";
  for (const bool special : {false, true}) {
    const auto ids = (*tokenizer)->encode(text, special);
    // Without added tokens in the way, decoding gives back what was encoded.
    if (ids && !special && (*tokenizer)->decode(*ids) != text) std::abort();
  }
  return 0;
}
