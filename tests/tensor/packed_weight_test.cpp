// Panels: what goes in comes out, bit for bit, for whatever bytes a file may hold.
#include "tensor/packed_weight.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "support/random.h"

namespace sambay {
namespace {

std::vector<DType> packed_types() {
  std::vector<DType> types;
  for (const DTypeInfo& info : all_dtypes())
    if (packed_format(info.type)) types.push_back(info.type);
  return types;
}

TEST(PackedWeight, TypesWithKernelsArePacked) {
  EXPECT_EQ(packed_types(),
            (std::vector<DType>{DType::q8_0, DType::q4_0, DType::q4_k, DType::q5_k, DType::q6_k}));
}

TEST(PackedWeight, RowsComeOutAsTheyWentIn) {
  for (DType type : packed_types())
    for (int rows : {1, 7, 16}) {
      const int64_t cols = 768, row_bytes = dtype_bytes(type, cols);
      const PackedFormat& format = *packed_format(type);
      test::Random random(static_cast<uint64_t>(rows));
      std::vector<std::byte> stored(static_cast<size_t>(rows * row_bytes));
      for (std::byte& byte : stored) byte = static_cast<std::byte>(random.below(256));
      const auto size = static_cast<size_t>(panel_bytes(format.layout, cols));
      std::vector<std::byte> panel(size + 64, std::byte{0xab}), row(static_cast<size_t>(row_bytes));
      format.pack(stored.data(), row_bytes, rows, cols, panel.data());
      for (int r = 0; r < rows; r++) {
        format.unpack(panel.data(), r, cols, row.data());
        EXPECT_TRUE(std::equal(row.begin(), row.end(), stored.begin() + r * row_bytes))
            << dtype_info(type).name << " row " << r << " of " << rows;
      }
      if (rows < 16) {
        format.unpack(panel.data(), 15, cols, row.data());
        std::vector<float> decoded(static_cast<size_t>(cols));
        dtype_info(type).decode(row.data(), decoded.data(), cols);
        EXPECT_TRUE(std::all_of(decoded.begin(), decoded.end(), [](float x) { return x == 0; }));
      }
      EXPECT_TRUE(std::all_of(panel.begin() + static_cast<int64_t>(size), panel.end(),
                              [](std::byte b) { return b == std::byte{0xab}; }));
    }
}

TEST(PackedWeight, PanelsAreHardlyLargerThanTheRows) {
  for (DType type : packed_types()) {
    const int64_t stored = dtype_bytes(type, 2560) * 5120, packed = packed_bytes(type, 5120, 2560);
    EXPECT_GE(packed, stored);
    EXPECT_LE(packed, stored + stored / 34) << dtype_info(type).name;  // 6-bit scales in bytes of their own
  }
}

}  // namespace
}  // namespace sambay
