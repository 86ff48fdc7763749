#include "loadgen/percentiles.h"

#include <gtest/gtest.h>

#include <numeric>

namespace sambay {
namespace {

TEST(Percentiles, AreMeasuredValuesByNearestRank) {
  std::vector<double> values(20);
  std::iota(values.rbegin(), values.rend(), 1.0);  // 20 .. 1, not in order
  const Percentiles p = percentiles_of(values);
  EXPECT_EQ(p.count, 20u);
  EXPECT_EQ(p.p50, 10);
  EXPECT_EQ(p.p90, 18);
  EXPECT_EQ(p.p95, 19);  // 0.95 * 20 in binary is a little more
  EXPECT_EQ(p.p99, 20);
  EXPECT_EQ(p.max, 20);
  EXPECT_EQ(p.mean, 10.5);
}

TEST(Percentiles, OfOneValueAreThatValue) {
  const Percentiles p = percentiles_of({7});
  for (const double value : {p.mean, p.p50, p.p90, p.p95, p.p99, p.max}) EXPECT_EQ(value, 7);
}

TEST(Percentiles, OfNothingCountNothing) { EXPECT_EQ(percentiles_of({}).count, 0u); }

TEST(Percentiles, NinetyNineOfTwoHundredLeavesTwoAbove) {
  std::vector<double> values(200);
  std::iota(values.begin(), values.end(), 1.0);
  EXPECT_EQ(percentiles_of(values).p99, 198);
}

}  // namespace
}  // namespace sambay
