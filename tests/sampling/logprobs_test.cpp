#include "sampling/logprobs.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace sambay {
namespace {

TEST(LogProbabilities, AreTheLogarithmsOfTheSoftmax) {
  const std::vector<float> logits = {0.5f, -1.0f, 3.0f, 2.0f};
  double sum = 0;
  for (const float x : logits) sum += std::exp(static_cast<double>(x));
  const TokenLogprobs p = log_probabilities(logits, 1, 4);
  EXPECT_EQ(p.token.id, 1);
  // One rounding to float of a value computed in double.
  const auto expected = [&](size_t i) {
    return static_cast<float>(static_cast<double>(logits[i]) - std::log(sum));
  };
  EXPECT_FLOAT_EQ(p.token.logprob, expected(1));
  ASSERT_EQ(p.top.size(), 4u);
  const std::vector<TokenId> order = {2, 3, 0, 1};
  for (size_t i = 0; i < 4; i++) {
    EXPECT_EQ(p.top[i].id, order[i]);
    EXPECT_FLOAT_EQ(p.top[i].logprob, expected(static_cast<size_t>(order[i])));
  }
}

TEST(LogProbabilities, AmongEqualsTheLowestIdsComeFirst) {
  const std::vector<float> logits(50, 1.0f);
  const TokenLogprobs p = log_probabilities(logits, 40, 3);
  ASSERT_EQ(p.top.size(), 3u);
  for (TokenId i = 0; i < 3; i++) EXPECT_EQ(p.top[static_cast<size_t>(i)].id, i);
  EXPECT_FLOAT_EQ(p.token.logprob, static_cast<float>(-std::log(50.0)));
}

TEST(LogProbabilities, MayBeMinusInfinityAndFewerThanAskedFor) {
  const std::vector<float> logits = {0.0f, -std::numeric_limits<float>::infinity()};
  const TokenLogprobs p = log_probabilities(logits, 1, 20);
  EXPECT_EQ(p.token.logprob, -std::numeric_limits<float>::infinity());
  EXPECT_EQ(p.top.size(), 2u);
  EXPECT_EQ(log_probabilities(logits, 0, 0).top.size(), 0u);
  EXPECT_EQ(log_probabilities(std::vector<float>{1e30f, 1.0f}, 0, 0).token.logprob, 0.0f);
}

}  // namespace
}  // namespace sambay
