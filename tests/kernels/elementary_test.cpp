// exp, softplus, norms: against the C library in double, over the whole range.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "kernels/every_isa.h"
#include "support/random.h"

namespace sambay {
namespace {

using Elementary = test::EveryIsa;
SAMBAY_FOR_EVERY_ISA(Elementary);

/// Distance from the exact value in units of the last place of a float at that magnitude.
double ulps(float got, double exact) {
  const float rounded = static_cast<float>(exact);
  const double ulp =
      std::fmax(static_cast<double>(std::nextafter(std::fabs(rounded), INFINITY)) - std::fabs(rounded),
                static_cast<double>(std::numeric_limits<float>::denorm_min()));
  return std::fabs(static_cast<double>(got) - exact) / ulp;
}

/// Every 997th float of each sign up to `limit`, and a dense sweep near zero.
std::vector<float> sweep(float limit) {
  std::vector<float> values;
  for (uint32_t bits = 0; bits < 0x7f800000u; bits += 9973) {
    const float f = __builtin_bit_cast(float, bits);
    if (f > limit) break;
    values.push_back(f);
    values.push_back(-f);
  }
  return values;
}

TEST_P(Elementary, ExpIsWithinTwoUlpOverTheWholeRange) {
  const std::vector<float> x = sweep(88.7f);
  std::vector<float> y(x.size());
  kernels().exp(x.data(), y.data(), static_cast<int64_t>(x.size()));
  double worst = 0;
  for (size_t i = 0; i < x.size(); i++)
    worst = std::fmax(worst, ulps(y[i], std::exp(static_cast<double>(x[i]))));
  EXPECT_LE(worst, 2.0);  // the polynomial's half ulp, the reduction's half, and the two scalings
}

TEST_P(Elementary, ExpOfExtremesIsZeroInfinityOrNotANumber) {
  const float x[9] = {-INFINITY, -1000, -104.5f, 0, 89, 1000, INFINITY, NAN, -0.0f};
  float y[9];
  kernels().exp(x, y, 9);
  for (int i : {0, 1, 2}) EXPECT_EQ(y[i], 0.0f) << i;
  for (int i : {4, 5, 6}) EXPECT_EQ(y[i], INFINITY) << i;
  EXPECT_EQ(y[3], 1.0f);
  EXPECT_TRUE(std::isnan(y[7]));
  EXPECT_EQ(y[8], 1.0f);
}

TEST_P(Elementary, SoftplusIsWithinFourUlpOverTheWholeRange) {
  const std::vector<float> x = sweep(87.0f);
  std::vector<float> y(x.size());
  kernels().softplus(x.data(), y.data(), static_cast<int64_t>(x.size()));
  double worst = 0;
  for (size_t i = 0; i < x.size(); i++) {
    const double v = x[i];
    worst = std::fmax(worst, ulps(y[i], v > 40 ? v : std::log1p(std::exp(v))));
  }
  EXPECT_LE(worst, 4.0);  // exp's two, the logarithm's one, the quotient's one
}

TEST_P(Elementary, SoftplusKeepsNotANumberAndLargeValues) {
  const float x[4] = {NAN, 50, 3e38f, -INFINITY};
  float y[4];
  kernels().softplus(x, y, 4);
  EXPECT_TRUE(std::isnan(y[0]));
  EXPECT_EQ(y[1], 50.0f);
  EXPECT_EQ(y[2], 3e38f);
  EXPECT_EQ(y[3], 0.0f);
}

TEST_P(Elementary, LayerNormMatchesDoubleForEveryLength) {
  test::Random random(11);
  for (int64_t n : {1, 2, 7, 8, 9, 64, 127, 2560}) {
    std::vector<float> x = random.normals(n), w = random.normals(n), b = random.normals(n), y(x.size());
    for (float& v : x) v += 30;  // a mean far larger than the spread
    kernels().layer_norm(x.data(), w.data(), b.data(), 1e-5f, y.data(), n);
    double mean = 0, variance = 0;
    for (float v : x) mean += v;
    mean /= static_cast<double>(n);
    for (float v : x) variance += (v - mean) * (v - mean);
    const double inverse = 1 / std::sqrt(variance / static_cast<double>(n) + 1e-5);
    for (size_t i = 0; i < x.size(); i++) {
      const double exact = (x[i] - mean) * inverse * w[i] + b[i];
      // x and the mean (about 30) are known to half an ulp of 32, 2^-19, each; the mean's sum adds log-many
      // more.
      const double tolerance = 6 * 0x1p-19 * inverse * std::fabs(w[i]) + 1e-6 * (1 + std::fabs(exact));
      ASSERT_NEAR(y[i], exact, tolerance) << "n " << n << " i " << i;
    }
  }
}

TEST_P(Elementary, SiluMulAndAddMatchDoubleForEveryTail) {
  test::Random random(12);
  for (int64_t n = 1; n <= 20; n++) {
    const std::vector<float> g = random.normals(n, 5), u = random.normals(n);
    std::vector<float> y(g.size()), x = u;
    kernels().silu_mul(g.data(), u.data(), y.data(), n);
    kernels().add(g.data(), x.data(), n);
    for (size_t i = 0; i < y.size(); i++) {
      const double exact = g[i] / (1 + std::exp(-static_cast<double>(g[i]))) * u[i];
      EXPECT_NEAR(y[i], exact, 8 * 0x1p-24 * std::fabs(exact) + 1e-37);  // exp 2 ulp, sum, quotient, product
      EXPECT_EQ(x[i], u[i] + g[i]);
    }
  }
}

TEST(SelectKernels, UnknownNameListsTheKnownOnes) {
  const auto kernels = select_kernels("mmx");
  ASSERT_FALSE(kernels);
  EXPECT_EQ(kernels.error().code, ErrorCode::invalid_argument);
  EXPECT_NE(kernels.error().message.find("scalar"), std::string::npos);
}

TEST(SelectKernels, ScalarIsAlwaysThere) {
  const auto kernels = select_kernels("scalar");
  ASSERT_TRUE(kernels);
  EXPECT_STREQ((*kernels)->name, "scalar");
}

}  // namespace
}  // namespace sambay
