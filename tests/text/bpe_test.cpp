#include "text/bpe.h"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <set>
#include <string>

#include "support/random.h"
#include "support/tokenizers.h"

namespace sambay {
namespace {

/// Tokens 0 and 1 are the bytes 'a' and 'b'; each merge joins two tokens that exist already. In rank order,
/// or shuffled, so that a token may be used at a lower rank than it is made.
TokenizerData random_data(test::Random& random, int merges, bool shuffled) {
  TokenizerData data;
  data.tokens = {"a", "b"};
  while (static_cast<int>(data.merges.size()) < merges) {
    const TokenId left = random.below(static_cast<int>(data.tokens.size()));
    const TokenId right = random.below(static_cast<int>(data.tokens.size()));
    bool known = data.tokens[left].size() + data.tokens[right].size() > 12;
    for (const auto& m : data.merges) known |= m.left == left && m.right == right;
    if (known) continue;
    data.merges.push_back({left, right, static_cast<TokenId>(data.tokens.size())});
    data.tokens.push_back(data.tokens[left] + data.tokens[right]);
  }
  if (shuffled)
    for (int i = merges - 1; i > 0; i--) std::swap(data.merges[i], data.merges[random.below(i + 1)]);
  return data;
}

Bpe make_bpe(const TokenizerData& data) {
  std::array<TokenId, 256> bytes;
  bytes.fill(-1);
  bytes['a'] = 0, bytes['b'] = 1;
  MergeTable table(data.merges.size());
  for (size_t i = 0; i < data.merges.size(); i++)
    EXPECT_TRUE(table.insert(data.merges[i].left, data.merges[i].right, static_cast<uint32_t>(i)));
  return Bpe(std::move(table), data.merges, bytes);
}

/// Words of 0 to 200 letters: both the short and the long algorithm, against the definition.
void compare_with_definition(bool shuffled) {
  test::Random random(shuffled ? 1 : 2);
  Bpe::Scratch scratch;
  for (int round = 0; round < 100; round++) {
    const TokenizerData data = random_data(random, 1 + random.below(20), shuffled);
    const Bpe bpe = make_bpe(data);
    const test::SlowBpe slow(data);
    for (int w = 0; w < 20; w++) {
      const int a_of_8 = random.below(9);
      std::string word(static_cast<size_t>(random.below(200)), 'b');
      for (char& c : word)
        if (random.below(8) < a_of_8) c = 'a';
      std::vector<TokenId> ids{7, 7};  // what was there before stays
      ASSERT_EQ(bpe.encode(word, scratch, ids), std::nullopt);
      std::vector<TokenId> expected{7, 7};
      for (TokenId id : slow.encode(word)) expected.push_back(id);
      ASSERT_EQ(ids, expected) << word;
    }
  }
}

TEST(Bpe, EqualsTheDefinitionOnRandomVocabularies) { compare_with_definition(false); }
TEST(Bpe, EqualsTheDefinitionWhenTokensAreUsedBeforeTheyAreMade) { compare_with_definition(true); }

TEST(Bpe, NamesTheFirstByteWithoutToken) {
  test::Random random(3);
  const Bpe bpe = make_bpe(random_data(random, 3, false));
  Bpe::Scratch scratch;
  std::vector<TokenId> ids;
  EXPECT_EQ(bpe.encode("abxby", scratch, ids), 2u);
  EXPECT_EQ(bpe.encode(std::string(1000, 'a') + "x", scratch, ids), 1000u);
}

TEST(MergeTable, FindsWhatWasInsertedAndNothingElse) {
  MergeTable table(1000);
  test::Random random(4);
  std::map<std::pair<TokenId, TokenId>, uint32_t> all;
  for (uint32_t rank = 0; rank < 1000; rank++) {
    const std::pair pair{random.below(kMaxTokenIds), random.below(40)};
    EXPECT_EQ(table.insert(pair.first, pair.second, rank), all.emplace(pair, rank).second);
  }
  for (const auto& [pair, rank] : all) {
    EXPECT_EQ(table.rank(pair.first, pair.second), rank);
    if (!all.count({pair.second, pair.first})) {
      EXPECT_EQ(table.rank(pair.second, pair.first), MergeTable::kNoRank);
    }
  }
}

TEST(PairQueue, GivesLowestRankThenLeftmostWhateverTheOrderOfPushes) {
  test::Random random(5);
  PairQueue queue;
  std::multiset<std::pair<uint32_t, uint32_t>> waiting;
  for (int i = 0; i < 10000; i++) {
    if (random.below(5) < 3) {
      const std::pair<uint32_t, uint32_t> pair{random.below(20), random.below(1000)};
      queue.push(pair.first, pair.second);
      waiting.insert(pair);
      continue;
    }
    const auto pair = queue.pop();
    ASSERT_EQ(pair.has_value(), !waiting.empty());
    if (!pair) continue;
    ASSERT_EQ(std::pair(pair->rank, pair->position), *waiting.begin());
    waiting.erase(waiting.begin());
  }
}

}  // namespace
}  // namespace sambay
