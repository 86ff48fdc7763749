#include "engine/scheduler.h"

#include <gtest/gtest.h>

#include <map>
#include <vector>

namespace sambay {
namespace {

std::map<int, int> rows_of(const std::vector<Slice>& slices) {
  std::map<int, int> rows;
  for (const Slice& s : slices) rows[s.sequence] = s.rows;
  EXPECT_EQ(rows.size(), slices.size()) << "a sequence twice in a step";
  return rows;
}

TEST(Scheduler, NothingToRunGivesAnEmptyStep) { EXPECT_TRUE(Scheduler(8).next({}).empty()); }

TEST(Scheduler, AnsweringSequencesGetTheirRowBesideALongPrompt) {
  Scheduler scheduler(100);
  const std::vector<Runnable> all = {{0}, {100000}, {0}};
  EXPECT_EQ(rows_of(scheduler.next(all)), (std::map<int, int>{{0, 1}, {1, 100}, {2, 1}}));
}

TEST(Scheduler, ShortPromptsShareAStep) {
  Scheduler scheduler(100);
  const std::vector<Runnable> all = {{30}, {40}, {50}};
  EXPECT_EQ(rows_of(scheduler.next(all)), (std::map<int, int>{{0, 30}, {1, 40}, {2, 30}}));
}

TEST(Scheduler, NoPromptStarves) {
  Scheduler scheduler(10);
  const std::vector<Runnable> all = {{1000}, {1000}, {1000}};
  std::map<int, int> total;
  for (int step = 0; step < 30; step++)
    for (const Slice& s : scheduler.next(all)) total[s.sequence] += s.rows;
  EXPECT_EQ(total, (std::map<int, int>{{0, 100}, {1, 100}, {2, 100}}));
}

TEST(Scheduler, SlicesAreInOrderOfSequence) {
  Scheduler scheduler(10);
  const std::vector<Runnable> all = {{3}, {0}, {3}, {0}};
  for (int step = 0; step < 5; step++) {
    const std::vector<Slice> slices = scheduler.next(all);
    for (size_t i = 1; i < slices.size(); i++) EXPECT_LT(slices[i - 1].sequence, slices[i].sequence);
  }
}

}  // namespace
}  // namespace sambay
