#include "engine/thinking.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sambay {
namespace {

constexpr TokenId kClose = 99;

/// What comes of an answer whose drawn tokens are `drawn`, written one after another.
struct Played {
  std::string text;
  int count;
  bool was_cut;
};

Played play(Thinking thinking, const std::vector<std::string>& drawn) {
  Played played;
  for (size_t i = 0; i < drawn.size(); i++) {
    const TokenId id = drawn[i] == "</think>" ? kClose : static_cast<TokenId>(i);
    const TokenId taken = thinking.replace(id, drawn[i]);
    const std::string bytes = taken == id ? drawn[i] : "</think>";
    thinking.accept(taken, bytes);
    played.text += bytes;
  }
  played.count = thinking.count(), played.was_cut = thinking.was_cut();
  return played;
}

TEST(ThinkingTokens, LeaveRoomForTheAnswer) {
  EXPECT_EQ(thinking_tokens(-1, 1000), -1);
  EXPECT_EQ(thinking_tokens(100, 100000), 100);
  EXPECT_EQ(thinking_tokens(100000, 8000), 7000) << "an eighth stays";
  EXPECT_EQ(thinking_tokens(100000, 1000), 744) << "256 stay";
  EXPECT_EQ(thinking_tokens(100000, 100), 50) << "but not more than half";
  EXPECT_EQ(thinking_tokens(0, 100), 0);
}

TEST(Thinking, WithoutBudgetCountsAndChangesNothing) {
  const Played p = play(Thinking(-1, false, {}), {"<think>", " a", ".", " b", "</think>", " c"});
  EXPECT_EQ(p.text, "<think> a. b</think> c");
  EXPECT_EQ(p.count, 5);
  EXPECT_FALSE(p.was_cut);
}

TEST(Thinking, ClosesAtOnceWhenTheBudgetIsUsedUp) {
  const Played p = play(Thinking(3, false, {kClose}), {"<think>", " a", " b", " c", " d", " e"});
  EXPECT_EQ(p.text, "<think> a b</think> d e");
  EXPECT_TRUE(p.was_cut);
  EXPECT_EQ(play(Thinking(0, false, {kClose}), {"<think>", " a", " b"}).text, "<think></think> b");
}

TEST(Thinking, ClosesAtTheEndOfASentenceInTheLastTenth) {
  std::vector<std::string> drawn = {"<think>"};
  for (int i = 0; i < 7; i++) drawn.push_back(i == 3 ? "." : " a");  // a full stop too early
  drawn.insert(drawn.end(), {" 3", ".", "14", ".", " next", " more"});
  const Played p = play(Thinking(15, false, {kClose}), drawn);
  EXPECT_FALSE(p.was_cut) << "14 of 15 tokens are more than nine tenths, but no sentence ends behind them";
  const Played q = play(Thinking(13, false, {kClose}), drawn);
  EXPECT_EQ(q.text, "<think> a a a. a a a 3.14.</think> more");
}

TEST(Thinking, AModelThatClosesItselfIsLeftAlone) {
  const Played p = play(Thinking(2, false, {kClose}), {"<think>", " a", "</think>", " b"});
  EXPECT_EQ(p.text, "<think> a</think> b");
  EXPECT_FALSE(p.was_cut);
}

TEST(Thinking, APromptMayEndInsideOfIt) {
  EXPECT_EQ(play(Thinking(2, true, {kClose}), {" a", " b", " c", " d"}).text, " a b</think> d");
  EXPECT_EQ(play(Thinking(2, false, {kClose}), {" a", " b", " c", " d"}).count, 0);
}

TEST(Thinking, CloseOfSeveralTokensIsForcedToItsEnd) {
  Thinking thinking(1, true, {7, 8});
  thinking.accept(1, " a");
  EXPECT_EQ(thinking.replace(2, " b"), 7);
  thinking.accept(7, "</thi");
  EXPECT_EQ(thinking.replace(3, " c"), 8);
  thinking.accept(8, "nk>");
  EXPECT_EQ(thinking.replace(4, " d"), 4);
}

}  // namespace
}  // namespace sambay
