#include "tools/sequence_set.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "support/golden.h"
#include "support/loaded_model.h"

namespace sambay {
namespace {

class SequenceSets : public ::testing::Test {
 protected:
  SequenceSet make(int sequences, int positions, int step) {
    return *SequenceSet::create(
        *loaded_.model, plan_caches(loaded_.model->cache_spec(), loaded_.kv, sequences, positions, step),
        pool_);
  }
  std::vector<float> logits(int rows) const {
    return std::vector<float>(static_cast<size_t>(rows) * static_cast<size_t>(loaded_.vocab()));
  }
  Rows<float> view(std::vector<float>& values) const {
    return {values.data(), static_cast<int64_t>(values.size()) / loaded_.vocab(), loaded_.vocab()};
  }

  test::LoadedModel loaded_{test::golden_path("a_f32"), "", DType::f32, 1};
  ThreadPool pool_{1};
};

TEST_F(SequenceSets, FromTheBeginningComputeWhatASingleSequenceDoes) {
  const std::vector<TokenId> ids = {5, 6, 7, 8, 9, 10, 11};
  SingleSequence alone = loaded_.sequence(16);
  const std::vector<float> expected = loaded_.last_logits(alone, ids, 3);
  SequenceSet set = make(1, 16, 3);
  for (int round = 0; round < 2; round++) {  // what the first round left must not matter
    set.start_at(0, 7);
    std::vector<float> found = logits(1);
    set.prefill(std::span(ids).first(3), {nullptr, 0, loaded_.vocab()});
    set.prefill(std::span(ids).subspan(3), view(found));
    EXPECT_EQ(found, expected);
    EXPECT_EQ(set.position(), 7);
  }
}

TEST_F(SequenceSets, DecodeEachItsOwnTokens) {
  SequenceSet set = make(3, 8, 1);
  set.start_at(0, 4);
  const std::vector<TokenId> first = {5, 6, 7}, second = {9, 9, 8};
  std::vector<float> found = logits(3);
  set.decode(first, view(found));
  set.decode(second, view(found));
  for (size_t s = 0; s < 3; s++) {
    SingleSequence alone = loaded_.sequence(8);
    const std::vector<TokenId> ids = {first[s], second[s]};
    const std::vector<float> expected = loaded_.last_logits(alone, ids, 1);
    const auto begin = found.begin() + static_cast<ptrdiff_t>(s) * loaded_.vocab();
    EXPECT_EQ(std::vector<float>(begin, begin + loaded_.vocab()), expected) << s;
  }
}

TEST_F(SequenceSets, AtADepthReadCachesThatAreNotZeros) {
  SequenceSet set = make(2, 300, 1);
  set.start_at(200, 2);
  const std::vector<TokenId> same = {5, 5};
  std::vector<float> found = logits(2), again = logits(2);
  set.decode(same, view(found));
  const auto middle = found.begin() + loaded_.vocab();
  EXPECT_NE(std::vector<float>(found.begin(), middle), std::vector<float>(middle, found.end()))
      << "both sequences read the same caches";
  for (const float v : found) ASSERT_TRUE(std::isfinite(v));
  set.start_at(280, 2);  // deeper in the same caches
  set.decode(same, view(again));
  EXPECT_NE(found, again);
}

}  // namespace
}  // namespace sambay
