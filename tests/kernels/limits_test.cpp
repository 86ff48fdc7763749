// The probes must do the work that they count.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string_view>
#include <vector>

#include "kernels/every_isa.h"
#include "support/random.h"

namespace sambay {
namespace {

struct alignas(64) Line {
  uint64_t words[8];
};

class Limits : public test::EveryIsa {
 protected:
  void SetUp() override {
    EveryIsa::SetUp();
    if (!IsSkipped() && std::string_view(kernels().name).starts_with("software_"))
      GTEST_SKIP() << "ceilings are of real registers, and " << kernels().name << " has none";
  }
};

TEST_P(Limits, ReadingTakesEveryWordOnce) {
  test::Random random(1);
  for (const int64_t bytes : {4096, 3 * 4096, 1 << 20}) {
    std::vector<Line> data(static_cast<size_t>(bytes / 64));
    uint64_t expected = 0;
    for (Line& line : data)
      for (uint64_t& word : line.words) expected ^= word = random.next();
    for (const auto read : kernels().read_memory)
      EXPECT_EQ(read(reinterpret_cast<const uint8_t*>(data.data()), bytes), expected) << bytes;
  }
}

/// Seconds that a probe takes, the best of three.
double seconds_of(int64_t (*probe)(int64_t), int64_t rounds) {
  double best = 1e9;
  for (int i = 0; i < 3; i++) {
    const auto start = std::chrono::steady_clock::now();
    probe(rounds);
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

TEST_P(Limits, MultiplicationsAreCountedAndNotOptimizedAway) {
  EXPECT_NE(std::string_view(kernels().int8_instructions), "");
  for (const auto probe : {kernels().multiply_int8, kernels().multiply_f32}) {
    const int64_t done = probe(1000);
    EXPECT_GT(done, 1000);
    EXPECT_EQ(probe(500), done / 2);
    // No CPU core does 10,000 in a nanosecond: a loop that the compiler emptied would seem to.
    const int64_t rounds = 1'000'000;
    EXPECT_LT(static_cast<double>(probe(rounds)) / seconds_of(probe, rounds), 1e13);
  }
}

SAMBAY_FOR_EVERY_ISA(Limits);

}  // namespace
}  // namespace sambay
