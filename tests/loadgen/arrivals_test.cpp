#include "loadgen/arrivals.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace sambay {
namespace {

TEST(PoissonArrivals, KeepTheRateOnAverage) {
  constexpr int kCount = 100'000;
  constexpr double kRate = 4;
  PoissonArrivals arrivals(kRate, 1);
  double last = 0;
  for (int i = 0; i < kCount; i++) last = arrivals.next();
  // A sum of n exponential times has standard deviation sqrt(n) / rate; five of them happen to one seed in
  // two million.
  EXPECT_NEAR(last, kCount / kRate, 5 * std::sqrt(kCount) / kRate);
}

TEST(PoissonArrivals, AreAsIrregularAsIndependentUsers) {
  constexpr int kCount = 100'000;
  PoissonArrivals arrivals(1, 2);
  double before = 0, squares = 0;
  for (int i = 0; i < kCount; i++) {
    const double at = arrivals.next();
    squares += (at - before) * (at - before);
    before = at;
  }
  // E[x^2] = 2 for an exponential time of mean 1, and its variance E[x^4] - 4 = 20.
  EXPECT_NEAR(squares / kCount, 2, 5 * std::sqrt(20.0 / kCount));
}

TEST(PoissonArrivals, NeverGoBack) {
  PoissonArrivals arrivals(1e6, 3);
  double before = 0;
  for (int i = 0; i < 10'000; i++) {
    const double at = arrivals.next();
    ASSERT_GE(at, before);
    before = at;
  }
}

TEST(PoissonArrivals, DependOnTheSeedAlone) {
  PoissonArrivals a(2, 5), same(2, 5), other(2, 6);
  int equal = 0;
  for (int i = 0; i < 100; i++) {
    const double at = a.next();
    EXPECT_EQ(at, same.next());
    equal += at == other.next();
  }
  EXPECT_EQ(equal, 0);
}

}  // namespace
}  // namespace sambay
