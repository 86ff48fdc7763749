#include "formats/tensor_view.h"

#include <fmt/format.h>

#include <algorithm>

namespace sambay {

Result<int64_t> checked_tensor_bytes(DType type, std::span<const int64_t> shape) {
  const DTypeInfo& info = dtype_info(type);
  bool empty = false;
  int64_t count = 1;  // with dimensions of 0 counted as 1, so that no order of multiplying overflows later
  for (const int64_t d : shape) {
    if (d < 0) return fail(ErrorCode::corrupt, fmt::format("negative dimension in {}", shape_text(shape)));
    empty = empty || d == 0;
    if (__builtin_mul_overflow(count, std::max<int64_t>(d, 1), &count))
      return fail(ErrorCode::corrupt,
                  fmt::format("shape {} has more elements than can be counted", shape_text(shape)));
  }
  const int64_t row = shape.empty() ? 1 : shape.back();
  if (row % info.block_elems != 0)
    return fail(ErrorCode::corrupt, fmt::format("rows of {} elements, which {} needs to be a multiple of {}",
                                                row, info.name, info.block_elems));
  int64_t bytes = 0;
  if (__builtin_mul_overflow(count / info.block_elems, int64_t{info.block_bytes}, &bytes))
    return fail(ErrorCode::corrupt,
                fmt::format("shape {} has more bytes than can be counted", shape_text(shape)));
  return empty ? 0 : bytes;
}

std::string shape_text(std::span<const int64_t> shape) {
  std::string out = "[";
  for (const int64_t d : shape) out += (out.size() > 1 ? ", " : "") + std::to_string(d);
  return out + "]";
}

}  // namespace sambay
