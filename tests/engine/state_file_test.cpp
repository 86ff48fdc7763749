#include "engine/state_file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include "support/temp_folder.h"

namespace sambay {
namespace {

CacheSpec spec() { return {1000, {{2, 4, 8, 100, 2}, {1, 4, 8, 0, 2}}}; }
constexpr int kVocab = 500;

std::vector<TokenId> some_tokens(int length) {
  std::vector<TokenId> tokens(static_cast<size_t>(length));
  for (size_t i = 0; i < tokens.size(); i++) tokens[i] = static_cast<TokenId>(i * 7 % kVocab);
  return tokens;
}

class StateFileTest : public ::testing::Test {
 protected:
  StateFileTest() : pools_(*CachePools::create(plan_caches(spec(), DType::q8_0, 4, 1000, 64))) {
    shape_ = {42, kVocab, 1000, &pools_.plan()};
  }
  /// A sequence whose slot and pages hold recognizable bytes.
  SequenceCache filled(int length, int seed) {
    SequenceCache cache;
    pools_.open(cache);
    for (int position = 0; position < length; position += 64)
      pools_.prepare(cache, position, std::min(64, length - position));
    pools_.trim(cache, length);
    fill(pools_.slot(cache.slot), pools_.plan().slot_bytes, seed);
    for (size_t g = 0; g < cache.pages.size(); g++)
      for (const PageId page : cache.pages[g])
        if (page != kNoPage)
          fill(pools_.page(g, page), pools_.plan().groups[g].layout.page_bytes,
               seed + static_cast<int>(page));
    return cache;
  }
  static void fill(std::byte* bytes, int64_t count, int seed) {
    for (int64_t i = 0; i < count; i++)
      bytes[i] = static_cast<std::byte>((i * 31 + seed * 17 + i / 251) & 0xff);
  }
  std::string written(const SequenceCache& cache, int length, const std::vector<float>& logits = {}) {
    AtomicFile file = *AtomicFile::create(folder_.file("state"));
    EXPECT_TRUE(write_state(file, shape_, pools_, cache, some_tokens(length), logits));
    EXPECT_TRUE(file.commit());
    return test::read_file(folder_.file("state"));
  }
  Result<StateView> parse(const std::string& bytes) {
    return parse_state(std::as_bytes(std::span(bytes.data(), bytes.size())), shape_);
  }
  ErrorCode refusal(const std::string& bytes) {
    const auto view = parse(bytes);
    EXPECT_FALSE(view) << "it was taken";
    return view ? ErrorCode::internal : view.error().code;
  }

  test::TempFolder folder_;
  CachePools pools_;
  StateShape shape_;
};

TEST_F(StateFileTest, WhatIsLoadedIsWhatWasWritten) {
  for (const int length : {1, 63, 64, 65, 300, 999}) {
    SequenceCache cache = filled(length, length);
    const std::string bytes = written(cache, length, std::vector<float>(kVocab, 0.5f));
    const auto view = parse(bytes);
    ASSERT_TRUE(view) << view.error().message;
    EXPECT_EQ(view->tokens, some_tokens(length));
    EXPECT_EQ(view->logits, std::vector<float>(kVocab, 0.5f));
    ASSERT_TRUE(pools_.has(need_to_load(pools_, length)));
    SequenceCache loaded = load_state(pools_, *view);
    EXPECT_EQ(std::memcmp(pools_.slot(loaded.slot), pools_.slot(cache.slot), 1000), 0);
    ASSERT_EQ(loaded.pages.size(), cache.pages.size());
    for (size_t g = 0; g < cache.pages.size(); g++) {
      ASSERT_EQ(loaded.pages[g].size(), cache.pages[g].size());
      const KvLayout& layout = pools_.plan().groups[g].layout;
      for (size_t i = 0; i < cache.pages[g].size(); i++) {
        ASSERT_EQ(loaded.pages[g][i] == kNoPage, cache.pages[g][i] == kNoPage) << g << " " << i;
        if (cache.pages[g][i] == kNoPage) continue;
        const int used = std::min(kPageTokens, length - static_cast<int>(i) * kPageTokens);
        for (int64_t plane = 0; plane < layout.page_bytes; plane += layout.plane_bytes)
          EXPECT_EQ(std::memcmp(pools_.page(g, loaded.pages[g][i]) + plane,
                                pools_.page(g, cache.pages[g][i]) + plane,
                                static_cast<size_t>(used * layout.row_bytes)),
                    0);
      }
    }
    pools_.close(loaded);
    pools_.close(cache);
  }
}

TEST_F(StateFileTest, WhatStandsBehindTheLastPositionIsNotWritten) {
  SequenceCache cache = filled(70, 3);
  const std::string first = written(cache, 70);
  const PageId tail = cache.pages[1][1];
  const KvLayout& layout = pools_.plan().groups[1].layout;
  std::memset(pools_.page(1, tail) + 6 * layout.row_bytes, 0x5a, 10);  // position 70: somebody else's
  EXPECT_EQ(written(cache, 70), first);
  std::memset(pools_.page(1, tail) + 5 * layout.row_bytes, 0x5a, 10);
  EXPECT_NE(written(cache, 70), first);
}

TEST_F(StateFileTest, EveryChangedByteIsNoticed) {
  SequenceCache cache = filled(70, 3);
  const std::string good = written(cache, 70);
  for (size_t at = 0; at < good.size(); at += at < 120 ? 1 : 97) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x10);
    EXPECT_FALSE(parse(bad)) << at;
  }
}

