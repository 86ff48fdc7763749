#include "sampling/rng.h"

#include <gtest/gtest.h>

namespace sambay {
namespace {

TEST(Rng, GivesThePublishedNumbersForSeedZero) {
  // First outputs of the authors' xoshiro256** whose state was filled by their splitmix64 from 0.
  Rng rng(0);
  EXPECT_EQ(rng.next(), 0x99ec5f36cb75f2b4u);
  EXPECT_EQ(rng.next(), 0xbf6e1f784956452au);
  EXPECT_EQ(rng.next(), 0x1a5f849d4933e6e0u);
  EXPECT_EQ(rng.next(), 0x6aa594f1262d2d2cu);
}

TEST(Rng, StaysBelowTheBoundAndReachesEveryValue) {
  Rng rng(7);
  for (uint64_t bound : {1u, 2u, 3u, 5u, 8u}) {
    uint64_t seen = 0;
    for (int i = 0; i < 1000; i++) {
      const uint64_t value = rng.below(bound);
      ASSERT_LT(value, bound);
      seen |= uint64_t{1} << value;
    }
    // Missing one of 8 values in 1000 draws has probability 8 * (7/8)^1000 < 1e-56.
    EXPECT_EQ(seen, (uint64_t{1} << bound) - 1);
  }
  EXPECT_GT(rng.below(uint64_t{1} << 63), uint64_t{1} << 40);
}

TEST(Rng, ContinuesAloneWhenCopied) {
  Rng a(3);
  a.next();
  Rng b = a;
  EXPECT_EQ(a.next(), b.next());
  a.next();
  EXPECT_NE(a.next(), b.next());
}

}  // namespace
}  // namespace sambay
