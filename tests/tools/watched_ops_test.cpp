#include "tools/watched_ops.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <vector>

#include "support/golden.h"

namespace sambay {
namespace {

/// y = x times two: as little work as an op can be.
struct Doubling {
  std::vector<float> weight = {2, 0, 0, 2}, x = {1, 2, 3, 4, 5, 6}, y = std::vector<float>(6);
  Linear linear{{DType::f32, reinterpret_cast<const std::byte*>(weight.data()), 2, 2, false}, nullptr};
  void run(Ops& ops) { ops.matmul({x.data(), 3, 2}, linear, {y.data(), 3, 2}); }
};

WatchedOps watched() { return WatchedOps(std::move(*make_cpu_ops({1, "scalar", false}))); }

TEST(WatchedOps, GiveWhatTheOpsBelowGive) {
  WatchedOps ops = watched();
  Doubling work;
  work.run(ops);
  EXPECT_EQ(work.y, (std::vector<float>{2, 4, 6, 8, 10, 12}));
  EXPECT_EQ(ops.name(), "cpu/scalar");
  EXPECT_EQ(ops.threads(), 1);
}

TEST(WatchedOps, CountCallsAndWorkOfEachShape) {
  WatchedOps ops = watched();
  Doubling work;
  ops.start();
  for (int i = 0; i < 3; i++) work.run(ops);
  ops.add({work.x.data(), 3, 2}, {work.y.data(), 3, 2});
  const std::vector<OpTime> times = ops.times();
  ASSERT_EQ(times.size(), 2u);
  EXPECT_GE(times[0].seconds, times[1].seconds);
  const auto product = std::ranges::find(times, "matmul f32 2x2", &OpTime::op);
  ASSERT_NE(product, times.end());
  EXPECT_EQ(product->calls, 3);
  EXPECT_EQ(product->multiply_adds, 3 * 3 * 2 * 2);
  EXPECT_EQ(product->weight_bytes, 3 * 4 * sizeof(float));
  EXPECT_FALSE(product->is_int8);
  const auto sum = std::ranges::find(times, "add", &OpTime::op);
  ASSERT_NE(sum, times.end());
  EXPECT_EQ(sum->calls, 1);
  EXPECT_EQ(sum->multiply_adds, 0);
}

TEST(WatchedOps, ForgetWhatWasBeforeTheStart) {
  WatchedOps ops = watched();
  Doubling work;
  work.run(ops);
  ops.start();
  EXPECT_TRUE(ops.times().empty());
  EXPECT_EQ(ops.paused_seconds(), 0);
}

TEST(WatchedOps, PauseBetweenOpsAndCountThatApart) {
  WatchedOps ops = watched();
  Doubling work;
  int pauses = 0;
  const auto pause = [&] {
    pauses++;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  };
  ops.start(pause, 0);  // after every op
  for (int i = 0; i < 3; i++) work.run(ops);
  EXPECT_EQ(pauses, 3);
  EXPECT_GE(ops.paused_seconds(), 3 * 0.002);  // a sleep may take longer, never shorter
  ops.start(pause, 3600);
  work.run(ops);
  EXPECT_EQ(pauses, 3);
}

}  // namespace
}  // namespace sambay
