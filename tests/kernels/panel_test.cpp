// Products with weights in panels: the scalar kernel against sums in double, the others against its bits.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/every_isa.h"
#include "support/random.h"
#include "tensor/dtype.h"
#include "tensor/packed_weight.h"

namespace sambay {
namespace {

struct Problem {
  DType type;
  int64_t rows, cols, inputs;
  std::vector<std::byte> panels;
  std::vector<float> decoded, bias;
  std::vector<int8_t> levels;
  std::vector<InputBlock> blocks;
};

std::vector<std::byte> packed(DType type, const std::vector<std::byte>& stored, int64_t rows, int64_t cols) {
  const PackedFormat& format = *packed_format(type);
  const int64_t row_bytes = dtype_bytes(type, cols), size = panel_bytes(format.layout, cols);
  std::vector<std::byte> panels(static_cast<size_t>(packed_bytes(type, rows, cols)), std::byte{0xff});
  for (int64_t p = 0; p < panel_count(rows); p++)
    format.pack(stored.data() + p * kPanelRows * row_bytes, row_bytes,
                static_cast<int>(std::min<int64_t>(kPanelRows, rows - p * kPanelRows)), cols,
                panels.data() + p * size);
  return panels;
}

class Panels : public test::EveryIsa {
 protected:
  Problem make(DType type, int64_t rows, int64_t cols, int64_t inputs, uint64_t seed) const {
    test::Random random(seed);
    const std::vector<float> values = random.normals(rows * cols);
    std::vector<std::byte> stored(static_cast<size_t>(dtype_bytes(type, rows * cols)));
    dtype_info(type).encode(values.data(), stored.data(), rows * cols);
    return make(type, rows, cols, stored, random.normals(inputs * cols));
  }
  Problem make(DType type, int64_t rows, int64_t cols, const std::vector<std::byte>& stored,
               const std::vector<float>& x) const {
    const auto inputs = static_cast<int64_t>(x.size()) / cols;
    Problem p{type, rows, cols, inputs, packed(type, stored, rows, cols), {}, test::Random(1).normals(rows),
              {},   {}};
    p.decoded.resize(static_cast<size_t>(rows * cols));
    dtype_info(type).decode(stored.data(), p.decoded.data(), rows * cols);
    p.levels.resize(x.size());
    p.blocks.resize(x.size() / 32);
    for (int64_t t = 0; t < inputs; t++)
      kernels().quantize_row(x.data() + t * cols, p.levels.data() + t * cols, p.blocks.data() + t * cols / 32,
                             cols);
    return p;
  }
  static std::vector<float> run(const CpuKernels& k, const Problem& p, int64_t first_input, int64_t inputs,
                                int64_t first = 0, int64_t last = -1) {
    std::vector<float> y(static_cast<size_t>(inputs * p.rows), -7.0f);
    PanelArgs a{};
    a.weight = reinterpret_cast<const uint8_t*>(p.panels.data());
    a.cols = p.cols;
    a.bias = p.bias.data();
    a.levels = p.levels.data() + first_input * p.cols;
    a.blocks = p.blocks.data() + first_input * p.cols / 32;
    a.x_rows = inputs;
    a.y = y.data();
    a.y_stride = p.rows;
    a.first = first;
    a.last = last < 0 ? p.rows : last;
    k.panel_matmul[static_cast<size_t>(p.type)](a);
    return y;
  }
};
SAMBAY_FOR_EVERY_ISA(Panels);

constexpr DType kPackedTypes[] = {DType::q4_0, DType::q8_0, DType::q4_k, DType::q5_k, DType::q6_k};

TEST_P(Panels, MatchDoubleForAllTileRemainders) {
  for (DType type : kPackedTypes)
    for (const auto& [rows, cols, inputs] : {std::array<int64_t, 3>{1, 256, 1},
                                             {8, 256, 2},
                                             {16, 512, 3},
                                             {17, 256, 5},
                                             {31, 768, 7},
                                             {40, 256, 16},
                                             {16, 2560, 31}}) {
      const Problem p = make(type, rows, cols, inputs, 5);
      const std::vector<float> y = run(kernels(), p, 0, inputs);
      for (int64_t t = 0; t < inputs; t++)
        for (int64_t r = 0; r < rows; r++) {
          // The oracle uses the same rounded input: the kernel's own error is what is measured. Minimums are
          // taken off apart from the levels, so what cancels counts towards the magnitude.
          double exact = p.bias[r], magnitude = std::fabs(p.bias[r]);
          for (int64_t k = 0; k < cols; k++) {
            const InputBlock& block = p.blocks[(t * cols + k) / 32];
            const double x = static_cast<double>(p.levels[t * cols + k]) * block.scale;
            exact += p.decoded[r * cols + k] * x;
            magnitude += (std::fabs(p.decoded[r * cols + k]) + 8) * std::fabs(x);
          }
          // Two additions a block, one rounding of each product of scales.
          ASSERT_NEAR(y[t * rows + r], exact, static_cast<double>(cols / 8 + 4) * 0x1p-24 * magnitude)
              << dtype_info(type).name << " " << rows << "x" << cols << " t " << t << " r " << r;
        }
    }
}

TEST_P(Panels, EveryInstructionSetGivesTheSameBits) {
  for (DType type : kPackedTypes) {
    const Problem p = make(type, 43, 1024, 23, 6);
    const std::vector<float> y = run(kernels(), p, 0, 23), oracle = run(scalar(), p, 0, 23);
    ASSERT_EQ(std::memcmp(y.data(), oracle.data(), y.size() * sizeof(float)), 0) << dtype_info(type).name;
  }
}

TEST_P(Panels, AnInputAloneGivesTheSameBitsAsAmongOthers) {
  for (DType type : kPackedTypes) {
    const Problem p = make(type, 29, 512, 37, 7);
    const std::vector<float> together = run(kernels(), p, 0, 37);
    for (int64_t t : {0, 1, 15, 16, 36}) {
      const std::vector<float> alone = run(kernels(), p, t, 1);
      ASSERT_EQ(std::memcmp(alone.data(), together.data() + t * 29, 29 * sizeof(float)), 0)
          << dtype_info(type).name << " input " << t;
    }
  }
}

TEST_P(Panels, OnlyTheRowsAskedForAreWritten) {
  for (DType type : kPackedTypes) {
    const Problem p = make(type, 60, 256, 5, 8);
    const std::vector<float> all = run(kernels(), p, 0, 5), part = run(kernels(), p, 0, 5, 16, 32),
                             end = run(kernels(), p, 0, 5, 48, 60);
    for (int64_t t = 0; t < 5; t++)
      for (int64_t r = 0; r < 60; r++) {
        const auto at = static_cast<size_t>(t * 60 + r);
        EXPECT_EQ(part[at], r >= 16 && r < 32 ? all[at] : -7.0f);
        EXPECT_EQ(end[at], r >= 48 ? all[at] : -7.0f);
      }
  }
}

// The sums in 16 bits of some kernels come closest to their limit when all levels and all inputs are at
// theirs; bytes of all ones are the largest levels of every format (q8_0: -1, so -128 is tried too).
TEST_P(Panels, LargestLevelsDoNotOverflow) {
  for (DType type : kPackedTypes)
    for (const uint8_t fill : {0xff, 0x80, 0x00})
      for (const float sign : {-1.0f, 1.0f}) {
        const DTypeInfo& info = dtype_info(type);
        std::vector<std::byte> stored(static_cast<size_t>(dtype_bytes(type, 16 * 512)),
                                      static_cast<std::byte>(fill));
        const uint16_t one = 0x3c00;
        for (size_t b = 0; b < stored.size(); b += static_cast<size_t>(info.block_bytes)) {
          std::byte* scale = stored.data() + b + (type == DType::q6_k ? info.block_bytes - 2 : 0);
          std::memcpy(scale, &one, 2);
          if (type == DType::q4_k || type == DType::q5_k) std::memcpy(scale + 2, &one, 2);
        }
        const Problem p = make(type, 16, 512, stored, std::vector<float>(512 * 3, 127.0f * sign));
        const std::vector<float> y = run(kernels(), p, 0, 3), oracle = run(scalar(), p, 0, 3);
        ASSERT_EQ(std::memcmp(y.data(), oracle.data(), y.size() * sizeof(float)), 0) << info.name;
        double exact = p.bias[0];
        for (int64_t k = 0; k < 512; k++) exact += static_cast<double>(p.decoded[k]) * 127 * sign;
        EXPECT_NEAR(y[0], exact, std::fabs(exact) * 1e-5 + 1) << info.name;
      }
}

TEST_P(Panels, QuantizedInputIsTheSameOnEveryInstructionSet) {
  test::Random random(9);
  std::vector<float> x = random.normals(1024);
  x[0] = 0.5f * (x[1] = 127.0f);  // a tie: 63.5 goes to 64
  for (int i = 64; i < 96; i++) x[static_cast<size_t>(i)] = 0;
  std::vector<int8_t> levels(1024), oracle_levels(1024);
  std::vector<InputBlock> blocks(32), oracle(32);
  kernels().quantize_row(x.data(), levels.data(), blocks.data(), 1024);
  scalar().quantize_row(x.data(), oracle_levels.data(), oracle.data(), 1024);
  EXPECT_EQ(levels, oracle_levels);
  EXPECT_EQ(std::memcmp(blocks.data(), oracle.data(), 32 * sizeof(InputBlock)), 0);
  EXPECT_EQ(levels[0], 64);
  EXPECT_EQ(blocks[2].scale, 0.0f);
  for (int b = 0; b < 32; b++) {
    int sum = 0, lower = 0;
    for (int i = 0; i < 32; i++) sum += levels[b * 32 + i], lower += i < 16 ? levels[b * 32 + i] : 0;
    EXPECT_EQ(blocks[b].minus_sum, -sum);
    EXPECT_EQ(blocks[b].minus_lower_sum, -lower);
    EXPECT_EQ(blocks[b].scaled_sum, blocks[b].scale * static_cast<float>(sum));
  }
}

TEST_P(Panels, NotANumberInTheInputShowsInTheResult) {
  for (const float bad : {NAN, INFINITY}) {
    std::vector<float> x(64, 1.0f);
    x[40] = bad;
    std::vector<int8_t> levels(64);
    std::vector<InputBlock> blocks(2);
    kernels().quantize_row(x.data(), levels.data(), blocks.data(), 64);
    EXPECT_EQ(blocks[0].scale, 1.0f / 127.0f);
    EXPECT_FALSE(std::isfinite(blocks[1].scale));
    for (DType type : kPackedTypes) {
      test::Random random(3);
      std::vector<float> input = random.normals(256);
      input[200] = bad;
      std::vector<std::byte> stored(static_cast<size_t>(dtype_bytes(type, 16 * 256)));
      dtype_info(type).encode(random.normals(16 * 256).data(), stored.data(), 16 * 256);
      const std::vector<float> y = run(kernels(), make(type, 16, 256, stored, input), 0, 1);
      for (float value : y) EXPECT_FALSE(std::isfinite(value)) << dtype_info(type).name;
    }
  }
}

}  // namespace
}  // namespace sambay
