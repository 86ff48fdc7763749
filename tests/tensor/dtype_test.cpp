#include "tensor/dtype.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "base/half.h"
#include "support/random.h"
#include "tensor/quant_q8_0.h"
#include "tensor/tensor.h"

namespace sambay {
namespace {

TEST(Half, EveryF16SurvivesTheWayThroughF32) {
  for (uint32_t h = 0; h < 0x10000; h++) {
    const float f = f16_to_f32(static_cast<uint16_t>(h));
    if (std::isnan(f)) {
      EXPECT_TRUE(std::isnan(f16_to_f32(f32_to_f16(f))));
    } else {
      ASSERT_EQ(f32_to_f16(f), h) << f;
    }
  }
}

TEST(Half, EveryBF16SurvivesTheWayThroughF32) {
  for (uint32_t h = 0; h < 0x10000; h++) {
    const float f = bf16_to_f32(static_cast<uint16_t>(h));
    if (std::isnan(f)) {
      EXPECT_TRUE(std::isnan(bf16_to_f32(f32_to_bf16(f))));
    } else {
      ASSERT_EQ(f32_to_bf16(f), h) << f;
    }
  }
}

TEST(Half, KnownF16Values) {
  EXPECT_EQ(f16_to_f32(0x3c00), 1.0f);
  EXPECT_EQ(f16_to_f32(0x0001), 0x1p-24f);
  EXPECT_EQ(f16_to_f32(0x7bff), 65504.0f);
  EXPECT_EQ(f16_to_f32(0xfc00), -std::numeric_limits<float>::infinity());
  EXPECT_EQ(f32_to_f16(65520.0f), 0x7c00);  // halfway to 2^16: to even, which is infinity
  EXPECT_EQ(f32_to_f16(65519.0f), 0x7bff);
  EXPECT_EQ(f32_to_f16(0x1p-25f), 0x0000);  // halfway to the smallest subnormal: to even
  EXPECT_EQ(f32_to_f16(0x1.8p-25f), 0x0001);
}

TEST(Half, RoundsToTheNearerNeighbourAndTiesToEven) {
  test::Random random(7);
  for (int i = 0; i < 20000; i++) {
    const float f = random.normal() * std::exp2(static_cast<float>(random.below(24) - 12));
    const uint16_t h = f32_to_f16(f);
    const float error = std::fabs(f16_to_f32(h) - f);
    for (int step : {-1, 1}) {
      const float neighbour = std::fabs(f16_to_f32(static_cast<uint16_t>(h + step)) - f);
      ASSERT_TRUE(error < neighbour || (error == neighbour && h % 2 == 0)) << f;
    }
  }
}

TEST(DType, TableIsInTheOrderOfTheEnumerationAndNamesAreUnique) {
  ASSERT_EQ(all_dtypes().size(), static_cast<size_t>(kDTypeCount));
  for (int i = 0; i < kDTypeCount; i++) {
    const DTypeInfo& info = all_dtypes()[static_cast<size_t>(i)];
    EXPECT_EQ(static_cast<int>(info.type), i);
    EXPECT_EQ(dtype_from_name(info.name), info.type);
    EXPECT_EQ(dtype_from_gguf_id(info.gguf_id), info.type);
  }
  EXPECT_FALSE(dtype_from_name("q9_9").has_value());
  EXPECT_FALSE(dtype_from_gguf_id(9999).has_value());
}

// Half a step of each format, relative to the largest value of a block.
TEST(DType, RoundTripErrorIsAtMostHalfAStep) {
  test::Random random(3);
  const std::vector<float> values = random.normals(4096);
  for (const DTypeInfo& info : all_dtypes()) {
    if (!info.encode || info.encode_weighted) continue;  // quant_test.cpp has those that search
    std::vector<std::byte> stored(static_cast<size_t>(dtype_bytes(info.type, 4096)));
    std::vector<float> back(4096);
    info.encode(values.data(), stored.data(), 4096);
    info.decode(stored.data(), back.data(), 4096);
    for (size_t i = 0; i < values.size(); i++) {
      float bound = 0;
      if (info.type == DType::f16) bound = std::fabs(values[i]) * 0x1p-11f + 0x1p-25f;
      if (info.type == DType::bf16) bound = std::fabs(values[i]) * 0x1p-8f;
      if (info.type == DType::q8_0) {
        float largest = 0;
        for (size_t j = i / 32 * 32; j < i / 32 * 32 + 32; j++)
          largest = std::fmax(largest, std::fabs(values[j]));
        // Half a step, and the scale itself is rounded to f16: 127 steps times 2^-11.
        bound = largest / 127 * (0.5f + 127 * 0x1p-11f) * 1.0001f;
      }
      ASSERT_LE(std::fabs(back[i] - values[i]), bound) << info.name << " element " << i;
    }
  }
}

TEST(QuantQ8, BlockOfZerosAndExactMultiplesAreExact) {
  std::vector<float> values(64, 0.0f);
  for (int i = 0; i < 32; i++) values[static_cast<size_t>(32 + i)] = static_cast<float>(i * 8 - 127) * 0.5f;
  values[32] = -63.5f;  // -127 * 0.5, so the scale is exactly 0.5
  std::byte stored[68];
  float back[64];
  encode_q8_0(values.data(), stored, 64);
  decode_q8_0(stored, back, 64);
  for (size_t i = 0; i < 64; i++) EXPECT_EQ(back[i], values[i]);
}

TEST(QuantQ8, NotANumberBecomesAQuantAndNeverUndefinedBehaviour) {
  std::vector<float> values(32, 1.0f);
  values[3] = std::nanf("");
  values[4] = std::numeric_limits<float>::infinity();
  std::byte stored[34];
  float back[32];
  encode_q8_0(values.data(), stored, 32);
  decode_q8_0(stored, back, 32);
  EXPECT_FALSE(std::isfinite(back[4]));  // the scale is infinite: a bad block does not look like a good one
}

TEST(Buffer, IsZeroAlignedAndRefusesTheImpossible) {
  const auto buffer = Buffer::allocate(1 << 20);
  ASSERT_TRUE(buffer);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer->data()) % 64, 0u);
  for (int64_t i = 0; i < buffer->bytes(); i++) ASSERT_EQ(buffer->data()[i], std::byte{0});
  const auto huge = Buffer::allocate(int64_t{1} << 62);
  ASSERT_FALSE(huge);
  EXPECT_EQ(huge.error().code, ErrorCode::out_of_memory);
}

}  // namespace
}  // namespace sambay
