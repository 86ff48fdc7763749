#include "eval/statistics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace sambay {
namespace {

TEST(RunningMean, EqualsMeanAndStandardErrorByHand) {
  RunningMean mean;
  EXPECT_EQ(mean.mean(), 0);
  mean.add(2);
  EXPECT_EQ(mean.standard_error(), 0);
  for (const double x : {4.0, 6.0, 8.0}) mean.add(x);
  EXPECT_EQ(mean.count(), 4);
  EXPECT_EQ(mean.mean(), 5);
  EXPECT_DOUBLE_EQ(mean.standard_error(), std::sqrt(20.0 / 3 / 4));  // squares 9 + 1 + 1 + 9
}

/// Two tokens, the first with this probability.
std::vector<float> coin(double p) {
  return {static_cast<float>(std::log(p)), static_cast<float>(std::log(1 - p))};
}

void add(Divergence& d, const std::vector<float>& p, const std::vector<float>& q) {
  d.add(LogitRow(p), LogitRow(q));
}

TEST(Divergence, OfARowFromItselfIsExactlyNothing) {
  Divergence d;
  for (const double p : {0.5, 0.123, 0.999}) add(d, coin(p), coin(p));
  EXPECT_EQ(d.tokens(), 3);
  EXPECT_EQ(d.kl_mean(), 0);
  EXPECT_EQ(d.kl_standard_error(), 0);
  EXPECT_EQ(d.kl_quantile(1), 0);
  EXPECT_EQ(d.top1_agreement(), 1);
  EXPECT_EQ(d.top5_agreement(), 1);
}

TEST(Divergence, MeanAndQuantilesEqualThoseByHand) {
  // KL of a fair coin from one of probability q is -ln(4 q (1 - q)) / 2: 0, then ln(4/3) / 2, then ln(25/9)
  // / 2.
  const double small = std::log(4.0 / 3) / 2, large = std::log(25.0 / 9) / 2;
  Divergence d;
  for (const double q : {0.9, 0.5, 0.75}) add(d, coin(0.5), coin(q));
  const double rounding = 4 * 0x1p-24;  // of a few float32 numbers below 2.5
  EXPECT_NEAR(d.kl_mean(), (small + large) / 3, rounding);
  EXPECT_NEAR(d.kl_quantile(0), 0, rounding);
  EXPECT_NEAR(d.kl_quantile(0.5), small, rounding);
  EXPECT_NEAR(d.kl_quantile(0.75), (small + large) / 2, rounding);
  EXPECT_NEAR(d.kl_quantile(0.99), small + 0.98 * (large - small), rounding);
  EXPECT_NEAR(d.kl_quantile(1), large, rounding);
  const double mean = (small + large) / 3;
  const double squares = mean * mean + (small - mean) * (small - mean) + (large - mean) * (large - mean);
  EXPECT_NEAR(d.kl_standard_error(), std::sqrt(squares / 2 / 3), rounding);
}

TEST(Divergence, AgreementCountsTheLikeliestAndTheFiveLikeliest) {
  const std::vector<float> reference = {9, 8, 7, 6, 5, 4, 3, 2, 1, 0};
  Divergence d;
  add(d, reference, {9, 8, 7, 6, 5, 4, 3, 2, 1, 0});  // all
  add(d, reference, {8, 9, 7, 6, 5, 4, 3, 2, 1, 0});  // another first, the same five
  add(d, reference, {9, 0, 1, 2, 3, 4, 5, 6, 7, 8});  // the first only
  add(d, reference, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9});  // none
  EXPECT_DOUBLE_EQ(d.top1_agreement(), 2.0 / 4);
  EXPECT_DOUBLE_EQ(d.top5_agreement(), (1 + 1 + 0.2 + 0) / 4);
}

TEST(Divergence, WithoutPositionsIsNothing) {
  const Divergence d;
  EXPECT_EQ(d.kl_quantile(0.5), 0);
  EXPECT_EQ(d.kl_mean(), 0);
  EXPECT_EQ(d.top1_agreement(), 1);
}

}  // namespace
}  // namespace sambay
