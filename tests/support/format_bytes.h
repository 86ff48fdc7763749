// Files put together byte by byte, so that a test can make what no writer of ours would.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/gguf.h"

namespace sambay::test {

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

/// The first `size` bytes in an allocation of exactly that size: a sanitizer sees every read beyond.
inline std::vector<std::byte> prefix_of(std::string_view file, size_t size) {
  const auto bytes = bytes_of(file).first(size);
  return {bytes.begin(), bytes.end()};
}

inline std::string safetensors_bytes(std::string_view header, std::string_view data) {
  const uint64_t length = header.size();
  std::string out(8, '\0');
  std::memcpy(out.data(), &length, 8);
  return out.append(header).append(data);
}

/// GGUF, in the order of the calls.
class GgufBytes {
 public:
  GgufBytes(uint64_t tensor_count, uint64_t key_count, uint32_t version = 3) {
    number(kGgufMagic).number(version).number(tensor_count).number(key_count);
  }
  template <class T>
  GgufBytes& number(T value) {
    const size_t end = out_.size();
    out_.resize(end + sizeof value);
    std::memcpy(out_.data() + end, &value, sizeof value);
    return *this;
  }
  GgufBytes& type(GgufType type) { return number(static_cast<uint32_t>(type)); }
  GgufBytes& string(std::string_view text) {
    number(uint64_t{text.size()});
    out_ += text;
    return *this;
  }
  GgufBytes& key(std::string_view name, GgufType value_type) { return string(name).type(value_type); }
  GgufBytes& array(std::string_view name, GgufType element, uint64_t count) {
    return key(name, GgufType::array).type(element).number(count);
  }
  /// Dimensions innermost first, as the file has them; `type` is ggml's number.
  GgufBytes& tensor(std::string_view name, const std::vector<uint64_t>& dims, uint32_t type,
                    uint64_t offset) {
    string(name).number(static_cast<uint32_t>(dims.size()));
    for (const uint64_t d : dims) number(d);
    return number(type).number(offset);
  }
  GgufBytes& pad(size_t alignment = 32) {
    out_.resize((out_.size() + alignment - 1) / alignment * alignment);
    return *this;
  }
  GgufBytes& data(std::string_view bytes) {
    out_ += bytes;
    return *this;
  }
  const std::string& bytes() const { return out_; }

 private:
  std::string out_;
};

}  // namespace sambay::test
