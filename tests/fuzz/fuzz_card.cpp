// The quality card of a model's file.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "formats/quality_card.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto card = sambay::parse_quality_card({reinterpret_cast<const char*>(data), size}, "fuzz");
  if (!card) return 0;
  // What was accepted can be written, and reads back as the same.
  const std::string text = sambay::quality_card_json(*card, false);
  const auto again = sambay::parse_quality_card(text, "again");
  if (!again || sambay::quality_card_json(*again, false) != text) std::abort();
  return 0;
}
