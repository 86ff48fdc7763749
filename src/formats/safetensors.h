// The safetensors format: reading one file, the index of a sharded set, and streaming writing.
// Source: the format description in huggingface/safetensors; limits in docs/file-format.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/atomic_file.h"
#include "formats/tensor_view.h"
#include "sambay/error.h"

namespace sambay {

inline constexpr int64_t kSafetensorsMaxHeaderBytes = 100'000'000;  // as the reference implementation
inline constexpr size_t kSafetensorsMaxTensors = 1 << 16;
inline constexpr size_t kSafetensorsMaxDims = 8;
inline constexpr size_t kSafetensorsMaxName = 1024;  // bytes of a tensor's name
inline constexpr size_t kSafetensorsMaxShards = 1000;

/// Parses header and tensor table of a whole file; the result is in the order of the bytes in the file. The
/// views point into `file`. Checks everything against the file's size before allocating: header length,
/// offsets inside the data, begin <= end, size = shape x type, no overlap, no hole, no duplicate name. A type
/// that we do not compute with (I64, BOOL, F64, ...) is an `unsupported` error naming the tensor. `name` is
/// put in front of messages. Thread-safe.
Result<std::vector<TensorView>> parse_safetensors(std::span<const std::byte> file, std::string_view name);

/// model.safetensors.index.json: tensor name -> shard file name. Shard names with a path separator, "." or
/// ".." are refused.
Result<std::map<std::string, std::string>> parse_safetensors_index(std::string_view json,
                                                                   std::string_view name);

/// Writes a file whose tensors are declared first and then streamed in the declared order. One thread.
class SafetensorsWriter {
 public:
  struct Entry {
    std::string name;
    DType type;  // f32, f16, bf16 or i32
    std::vector<int64_t> shape;
  };
  static Result<SafetensorsWriter> create(const std::string& path, const std::vector<Entry>& entries);
  /// The next bytes of the data section; any split.
  Result<void> write(std::span<const std::byte> bytes);
  /// Overwrites bytes that were appended before, for data that is known late.
  Result<void> write_at(int64_t data_offset, std::span<const std::byte> bytes);
  /// Bytes of the data section so far: the offset of what write() appends next.
  int64_t appended() const { return file_.size() - data_start_; }
  /// Fails with `internal` if fewer or more bytes were appended than declared.
  Result<void> finish();

 private:
  explicit SafetensorsWriter(AtomicFile file) : file_(std::move(file)) {}
  AtomicFile file_;
  int64_t data_start_ = 0, data_bytes_ = 0;
};

}  // namespace sambay
