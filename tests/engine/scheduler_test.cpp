#include "engine/scheduler.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace sambay {
namespace {

Runnable answering() { return {}; }
Runnable reading(int left, int key = 0, int priority = 0) {
  Runnable r;
  r.prompt_left = left, r.key = key, r.priority = priority;
  return r;
}

std::vector<int> rows_of(std::span<const Runnable> runnables, int prompt_rows) {
  std::vector<int> rows(runnables.size(), 0);
  int last = -1;
  for (const Slice& slice : schedule_rows(runnables, prompt_rows)) {
    EXPECT_GT(slice.sequence, last) << "in order of sequence, each once";
    EXPECT_GT(slice.rows, 0);
    last = slice.sequence;
    rows[static_cast<size_t>(slice.sequence)] = slice.rows;
  }
  return rows;
}

using Row = std::vector<int>;

TEST(ShareEvenly, GivesWhatOneLeavesToTheOthers) {
  EXPECT_EQ(share_evenly(12, Row{4, 4, 4}), (Row{4, 4, 4}));
  EXPECT_EQ(share_evenly(12, Row{100, 2, 100}), (Row{5, 2, 5}));
  EXPECT_EQ(share_evenly(2, Row{9, 9, 9}), (Row{1, 1, 0}));
  EXPECT_EQ(share_evenly(7, Row{9, 9, 9}), (Row{3, 2, 2}));
  EXPECT_EQ(share_evenly(100, Row{1, 0, 5}), (Row{1, 0, 5}));
  EXPECT_TRUE(share_evenly(5, {}).empty());
}

TEST(ScheduleRows, EveryAnswerGetsItsRowBesideTheLongestPrompt) {
  const std::vector<Runnable> all = {answering(), reading(65536), answering(), answering()};
  EXPECT_EQ(rows_of(all, 256), (Row{1, 256, 1, 1}));
}

TEST(ScheduleRows, AShortPromptIsReadBesideALongOneAtOnce) {
  EXPECT_EQ(rows_of(std::vector{reading(65536), reading(20)}, 256), (Row{236, 20}));
}

TEST(ScheduleRows, KeysShareEvenlyHoweverManyPromptsTheyHave) {
  const std::vector<Runnable> all = {reading(1000, 1), reading(1000, 1), reading(1000, 1), reading(1000, 2)};
  EXPECT_EQ(rows_of(all, 120), (Row{20, 20, 20, 60}));
}

TEST(ScheduleRows, WhatCannotBeDividedGoesToTheKeyThatGotLeast) {
  std::vector<Runnable> all = {reading(10, 1), reading(10, 2)};
  all[0].served = 5, all[1].served = 4;
  EXPECT_EQ(rows_of(all, 1), (Row{0, 1}));
  all[1].served = 6;
  EXPECT_EQ(rows_of(all, 1), (Row{1, 0}));
}

TEST(ScheduleRows, PromptsOfOneKeyTakeTurnsWhenThereIsOneRow) {
  std::vector<Runnable> all = {reading(5), reading(5), reading(5)};
  std::vector<int> done(3, 0);
  for (int step = 0; step < 9; step++)
    for (const Slice& slice : schedule_rows(all, 1)) {
      const auto i = static_cast<size_t>(slice.sequence);
      done[i] += slice.rows, all[i].prompt_left -= slice.rows, all[i].prompt_done += slice.rows;
    }
  EXPECT_EQ(done, (Row{3, 3, 3}));
}

TEST(ScheduleRows, HigherPrioritiesReadFirstAndLeaveTheRest) {
  EXPECT_EQ(rows_of(std::vector{reading(100, 1), reading(60, 2, 7)}, 64), (Row{4, 60}));
  EXPECT_EQ(rows_of(std::vector{reading(100, 1), reading(90, 2, 7)}, 64), (Row{0, 64}));
}

TEST(ScheduleRows, NobodyGetsMoreThanItMayHave) {
  std::vector<Runnable> all = {reading(100)};
  all[0].most_rows = 3;
  EXPECT_EQ(rows_of(all, 64), (Row{3}));
  EXPECT_EQ(rows_of(std::vector{reading(10)}, 64), (Row{10}));
  EXPECT_TRUE(schedule_rows({}, 64).empty());
}

TEST(KeyShares, AKeyThatComesBackHasSavedUpNothing) {
  KeyShares shares;
  shares.enter("a");
  shares.enter("b");
  shares.charge("a", 1000);
  shares.charge("b", 900);
  shares.leave("b");
  shares.charge("a", 1000);
  shares.enter("b");
  EXPECT_EQ(shares.served("b"), 2000u) << "as much as the least served one that is here";
  shares.enter("c");
  EXPECT_EQ(shares.served("c"), 2000u);
  for (const char* key : {"a", "b", "c"}) shares.leave(key);
  shares.enter("d");
  EXPECT_EQ(shares.served("d"), 2000u);
}

TEST(KeyShares, KeepsAKeyUntilItsLastRequestIsOver) {
  KeyShares shares;
  shares.enter("a");
  shares.enter("a");
  shares.charge("a", 10);
  shares.leave("a");
  EXPECT_EQ(shares.served("a"), 10u);
  shares.leave("a");
  EXPECT_EQ(shares.served("a"), 0u);
  shares.leave("a");
  shares.charge("a", 1);
}

TEST(NextToStart, PriorityThenShareThenAge) {
  EXPECT_EQ(next_to_start({}), -1);
  EXPECT_EQ(next_to_start(std::vector<Waiting>{{0, 5}, {0, 5}}), 0);
  EXPECT_EQ(next_to_start(std::vector<Waiting>{{0, 5}, {0, 4}}), 1);
  EXPECT_EQ(next_to_start(std::vector<Waiting>{{0, 0}, {1, 9}}), 1);
}

/// Two keys, one with a hundred requests in front of the other's one: rows are shared evenly all the same.
TEST(NextToStart, AFloodOfOneKeyDoesNotHoldUpAnother) {
  KeyShares shares;
  std::vector<std::string> queue(100, "flood");
  queue.push_back("other");
  for (const auto& key : queue) shares.enter(key);
  int started = 0;
  while (true) {
    std::vector<Waiting> waiting;
    for (const auto& key : queue) waiting.push_back({0, shares.served(key)});
    const auto at = queue.begin() + next_to_start(waiting);
    if (*at == "other") break;
    shares.charge(*at, 50);
    queue.erase(at);
    started++;
  }
  EXPECT_EQ(started, 1);
}

}  // namespace
}  // namespace sambay
