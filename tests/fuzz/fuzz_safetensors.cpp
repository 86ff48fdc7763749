// Header and tensor table of a safetensors file.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "formats/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const std::byte> file(reinterpret_cast<const std::byte*>(data), size);
  const auto tensors = sambay::parse_safetensors(file, "fuzz");
  if (!tensors) return 0;
  size_t total = 0;
  for (const sambay::TensorView& t : *tensors) {
    const auto bytes = static_cast<int64_t>(t.bytes.size());
    if (t.bytes.data() < file.data() || t.bytes.data() + bytes > file.data() + size) std::abort();
    if (sambay::dtype_bytes(t.type, t.element_count()) != bytes) std::abort();
    total += t.bytes.size();
  }
  if (total > size) std::abort();  // no byte belongs to two tensors
  return 0;
}
