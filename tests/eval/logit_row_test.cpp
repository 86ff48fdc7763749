#include "eval/logit_row.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>

namespace sambay {
namespace {

// ln 2 and ln 4 as float32 are off by at most half an ulp of 2, and the result sums up a few of them.
constexpr double kRounding = 4 * 0x1p-23;

TEST(LogitRow, LogSumAndProbabilityEqualTheFormula) {
  const float row[] = {0, std::log(2.0f), 0};  // probabilities 1/4, 1/2, 1/4
  EXPECT_NEAR(LogitRow(row).log_sum, std::log(4.0), kRounding);
  EXPECT_NEAR(LogitRow(row).negative_log(0), std::log(4.0), kRounding);
  EXPECT_NEAR(LogitRow(row).negative_log(1), std::log(2.0), kRounding);
  const float large[] = {1e30f, 0};
  EXPECT_EQ(LogitRow(large).negative_log(0), 0);  // no overflow
}

TEST(LogitRow, NotANumberShowsInTheSum) {
  const float nan = std::numeric_limits<float>::quiet_NaN(),
              infinity = std::numeric_limits<float>::infinity();
  for (const auto& row :
       {std::array{nan, 1.0f, 2.0f}, std::array{1.0f, 2.0f, nan}, std::array{1.0f, infinity, 2.0f}})
    EXPECT_FALSE(std::isfinite(LogitRow(row).log_sum));
}

TEST(KlDivergence, EqualsTheFormula) {
  const float p[] = {std::log(0.5f) + 30, std::log(0.5f) + 30}, q[] = {std::log(0.9f), std::log(0.1f)};
  // Logits are float32: each is off by at most half an ulp of 32.
  EXPECT_NEAR(kl_divergence(LogitRow(p), LogitRow(q)), 0.5 * std::log(0.5 / 0.9) + 0.5 * std::log(0.5 / 0.1),
              4 * 0x1p-20);
  EXPECT_EQ(kl_divergence(LogitRow(q), LogitRow(q)), 0);
  const float far[] = {0, -1000}, other[] = {0, -3000};
  EXPECT_EQ(kl_divergence(LogitRow(far), LogitRow(other)), 0);  // what has no probability costs nothing
}

TEST(TopTokens, AreTheLargestWithTheLowestIdFirstAmongEquals) {
  using Top = std::array<TokenId, kTopTokens>;
  const float rising[] = {1, 2, 3, 4, 5, 6, 7}, equal[] = {3, 3, 3, 3, 3, 3, 3},
              mixed[] = {-1, 5, 0, 5, -2, 9, 0};
  EXPECT_EQ(top_tokens(rising), (Top{6, 5, 4, 3, 2}));
  EXPECT_EQ(top_tokens(equal), (Top{0, 1, 2, 3, 4}));
  EXPECT_EQ(top_tokens(mixed), (Top{5, 1, 3, 2, 6}));
  const float three[] = {2, 8, 4};
  EXPECT_EQ(top_tokens(three), (Top{1, 2, 0, -1, -1}));
}

}  // namespace
}  // namespace sambay
