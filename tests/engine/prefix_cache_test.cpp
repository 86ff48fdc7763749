#include "engine/prefix_cache.h"

#include <gtest/gtest.h>

#include <cstring>
#include <numeric>
#include <vector>

#include "support/temp_folder.h"

namespace sambay {
namespace {

constexpr uint64_t kAnna = 11, kBerta = 13;

CacheSpec spec() { return {1000, {{2, 4, 8, 100, 2}, {1, 4, 8, 0, 2}}}; }

std::vector<TokenId> count_from(TokenId first, int length) {
  std::vector<TokenId> tokens(static_cast<size_t>(length));
  std::iota(tokens.begin(), tokens.end(), first);
  return tokens;
}

class PrefixCacheTest : public ::testing::Test {
 protected:
  static CachePools make_pools() {
    CachePlan plan = plan_caches(spec(), DType::f16, 2, 1000, 64);
    add_prefix_cache(plan, 64 << 20, 0);
    return *CachePools::create(plan);
  }
  explicit PrefixCacheTest() { fresh(int64_t{64} << 20); }
  void fresh(int64_t limit) {
    cache_.reset();
    pools_.emplace(make_pools());
    cache_.emplace(*pools_, limit);
  }
  /// Reads a prompt into caches and keeps its state at `length`.
  uint64_t keep(const std::vector<TokenId>& prompt, int length, uint64_t owner = kAnna,
                std::vector<float> logits = {}) {
    SequenceCache sequence;
    pools_->open(sequence);
    pools_->prepare(sequence, 0, static_cast<int>(prompt.size()));
    const SlotId slot = pools_->take_slot();
    std::memset(pools_->slot(slot), length & 0xff, static_cast<size_t>(pools_->plan().slot_bytes));
    const uint64_t id = cache_->insert(owner, std::make_shared<const std::vector<TokenId>>(prompt), length,
                                       pools_->keep(sequence, length, slot), std::move(logits));
    pools_->close(sequence);
    return id;
  }
  int free_pages() const { return pools_->free_pages(0) + pools_->free_pages(1); }

