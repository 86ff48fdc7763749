// config.json of Hugging Face folders.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "model/sambay_config.h"
#include "model/tensor_table.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto config = sambay::parse_sambay_config({reinterpret_cast<const char*>(data), size}, "fuzz");
  if (!config) {
    for (char c : config.error().message)
      if (c < 0x20 || c > 0x7e) std::abort();  // errors are one printable line
    return 0;
  }
  if (!sambay::validate(*config, "fuzz")) std::abort();
  // Whatever was accepted has a table whose sizes fit (the sanitizer sees overflow).
  int64_t parameters = 0;
  for (const sambay::TensorSpec& spec : sambay::sambay_tensors(*config)) parameters += spec.element_count();
  if (parameters <= 0) std::abort();
  return 0;
}
