// Block-quantized matrices in the order in which the CPU's kernels read them (tensor/panel_layout.h).
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/dtype.h"
#include "tensor/panel_layout.h"

namespace sambay {

/// One type's way into panels and out again. Both directions are exact: no value changes.
struct PackedFormat {
  PanelLayout layout;
  /// `rows` (1 to 16) stored rows to one panel; rows beyond are filled with zeros.
  void (*pack)(const std::byte* stored, int64_t row_bytes, int rows, int64_t cols, std::byte* panel);
  /// Row `row` (0 to 15) of a panel, as stored.
  void (*unpack)(const std::byte* panel, int row, int64_t cols, std::byte* stored);
};

/// nullptr for types that are multiplied as they are stored.
const PackedFormat* packed_format(DType type);

inline int64_t panel_count(int64_t rows) { return (rows + kPanelRows - 1) / kPanelRows; }

/// Bytes of a matrix in panels.
int64_t packed_bytes(DType type, int64_t rows, int64_t cols);

}  // namespace sambay