  std::optional<CachePools> pools_;
  std::optional<PrefixCache> cache_;
};

TEST_F(PrefixCacheTest, FindsTheLongestBeginning) {
  const auto prompt = count_from(0, 300);
  keep(prompt, 100);
  keep(prompt, 200);
  auto longer = prompt;
  longer.resize(250);
  longer.push_back(7777);
  const PrefixCache::Found found = cache_->find(kAnna, longer);
  EXPECT_EQ(found.result, CacheResult::hit);
  ASSERT_TRUE(found.entry);
  EXPECT_EQ(found.entry->length, 200);
  EXPECT_EQ(found.shared, 250);
}

TEST_F(PrefixCacheTest, AWholePromptCountsOnlyWithItsLogits) {
  const auto prompt = count_from(0, 100);
  keep(prompt, 100);
  EXPECT_EQ(cache_->find(kAnna, prompt).result, CacheResult::diverged) << "nothing could be chosen from it";
  keep(prompt, 100, kAnna, {1, 2, 3});
  const PrefixCache::Found found = cache_->find(kAnna, prompt);
  ASSERT_EQ(found.result, CacheResult::hit);
  EXPECT_EQ(found.entry->logits.size(), 3u);
  EXPECT_EQ(cache_->size(), 1) << "the same state is kept once";
}

TEST_F(PrefixCacheTest, OwnersDoNotFindEachOthers) {
  const auto prompt = count_from(0, 100);
  keep(prompt, 90);
  EXPECT_EQ(cache_->find(kBerta, prompt).result, CacheResult::first_seen);
  EXPECT_EQ(cache_->find(kBerta, prompt).shared, 0);
  EXPECT_EQ(cache_->find(kAnna, prompt).result, CacheResult::hit);
}

TEST_F(PrefixCacheTest, EveryMissHasAReason) {
  const auto prompt = count_from(0, 100);
  EXPECT_EQ(cache_->find(kAnna, prompt).result, CacheResult::first_seen);
  keep(prompt, 90);
  auto other = prompt;
  other[60] = 5555;
  EXPECT_EQ(cache_->find(kAnna, other).result, CacheResult::diverged);
  EXPECT_EQ(cache_->find(kAnna, other).shared, 60);
  other[5] = 5555;
  EXPECT_EQ(cache_->find(kAnna, other).result, CacheResult::first_seen) << "five tokens are nothing shared";
  ASSERT_TRUE(cache_->evict_one());
  EXPECT_EQ(cache_->find(kAnna, prompt).result, CacheResult::evicted);
}

TEST_F(PrefixCacheTest, TheLeastRecentlyUsedGoesFirstAndGivesEverythingBack) {
  const int pages = free_pages(), slots = pools_->free_slots();
  const auto a = count_from(0, 80), b = count_from(1000, 80), longer_a = count_from(0, 90);
  keep(a, 80);
  keep(b, 80);
  EXPECT_EQ(cache_->find(kAnna, longer_a).result, CacheResult::hit);
  EXPECT_TRUE(cache_->evict_one());
  EXPECT_EQ(cache_->find(kAnna, longer_a).result, CacheResult::hit);
  EXPECT_EQ(cache_->find(kAnna, count_from(1000, 90)).result, CacheResult::evicted);
  EXPECT_TRUE(cache_->evict_one());
  EXPECT_FALSE(cache_->evict_one());
  EXPECT_EQ(free_pages(), pages);
  EXPECT_EQ(pools_->free_slots(), slots);
  EXPECT_EQ(cache_->bytes(), 0);
}

TEST_F(PrefixCacheTest, SharedPagesCountOnce) {
  const auto prompt = count_from(0, 640);
  SequenceCache sequence;
  pools_->open(sequence);
  pools_->extend(sequence, 640);
  const auto tokens = std::make_shared<const std::vector<TokenId>>(prompt);
  cache_->insert(kAnna, tokens, 320, pools_->keep(sequence, 320, pools_->take_slot()));
  const int64_t one = cache_->bytes();
  EXPECT_EQ(cache_->evictable_pages(1), 0) << "a running sequence holds them too";
  cache_->insert(kAnna, tokens, 640, pools_->keep(sequence, 640, pools_->take_slot()));
  // Five more pages of the group that keeps everything, and a second state and window.
  const int64_t slot = pools_->plan().slot_bytes, page = pools_->plan().groups[1].layout.page_bytes;
  const int64_t window = one - slot - 5 * page;
  EXPECT_EQ(cache_->bytes(), 2 * slot + 10 * page + 2 * window);
  pools_->close(sequence);
  EXPECT_EQ(cache_->evictable_pages(1), 10);
}

TEST_F(PrefixCacheTest, StaysWithinItsLimit) {
  keep(count_from(0, 100), 100);
  const int64_t one = cache_->bytes();
  fresh(3 * one);
  for (TokenId i = 0; i < 10; i++) {
    EXPECT_NE(keep(count_from(1000 * i, 100), 100), 0u);
    EXPECT_LE(cache_->bytes(), 3 * one);
  }
  EXPECT_EQ(cache_->size(), 3);
  EXPECT_EQ(cache_->counters().evicted, 7u);
  fresh(one - 1);
  EXPECT_EQ(keep(count_from(0, 100), 100), 0u) << "larger than everything that may be kept";
  EXPECT_EQ(cache_->bytes(), 0);
}

TEST_F(PrefixCacheTest, WhatHasToGoIsFoundOnDisk) {
  const test::TempFolder folder;
  const StateShape shape{1, 10000, 1000, &pools_->plan()};
  cache_->spill_to(folder.path(), 64 << 20, shape);
  const auto prompt = count_from(0, 100);
  keep(prompt, 100, kAnna, std::vector<float>(10000, 2.0f));
  const int slots = pools_->free_slots();
  ASSERT_TRUE(cache_->evict_one());
  EXPECT_EQ(pools_->free_slots(), slots + 1);
  EXPECT_EQ(cache_->bytes(), 0);
  EXPECT_GT(cache_->spilled_bytes(), 0);
  const PrefixCache::Found found = cache_->find(kAnna, prompt);
  ASSERT_EQ(found.result, CacheResult::hit);
  ASSERT_TRUE(found.entry->spilled);
  std::vector<float> logits;
  auto loaded = found.entry->spilled->load(shape, *pools_, &logits);
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(logits, std::vector<float>(10000, 2.0f));
  EXPECT_EQ(static_cast<int>(*pools_->slot(loaded->slot)), 100);
  EXPECT_FALSE(cache_->evict_one()) << "nothing is in memory";
  cache_->erase(found.entry->id);
  EXPECT_EQ(cache_->spilled_bytes(), 0);
}

TEST_F(PrefixCacheTest, WhatIsAboutToBeReadFromDiskIsNotDroppedForWhatGoesThere) {
  const test::TempFolder folder;
  const StateShape shape{1, 10000, 1000, &pools_->plan()};
  const auto a = count_from(0, 100), b = count_from(1000, 100);
  cache_->spill_to(folder.path(), 64 << 20, shape);
  keep(a, 90);
  ASSERT_TRUE(cache_->evict_one());
  const int64_t one = cache_->spilled_bytes();
  cache_->spill_to(folder.path(), one + one / 2, shape);  // the second one has no room beside the first
  keep(b, 90);
  const PrefixCache::Found found = cache_->find(kAnna, a);
  ASSERT_TRUE(found.entry && found.entry->spilled);
  const uint64_t id = found.entry->id;
  ASSERT_TRUE(cache_->evict_one(found.entry));
  ASSERT_EQ(cache_->by_id(id), found.entry);
  EXPECT_TRUE(found.entry->spilled->load(shape, *pools_));
  EXPECT_EQ(cache_->spilled_bytes(), one);
  EXPECT_EQ(cache_->find(kAnna, b).result, CacheResult::evicted);
}

TEST_F(PrefixCacheTest, ADiskThatIsFullCostsAPrefixAndNothingElse) {
  cache_->spill_to("/nowhere/at/all", 64 << 20, StateShape{1, 10000, 1000, &pools_->plan()});
  keep(count_from(0, 100), 100);
  EXPECT_TRUE(cache_->evict_one());
  EXPECT_EQ(cache_->size(), 0);
  EXPECT_EQ(cache_->find(kAnna, count_from(0, 101)).result, CacheResult::evicted);
}

TEST(SnapshotLengths, AreMarksForksAndEveryTwoThousandth) {
  using Lengths = std::vector<int>;
  EXPECT_EQ(snapshot_lengths(0, 100, 0, {}), Lengths());
  EXPECT_EQ(snapshot_lengths(0, 5000, 0, {}), (Lengths{2048, 4096}));
  EXPECT_EQ(snapshot_lengths(2048, 5000, 3000, std::vector{10, 2500}), (Lengths{2500, 3000, 4096}));
  EXPECT_EQ(snapshot_lengths(2990, 3100, 3000, {}), Lengths()) << "ten tokens are not worth a state";
  EXPECT_EQ(snapshot_lengths(0, 100, 100, {}), Lengths()) << "the end is kept anyway";
}

}  // namespace
}  // namespace sambay
