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

struct GgufTensor {
  std::string name;
  DType type;
  std::vector<int64_t> shape;  ///< outermost first, as in TensorView; written reversed
};

/// Everything before the tensors' bytes, and where those go.
struct GgufHeader {
  std::vector<std::byte> bytes;         ///< padded to the alignment
  std::vector<int64_t> tensor_offsets;  ///< from the beginning of the file
  std::vector<int64_t> tensor_bytes;    ///< without padding
  int64_t file_bytes = 0;               ///< with the padding behind the last tensor
};
GgufHeader make_gguf_header(const std::vector<GgufEntry>& metadata, const std::vector<GgufTensor>& tensors);

/// Peak memory is the caller's pieces, never the whole file. One thread.
class GgufWriter {
 public:
  static Result<GgufWriter> create(const std::string& path, const std::vector<GgufEntry>& metadata,
                                   const std::vector<GgufTensor>& tensors);
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
  int64_t file_bytes_ = 0;
};

}  // namespace sambay
