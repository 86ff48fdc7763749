// GGUF v3, written as a stream: metadata and tensor table first, then the tensors' bytes in order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/atomic_file.h"
#include "formats/gguf.h"
#include "sambay/error.h"
#include "tensor/dtype.h"

namespace sambay {

/// Peak memory is the caller's pieces, never the whole file. One thread.
class GgufWriter {
 public:
  struct Entry {
    std::string name;
    DType type;
    std::vector<int64_t> shape;  // outermost first, as in TensorView; written reversed
  };
  static Result<GgufWriter> create(const std::string& path, const std::vector<GgufEntry>& metadata,
                                   const std::vector<Entry>& tensors);
  /// The next bytes of the current tensor; pads and moves on to the next tensor when it is complete. A piece
  /// must not cross the end of a tensor.
  Result<void> write(std::span<const std::byte> bytes);
  /// Where the still unnamed file can be opened for verification. Call after the last write.
  std::string inspection_path() const { return file_.inspection_path(); }
  /// All declared bytes were written (else `internal`); the file appears under its name.
  Result<void> commit();

 private:
  explicit GgufWriter(AtomicFile file) : file_(std::move(file)) {}
  AtomicFile file_;
  std::vector<int64_t> tensor_bytes_;
  size_t current_ = 0;
  int64_t written_ = 0;  // of the current tensor
};

}  // namespace sambay
