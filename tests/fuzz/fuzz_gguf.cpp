// GGUF: parsing, and asking for every key in every way.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>

#include "formats/gguf_reader.h"

namespace {

/// A value is readable in the ways that its type allows; what must not happen is a read outside of the file.
void walk(const sambay::GgufReader& gguf, const std::string& key) {
  if (!gguf.has(key)) std::abort();
  const auto text = gguf.string(key);
  const auto texts = gguf.strings(key);
  const auto integer = gguf.integer(key);
  const auto integers = gguf.integers(key);
  const auto number = gguf.number(key);
  const auto numbers = gguf.numbers(key);
  const auto boolean = gguf.boolean(key);
  if (integer && !number) std::abort();
  if (integers && !numbers) std::abort();
  if (text.has_value() + integer.has_value() + boolean.has_value() > 1) std::abort();
  volatile size_t sum = text ? std::string(*text).size() : 0;
  if (texts)
    for (const std::string_view s : *texts) sum = sum + std::string(s).size();
  for (const char c : gguf.describe(key))
    if (c < 0x20 || c == 0x7f) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const std::byte> file(reinterpret_cast<const std::byte*>(data), size);
  const auto gguf = sambay::GgufReader::parse(file, "fuzz");
  if (!gguf) return 0;
  for (const std::string& key : gguf->keys()) walk(*gguf, key);
  if (!gguf->has("no such key") && (gguf->integer("no such key") || !gguf->describe("no such key").empty()))
    std::abort();
  size_t total = 0;
  for (const sambay::TensorView& t : gguf->tensors()) {
    const auto bytes = static_cast<int64_t>(t.bytes.size());
    if (t.bytes.data() < file.data() || t.bytes.data() + bytes > file.data() + size) std::abort();
    if (sambay::dtype_bytes(t.type, t.element_count()) != bytes) std::abort();
    total += t.bytes.size();
  }
  if (total > size) std::abort();  // no byte belongs to two tensors
  return 0;
}
