// tokenizer.json: parse, build, encode, decode, and through GGUF keys.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "text/tokenizer_data.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace sambay;
  const std::string_view json(reinterpret_cast<const char*>(bytes), size);
  auto data = parse_tokenizer_json(json, "fuzz");
  if (!data) {
    require(data.error().message.find('\n') == std::string::npos);
    return 0;
  }
  (void)tokenizer_to_gguf(*data, 0);
  const std::string own = data->added.empty() ? "" : data->added.front().content;
  const auto tokenizer = build_tokenizer(*std::move(data), "fuzz");
  if (!tokenizer) return 0;
  const std::string text = " ab abc\xE2\x82 12\n\n" + own + " \u4f60'S" + std::string(70, 'a');
  for (const bool parse_special : {false, true}) {
    const auto ids = (*tokenizer)->encode(text, parse_special);
    if (!ids) continue;
    Detokenizer detokenizer(**tokenizer);
    std::string out;
    for (const TokenId id : *ids) {
      require(id >= 0 && id < (*tokenizer)->size());
      require(parse_special || !(*tokenizer)->is_special(id));
      detokenizer.push(id, out);
    }
    detokenizer.finish(out);
    require(parse_special || (*tokenizer)->decode(*ids) == text);
  }
  return 0;
}
