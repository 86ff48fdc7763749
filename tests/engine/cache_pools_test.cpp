#include "engine/cache_pools.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace sambay {
namespace {

CacheSpec spec() { return {1000, {{2, 4, 8, 100, 2}, {1, 4, 8, 0, 2}}}; }

TEST(CountedPool, GivesEachNumberOnceAndTakesItBackAfterTheLastReference) {
  CountedPool pool(3);
  const std::set<int32_t> taken = {pool.take(), pool.take(), pool.take()};
  EXPECT_EQ(taken, (std::set<int32_t>{0, 1, 2}));
  EXPECT_EQ(pool.take(), -1);
  pool.add_reference(1);
  pool.release(1);
  EXPECT_EQ(pool.free_count(), 0);
  pool.release(1);
  EXPECT_EQ(pool.take(), 1);
}

TEST(CachePools, EverySequenceCanReachItsFullContextAtOnce) {
  CachePools pools = *CachePools::create(plan_caches(spec(), DType::f16, 3, 1000, 64));
  SequenceCache caches[3];
  for (SequenceCache& cache : caches) ASSERT_TRUE(pools.open(cache));
  SequenceCache fourth;
  EXPECT_FALSE(pools.open(fourth));
  for (int position = 0; position < 1000; position += 64)
    for (SequenceCache& cache : caches) pools.prepare(cache, position, std::min(64, 1000 - position));
  // No page belongs to two sequences, and none that the window needs is missing.
  for (size_t group = 0; group < 2; group++) {
    std::set<PageId> seen;
    for (const SequenceCache& cache : caches)
      for (size_t i = 0; i < cache.pages[group].size(); i++) {
        const PageId page = cache.pages[group][i];
        if (group == 1 || i >= (960 - 99) / kPageTokens) {
          EXPECT_NE(page, kNoPage) << i;
        }
        if (page != kNoPage) {
          EXPECT_TRUE(seen.insert(page).second);
        }
      }
  }
  EXPECT_EQ(caches[0].pages[0][0], kNoPage);
}

TEST(CachePools, ClosingGivesEverythingBack) {
  CachePools pools = *CachePools::create(plan_caches(spec(), DType::q8_0, 2, 500, 32));
  const int pages0 = pools.free_pages(0), pages1 = pools.free_pages(1);
  SequenceCache cache;
  ASSERT_TRUE(pools.open(cache));
  for (int position = 0; position < 500; position++) pools.prepare(cache, position, 1);
  EXPECT_LT(pools.free_pages(1), pages1);
  pools.close(cache);
  EXPECT_EQ(pools.free_pages(0), pages0);
  EXPECT_EQ(pools.free_pages(1), pages1);
  EXPECT_EQ(pools.free_slots(), 2);
}

TEST(CachePools, TooMuchIsARefusal) {
  const auto pools =
      CachePools::create(plan_caches({1000, {{32, 1 << 20, 512, 0, 2}}}, DType::f32, 4096, 1 << 20, 64));
  ASSERT_FALSE(pools);
  EXPECT_EQ(pools.error().code, ErrorCode::out_of_memory);
}

}  // namespace
}  // namespace sambay
