// Matrix products of plain types on every instruction set, against sums in double.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/every_isa.h"
#include "support/random.h"
#include "tensor/dtype.h"

namespace sambay {
namespace {

class MatMul : public test::EveryIsa {
 protected:
  struct Problem {
    DType type;
    int64_t rows, cols, x_rows;
    std::vector<std::byte> weight;
    std::vector<float> decoded, x, bias;
  };

  Problem make(DType type, int64_t rows, int64_t cols, int64_t x_rows, uint64_t seed) const {
    test::Random random(seed);
    Problem p{type, rows, cols, x_rows, {}, {}, random.normals(x_rows * cols), random.normals(rows)};
    const std::vector<float> w = random.normals(rows * cols);
    const DTypeInfo& info = dtype_info(type);
    p.weight.resize(static_cast<size_t>(dtype_bytes(type, rows * cols)));
    p.decoded.resize(w.size());
    info.encode(w.data(), p.weight.data(), rows * cols);
    info.decode(p.weight.data(), p.decoded.data(), rows * cols);
    return p;
  }

  std::vector<float> run(const CpuKernels& k, const Problem& p, int64_t first_row, int64_t x_rows,
                         bool bias = true) const {
    std::vector<float> y(static_cast<size_t>(x_rows * p.rows), NAN);
    MatMulArgs a{};
    a.weight = reinterpret_cast<const uint8_t*>(p.weight.data());
    a.row_bytes = dtype_bytes(p.type, p.cols);
    a.cols = p.cols;
    a.bias = bias ? p.bias.data() : nullptr;
    a.x = p.x.data() + first_row * p.cols;
    a.x_stride = p.cols;
    a.x_rows = x_rows;
    a.y = y.data();
    a.y_stride = p.rows;
    a.last = p.rows;
    k.matmul[static_cast<size_t>(p.type)](a);
    return y;
  }
};
SAMBAY_FOR_EVERY_ISA(MatMul);

constexpr DType kTypes[] = {DType::f32, DType::f16, DType::bf16};

TEST_P(MatMul, MatchesDoubleForAllTileRemainders) {
  for (DType type : kTypes)
    for (const auto& [rows, cols, x_rows] : {std::array<int64_t, 3>{1, 32, 1},
                                             {8, 64, 1},
                                             {9, 32, 2},
                                             {13, 96, 5},
                                             {16, 256, 7},
                                             {31, 160, 12},
                                             {5, 2560, 3},
                                             {4, 32, 101}}) {
      const Problem p = make(type, rows, cols, x_rows, 5);
      const std::vector<float> y = run(kernels(), p, 0, x_rows);
      for (int64_t t = 0; t < x_rows; t++)
        for (int64_t r = 0; r < rows; r++) {
          double exact = p.bias[r], magnitude = std::fabs(p.bias[r]);
          for (int64_t k = 0; k < cols; k++) {
            const double x = p.x[t * cols + k];
            exact += p.decoded[r * cols + k] * x;
            magnitude += std::fabs(p.decoded[r * cols + k] * x);
          }
          // A float sum of n terms errs by at most n ulps of the sum of magnitudes.
          ASSERT_NEAR(y[t * rows + r], exact, static_cast<double>(cols + 2) * 0x1p-24 * magnitude)
              << dtype_info(type).name << " " << rows << "x" << cols << " t " << t << " r " << r;
        }
    }
}

TEST_P(MatMul, ColumnsThatAreNoMultipleOfTheVectorWidthWork) {
  for (DType type : kTypes)
    for (int64_t cols : {1, 3, 8, 11, 23}) {
      const Problem p = make(type, 6, cols, 4, 6);
      const std::vector<float> y = run(kernels(), p, 0, 4, false);
      for (int64_t t = 0; t < 4; t++)
        for (int64_t r = 0; r < 6; r++) {
          double exact = 0, magnitude = 0;
          for (int64_t k = 0; k < cols; k++) {
            const double term = static_cast<double>(p.decoded[r * cols + k]) * p.x[t * cols + k];
            exact += term, magnitude += std::fabs(term);
          }
          ASSERT_NEAR(y[t * 6 + r], exact, static_cast<double>(cols + 1) * 0x1p-24 * magnitude);
        }
    }
}

TEST_P(MatMul, ARowAloneGivesTheSameBitsAsAmongOthers) {
  for (DType type : kTypes) {
    const Problem p = make(type, 29, 192, 103, 7);
    const std::vector<float> together = run(kernels(), p, 0, 103);
    for (int64_t t : {0, 1, 47, 48, 50, 102}) {
      const std::vector<float> alone = run(kernels(), p, t, 1);
      ASSERT_EQ(std::memcmp(alone.data(), together.data() + t * 29, 29 * sizeof(float)), 0)
          << dtype_info(type).name << " row " << t;
    }
  }
}

TEST_P(MatMul, UnalignedWeightsWork) {
  Problem p = make(DType::f32, 8, 40, 2, 8);
  const std::vector<float> aligned = run(kernels(), p, 0, 2);
  std::vector<std::byte> shifted(p.weight.size() + 1);
  std::memcpy(shifted.data() + 1, p.weight.data(), p.weight.size());
  MatMulArgs a{};
  std::vector<float> y(16);
  a.weight = reinterpret_cast<const uint8_t*>(shifted.data() + 1);
  a.row_bytes = 160, a.cols = 40, a.bias = p.bias.data(), a.x = p.x.data(), a.x_stride = 40, a.x_rows = 2;
  a.y = y.data(), a.y_stride = 8, a.last = 8;
  kernels().matmul[kKernelF32](a);
  EXPECT_EQ(y, aligned);
}

}  // namespace
}  // namespace sambay
