// Files of token ids.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "tools/ids.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto ids = sambay::parse_ids({reinterpret_cast<const char*>(data), size}, 200064, "fuzz");
  if (!ids) return 0;
  for (sambay::TokenId id : *ids)
    if (id < 0 || id >= 200064) std::abort();
  return 0;
}
