#include "ops/decoded_matmul.h"

#include <algorithm>

namespace sambay {
namespace {

constexpr int64_t kTileFloats = 64 * 1024;  // of decoded rows: with the input they stay in a core's L2
constexpr int64_t kTileRows = 32;

}  // namespace

void decoded_matmul(const CpuKernels& kernels, const Weight& weight, const MatMulArgs& args,
                    std::vector<float>& scratch) {
  const auto decode = dtype_info(weight.type).decode;
  const int64_t tile_rows =
      std::clamp(kTileFloats / std::max<int64_t>(weight.cols, 1), int64_t{1}, kTileRows);
  const auto floats = static_cast<size_t>(tile_rows * weight.cols);
  if (scratch.size() < floats) scratch.resize(floats);
  for (int64_t row = args.first; row < args.last; row += tile_rows) {
    const int64_t count = std::min(tile_rows, args.last - row);
    decode(weight.row(row), scratch.data(), count * weight.cols);
    MatMulArgs tile = args;
    tile.weight = reinterpret_cast<const uint8_t*>(scratch.data());
    tile.row_bytes = weight.cols * int64_t{sizeof(float)};
    tile.cols = weight.cols;
    tile.bias = args.bias ? args.bias + row : nullptr;
    tile.y = args.y + row;
    tile.first = 0;
    tile.last = count;
    kernels.matmul[kKernelF32](tile);
  }
}

}  // namespace sambay
