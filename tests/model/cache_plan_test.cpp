#include "model/cache_plan.h"

#include <gtest/gtest.h>

#include <limits>

#include "model/sambay.h"

namespace sambay {
namespace {

TEST(CachePlan, OfTheRealShapesIsWhatArithmeticSays) {
  const CacheSpec spec = sambay_cache_spec(*sambay_preset("phi4-mini-flash"));
  const CachePlan plan = plan_caches(spec, DType::f16, 2, 65536, 256);
  // 9 Mamba layers, 16 states and 3 rows of the convolution for each of 5120 channels.
  EXPECT_EQ(plan.slot_bytes, 9 * (16 + 3) * 5120 * 4);
  EXPECT_EQ(plan.state_bytes(), 2 * plan.slot_bytes);
  // 8 layers with 512 positions, a step of 256 and two borders of pages of 64; keys and values of 20 heads.
  const int64_t token = 2 * 20 * 64 * 2;
  EXPECT_EQ(plan.group_bytes(0), 2 * 8 * token * ((512 + 256) / 64 + 2) * 64);
  EXPECT_EQ(plan.group_bytes(1), 2 * token * 65536);
  EXPECT_EQ(2 * plan.bytes_per_sequence(), plan.state_bytes() + plan.group_bytes(0) + plan.group_bytes(1));
  EXPECT_EQ(plan.context_pages, 1024);
}

TEST(CachePlan, ShortContextsNeedNoWholeWindow) {
  const CacheSpec spec{1001, {{2, 4, 8, 512, 2}, {1, 4, 8, 0, 2}}};
  for (const auto& [positions, pages] : {std::pair{1, 1}, {64, 1}, {65, 2}, {512, 8}, {100'000, 13}}) {
    const CachePlan plan = plan_caches(spec, DType::f32, 1, positions, 200);
    EXPECT_EQ(plan.groups[0].pages, pages) << positions;
    EXPECT_EQ(plan.groups[1].pages, (positions + 63) / 64) << positions;
  }
  EXPECT_EQ(plan_caches(spec, DType::f32, 1, 1, 1).slot_bytes, 1024) << "a whole number of cache lines";
}

TEST(Saturating, NeverWrapsAround) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(saturating_multiply(6, 7), 42);
  EXPECT_EQ(saturating_add(6, 7), 13);
  EXPECT_EQ(saturating_multiply(kMost, 2), int64_t{1} << 62);
  EXPECT_EQ(saturating_add(kMost, kMost), int64_t{1} << 62);
  const CachePlan plan = plan_caches({1000, {{1024, 1 << 14, 1 << 14, 0, 2}}}, DType::f32, 4096, 1 << 30, 64);
  EXPECT_EQ(plan.group_bytes(0), int64_t{1} << 62);
}

}  // namespace
}  // namespace sambay
