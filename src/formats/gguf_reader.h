// GGUF v2 and v3, read from memory (a mapped file or the embedded model).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "formats/gguf.h"
#include "formats/tensor_view.h"
#include "sambay/error.h"

namespace sambay {

/// Everything is checked against the file's size before anything is allocated; arithmetic is
/// overflow-checked. Strings and arrays are not copied: the views below point into the file, so a 200k
/// vocabulary costs no memory until somebody asks for it. Thread-safe after parse().
class GgufReader {
 public:
  /// `name` is put in front of messages. Errors: corrupt (with the byte offset or the name of the
  /// tensor), unsupported (version, big-endian file, tensor type, array of arrays, alignment that is no power
  /// of two from 8 on). The data may end with or without the padding behind the last tensor.
  static Result<GgufReader> parse(std::span<const std::byte> file, std::string_view name);

  uint32_t version() const { return version_; }
  std::span<const TensorView> tensors() const { return tensors_; }
  /// Keys in file order.
  std::span<const std::string> keys() const { return keys_; }
  bool has(std::string_view key) const;

  /// Scalars. Any integer type that can hold the value exactly is accepted for integers. Errors: not_found
  /// when the key is absent, corrupt when it has another type or is out of range; both name the key.
  Result<int64_t> integer(std::string_view key) const;
  Result<double> number(std::string_view key) const;  // f32, f64 or any integer
  Result<bool> boolean(std::string_view key) const;
  Result<std::string_view> string(std::string_view key) const;
  /// Arrays. Integers of any width are widened.
  Result<std::vector<std::string_view>> strings(std::string_view key) const;
  Result<std::vector<int64_t>> integers(std::string_view key) const;
  Result<std::vector<double>> numbers(std::string_view key) const;
  /// A value as one short line for `sambay info` ("[200064 strings]" for long arrays); "" for an absent key.
  std::string describe(std::string_view key) const;

 private:
  struct Value {
    GgufType type;  // element type for arrays
    bool is_array;
    uint64_t count;         // 1 for scalars
    const std::byte* data;  // first element
    const std::byte* end;
  };
  class Parser;
  GgufReader() = default;
  /// The value of a key if its type fits.
  Result<const Value*> find(std::string_view key, bool array, std::string_view wanted,
                            bool (*fits)(GgufType)) const;
  tl::unexpected<Error> bad(std::string_view key, ErrorCode code, std::string_view why) const;

  std::string name_;
  uint32_t version_ = 0;
  std::vector<std::string> keys_;
  std::unordered_map<std::string, Value> values_;
  std::vector<TensorView> tensors_;
};

}  // namespace sambay
