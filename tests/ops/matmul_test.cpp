// Ops::matmul and embed over every weight type: those without a kernel are decoded on the way.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

#include "kernels/cpu/kernels.h"
#include "ops/ops.h"
#include "support/random.h"

namespace sambay {
namespace {

class WeightType : public ::testing::TestWithParam<std::tuple<const CpuKernels*, DType>> {
 protected:
  static constexpr int64_t kRows = 75, kCols = 512, kInputs = 9;

  void SetUp() override {
    if (!kernels().supported()) GTEST_SKIP() << "this CPU does not have " << kernels().name;
    const std::vector<float> values = test::Random(1).normals(kRows * kCols);
    bytes_.resize(static_cast<size_t>(dtype_bytes(type(), kRows * kCols)));
    dtype_info(type()).encode(values.data(), bytes_.data(), kRows * kCols);
    decoded_.resize(values.size());
    dtype_info(type()).decode(bytes_.data(), decoded_.data(), kRows * kCols);
  }
  const CpuKernels& kernels() const { return *std::get<0>(GetParam()); }
  DType type() const { return std::get<1>(GetParam()); }
  bool is_placed_in_panels() const {
    return static_cast<size_t>(type()) < kKernelTypeCount &&
           kernels().panel_matmul[static_cast<size_t>(type())];
  }
  Weight weight() const { return {type(), bytes_.data(), kRows, kCols}; }

  std::vector<float> product(int threads, int64_t first_input, int64_t inputs, bool placed = true) const {
    const std::unique_ptr<Ops> ops = *make_cpu_ops({threads, kernels().name, false});
    std::vector<float> y(static_cast<size_t>(inputs * kRows), NAN);
    ops->matmul({x_.data() + first_input * kCols, inputs, kCols},
                {placed ? *ops->place(weight()) : weight(), bias_.data()}, {y.data(), inputs, kRows});
    return y;
  }

  void expect_near_double(const std::vector<float>& y, bool placed) const {
    for (int64_t t = 0; t < kInputs; t++)
      for (int64_t r = 0; r < kRows; r++) {
        double exact = bias_[static_cast<size_t>(r)], magnitude = std::fabs(exact), largest = 0;
        for (int64_t k = 0; k < kCols; k++) {
          const double w = decoded_[static_cast<size_t>(r * kCols + k)],
                       x = x_[static_cast<size_t>(t * kCols + k)];
          exact += w * x;
          magnitude += std::fabs(w * x);
          largest = std::max(largest, std::fabs(x));
        }
        // A float sum of n terms errs by at most n ulps of the sum of magnitudes. A product with panels
        // rounds its input to 8 bits, which adds up to half a step of 1/127 of the largest input for each
        // weight.
        double weights = 0;
        for (int64_t k = 0; k < kCols; k++)
          weights += std::fabs(decoded_[static_cast<size_t>(r * kCols + k)]);
        const double rounding = placed && is_placed_in_panels() ? weights * largest / 254 : 0;
        ASSERT_NEAR(y[static_cast<size_t>(t * kRows + r)], exact,
                    static_cast<double>(kCols + 2) * 0x1p-24 * magnitude + rounding)
            << "row " << r << " of input " << t;
      }
  }

  std::vector<std::byte> bytes_;
  std::vector<float> decoded_, x_ = test::Random(2).normals(kInputs * kCols),
                               bias_ = test::Random(3).normals(kRows);
};

std::vector<DType> weight_types() {
  std::vector<DType> types;
  for (const DTypeInfo& info : all_dtypes())
    if (info.is_weight) types.push_back(info.type);
  return types;
}

INSTANTIATE_TEST_SUITE_P(Isa, WeightType,
                         ::testing::Combine(::testing::ValuesIn(compiled_kernels()),
                                            ::testing::ValuesIn(weight_types())),
                         [](const auto& tested) {
                           return std::string(std::get<0>(tested.param)->name) + "_" +
                                  dtype_info(std::get<1>(tested.param)).name;
                         });

TEST_P(WeightType, ProductMatchesDouble) {
  for (const bool placed : {false, true}) expect_near_double(product(1, 0, kInputs, placed), placed);
}

TEST_P(WeightType, ProductIsTheSameBitsForAnyThreadsAndCompany) {
  const std::vector<float> y = product(1, 0, kInputs);
  for (int threads : {2, 3}) {
    const std::vector<float> again = product(threads, 0, kInputs);
    EXPECT_EQ(std::memcmp(again.data(), y.data(), y.size() * sizeof(float)), 0) << threads;
  }
  for (int64_t t : {0, 4, 8}) {
    const std::vector<float> alone = product(2, t, 1);
    EXPECT_EQ(std::memcmp(alone.data(), y.data() + t * kRows, kRows * sizeof(float)), 0) << t;
  }
}

TEST_P(WeightType, EmbeddingRowsAreDecoded) {
  const std::unique_ptr<Ops> ops = *make_cpu_ops({1, kernels().name, false});
  const std::vector<TokenId> tokens = {74, 0, 3, 74};
  std::vector<float> y(4 * kCols, NAN);
  for (const Weight& table : {weight(), *ops->place(weight())}) {
    ops->embed(table, tokens, {y.data(), 4, kCols});
    for (size_t t = 0; t < tokens.size(); t++)
      EXPECT_EQ(std::memcmp(y.data() + t * kCols, decoded_.data() + tokens[t] * kCols, kCols * sizeof(float)),
                0);
  }
}

}  // namespace
}  // namespace sambay
