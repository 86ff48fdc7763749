#include "base/thread_pool.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <time.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace sambay {
namespace {

TEST(ThreadPool, RunsEachPartOnceIncludingTheCaller) {
  for (int threads : {1, 2, 3, 7}) {
    ThreadPool pool(threads);
    std::vector<std::atomic<int>> calls(static_cast<size_t>(threads));
    pool.run([&](int i) { calls[static_cast<size_t>(i)]++; });
    for (auto& count : calls) EXPECT_EQ(count, 1);
  }
}

TEST(ThreadPool, ParallelForCoversEveryIndexOnceForAnyCountAndGrain) {
  for (int threads : {1, 2, 3, 5}) {
    ThreadPool pool(threads);
    for (int64_t count : {0, 1, 7, 8, 9, 64, 1000})
      for (int64_t grain : {1, 8, 64}) {
        std::vector<std::atomic<int>> seen(static_cast<size_t>(count));
        const auto visit = [&](int64_t first, int64_t last) {
          EXPECT_EQ(first % grain, 0);
          for (int64_t i = first; i < last; i++) seen[static_cast<size_t>(i)]++;
        };
        pool.parallel_for(count, grain, visit);
        for (auto& n : seen) ASSERT_EQ(n, 1) << threads << " threads, count " << count << ", grain " << grain;
        pool.parallel_for_guided(count, grain, visit);
        for (auto& n : seen) ASSERT_EQ(n, 2) << threads << " threads, count " << count << ", grain " << grain;
      }
  }
}

TEST(ThreadPool, AGuidedLoopGivesASlowThreadLess) {
  ThreadPool pool(2, false);
  std::atomic<bool> first_taken = false;
  std::atomic<int64_t> done = 0;
  int64_t of_slow = 0;
  // Whoever comes first is held up until the other has done everything else.
  pool.parallel_for_guided(1000, 1, [&](int64_t first, int64_t last) {
    const bool slow = !first_taken.exchange(true);
    if (slow) of_slow = last - first;
    done += last - first;
    while (slow && done < 1000) std::this_thread::yield();
  });
  EXPECT_EQ(done, 1000);
  EXPECT_LE(of_slow, 1000 / 4);  // a split in advance would have given it half
}

TEST(ThreadPool, WorkersThatFellAsleepWakeUpAgain) {
  ThreadPool pool(3);
  std::atomic<int> calls = 0;
  for (int round = 0; round < 3; round++) {
    std::this_thread::sleep_for(std::chrono::milliseconds(30));  // far longer than the spin
    pool.run([&](int) { calls++; });
  }
  EXPECT_EQ(calls, 9);
}

TEST(ThreadPool, ResultsOfOneCallAreVisibleToTheNext) {
  ThreadPool pool(4, false);
  std::vector<int64_t> values(4, 0);
  for (int round = 0; round < 2000; round++)
    pool.run([&](int i) { values[static_cast<size_t>(i)] = values[static_cast<size_t>((i * 1))] + 1; });
  for (int64_t v : values) EXPECT_EQ(v, 2000);
}

// Parts as their own threads' business: the caller stays in part 0, and so takes no other, until all are
// there.
template <class F>
void run_on_all_threads(ThreadPool& pool, F&& fn) {
  std::atomic<int> arrived = 0;
  pool.run([&](int part) {
    arrived++;
    while (arrived < pool.thread_count()) std::this_thread::yield();
    fn(part);
  });
}

std::atomic<bool> let_go = false;
void hold(int) {
  const timespec moment = {0, 1'000'000};
  while (!let_go) nanosleep(&moment, nullptr);
}

TEST(ThreadPool, ThePartOfAWorkerThatDoesNotRunIsDoneByTheCaller) {
  ThreadPool pool(2, false);
  pthread_t worker = pthread_self();
  run_on_all_threads(pool, [&](int part) {
    if (part == 1) worker = pthread_self();
  });
  ASSERT_FALSE(pthread_equal(worker, pthread_self()));

  struct sigaction holding = {}, before = {};
  holding.sa_handler = hold;
  ASSERT_EQ(sigaction(SIGUSR1, &holding, &before), 0);
  let_go = false;
  ASSERT_EQ(pthread_kill(worker, SIGUSR1), 0);  // as if other programs had its core
  std::vector<int> calls(2);
  for (int round = 0; round < 5; round++)
    pool.run([&](int part) {
      EXPECT_TRUE(pthread_equal(pthread_self(), worker) == 0);
      calls[static_cast<size_t>(part)]++;
    });
  EXPECT_EQ(calls, (std::vector<int>{5, 5}));

  let_go = true;
  pthread_t again = pthread_self();
  run_on_all_threads(pool, [&](int part) {
    if (part == 1) again = pthread_self();
  });
  EXPECT_TRUE(pthread_equal(again, worker));
  sigaction(SIGUSR1, &before, nullptr);
}

TEST(ThreadPool, EveryPartIsDoneOnceHoweverManyThreadsShareTheCores) {
  ThreadPool pool(16, false);
  std::vector<int> calls(16);  // not atomic: two at once would also be a data race
  for (int round = 0; round < 3000; round++) pool.run([&](int part) { calls[static_cast<size_t>(part)]++; });
  EXPECT_EQ(calls, std::vector<int>(16, 3000));
}

std::vector<int> cores_of(ThreadPool& pool) {
  std::vector<int> counts(static_cast<size_t>(pool.thread_count()));
  run_on_all_threads(pool, [&](int i) {
    cpu_set_t set;
    CPU_ZERO(&set);
    sched_getaffinity(0, sizeof set, &set);
    counts[static_cast<size_t>(i)] = CPU_COUNT(&set);
  });
  return counts;
}

TEST(ThreadPool, APoolAfterAPinnedOneHasTheSameCores) {
  const int cores = physical_core_count();
  if (cores < 2) GTEST_SKIP() << "one core";
  std::thread([&] {  // whose affinity nobody needs afterwards
    {
      ThreadPool pinned(2);
    }
    EXPECT_EQ(physical_core_count(), cores);
    ThreadPool again(2);
    EXPECT_EQ(cores_of(again), (std::vector<int>{1, 1}));
    ThreadPool loose(2, false);
    EXPECT_GE(cores_of(loose)[1], cores);
  })
      .join();
}

TEST(ThreadPool, ThereIsAtLeastOnePhysicalCore) { EXPECT_GE(physical_core_count(), 1); }

}  // namespace
}  // namespace sambay
