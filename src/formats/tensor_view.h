// One tensor of a file: name, type, shape, bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "sambay/error.h"
#include "tensor/dtype.h"

namespace sambay {

/// shape is outermost first, as in Hugging Face files (GGUF's order reversed). bytes lies inside the mapped
/// file, is checked to be exactly as long as shape and type say, and may be unaligned for safetensors.
struct TensorView {
  std::string name;
  DType type;
  std::vector<int64_t> shape;
  std::span<const std::byte> bytes;

  int64_t element_count() const {
    int64_t count = 1;
    for (int64_t d : shape) count *= d;
    return count;
  }
};

/// The bytes of a tensor whose shape comes from outside. Errors: corrupt for a negative dimension, for a
/// product that overflows (a dimension of 0 does not hide it) and for rows that are no whole number of
/// blocks.
Result<int64_t> checked_tensor_bytes(DType type, std::span<const int64_t> shape);

/// "[5120, 16]", for messages.
std::string shape_text(std::span<const int64_t> shape);

}  // namespace sambay