TEST_F(StateFileTest, CutOffAndLengthenedFilesAreRefused) {
  SequenceCache cache = filled(70, 3);
  const std::string good = written(cache, 70);
  for (const size_t length :
       {size_t{0}, size_t{7}, size_t{103}, size_t{104}, good.size() / 2, good.size() - 1})
    EXPECT_FALSE(parse(good.substr(0, length))) << length;
  EXPECT_EQ(refusal(good + "x"), ErrorCode::corrupt);
}

TEST_F(StateFileTest, FilesOfOtherModelsTypesAndShapesAreRefused) {
  SequenceCache cache = filled(70, 3);
  const std::string good = written(cache, 70);
  const StateShape mine = shape_;
  shape_.model = 43;
  EXPECT_EQ(refusal(good), ErrorCode::unsupported);
  shape_ = mine, shape_.max_tokens = 69;
  EXPECT_EQ(refusal(good), ErrorCode::unsupported);
  const CachePlan f16 = plan_caches(spec(), DType::f16, 4, 1000, 64);
  shape_ = mine, shape_.plan = &f16;
  EXPECT_EQ(refusal(good), ErrorCode::unsupported);
  CacheSpec wider = spec();
  wider.state_bytes = 2000;
  const CachePlan other = plan_caches(wider, DType::q8_0, 4, 1000, 64);
  shape_.plan = &other;
  EXPECT_EQ(refusal(good), ErrorCode::unsupported);
  shape_ = mine, shape_.vocab = 10;
  EXPECT_EQ(refusal(good), ErrorCode::corrupt) << "it has tokens that do not exist";
  EXPECT_EQ(refusal("SAMBAYST"), ErrorCode::unsupported);
}

// Written by the first program that wrote version 1.
TEST_F(StateFileTest, AStoredFileOfVersion1IsReadAndWrittenAgainByteForByte) {
  const std::string stored = test::read_file(std::string(SAMBAY_TEST_DATA) + "/engine/stored/state_v1");
  std::vector<float> logits(kVocab);
  std::iota(logits.begin(), logits.end(), -3.5f);
  const auto view = parse(stored);
  ASSERT_TRUE(view) << view.error().message;
  EXPECT_EQ(view->tokens, some_tokens(70));
  EXPECT_EQ(view->logits, logits);
  EXPECT_TRUE(written(filled(70, 3), 70, logits) == stored) << "the same state, with the first pages";
  EXPECT_TRUE(written(load_state(pools_, *view), 70, logits) == stored);
}

TEST_F(StateFileTest, ASpilledStateLeavesNothingBehind) {
  SequenceCache cache = filled(300, 1);
  {
    auto spilled = SpilledState::write(folder_.path(), shape_, pools_, cache, some_tokens(300), {});
    ASSERT_TRUE(spilled) << spilled.error().message;
    EXPECT_GT(spilled->bytes(), pools_.plan().slot_bytes);
    auto loaded = spilled->load(shape_, pools_);
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_EQ(std::memcmp(pools_.slot(loaded->slot), pools_.slot(cache.slot), 1000), 0);
  }
  EXPECT_TRUE(folder_.names().empty());
  EXPECT_FALSE(SpilledState::write(folder_.file("nowhere"), shape_, pools_, cache, some_tokens(300), {}));
}

}  // namespace
}  // namespace sambay
