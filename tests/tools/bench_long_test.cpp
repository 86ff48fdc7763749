#include "tools/bench_long.h"

#include <gtest/gtest.h>

#include <vector>

namespace sambay {
namespace {

/// A step takes `base + slope * depth` seconds; measured over `tokens` tokens from `depth` on.
BenchResult sample(int depth, int tokens, int batch, double base, double slope) {
  BenchResult r;
  r.test = "decode";
  r.prompt = 100, r.depth = depth, r.tokens = tokens, r.batch = batch;
  const double rate = batch / (base + slope * (depth + 0.5 * tokens));
  r.tokens_per_s = {rate, rate / 2, rate * 2};
  r.bandwidth_share = 0.5, r.arithmetic_share = 0.25;
  r.peak_bytes = depth;
  return r;
}

double median(const BenchResult& r) { return r.tokens_per_s.median; }

TEST(IntegrateSamples, IsTheSumOverAllTokensWhenStepsGrowEvenly) {
  const double base = 0.01, slope = 1e-6;
  for (const int tokens : {4, 40, 4000}) {
    std::vector<BenchResult> samples;
    for (int i = 0; i < 5; i++) samples.push_back(sample(100 + (tokens - 4) * i / 4, 4, 3, base, slope));
    double exact = 0;
    for (int g = 0; g < tokens; g++) exact += base + slope * (100 + g + 0.5);
    // Two tokens at each end are taken as those of the next sample: that many times the slope of as many.
    EXPECT_NEAR(integrate_samples(samples, 100, tokens, median), exact, 2 * 2 * slope * 2 + 1e-9 * exact);
  }
}

TEST(IntegrateSamples, OfOneSampleIsItsSpeed) {
  const std::vector<BenchResult> one = {sample(100, 4, 2, 0.5, 0)};
  EXPECT_DOUBLE_EQ(integrate_samples(one, 100, 4, median), 2.0);
}

TEST(LongResult, CountsPromptsAndAllSequences) {
  BenchResult prefill;
  prefill.prompt = prefill.tokens = 100;
  prefill.tokens_per_s = {50, 40, 100};
  prefill.ttft_ms = 2000;
  prefill.peak_bytes = 7;
  const std::vector<BenchResult> samples = {sample(100, 4, 3, 0.1, 0), sample(196, 4, 3, 0.1, 0)};
  const BenchResult r = long_result({100, 100, 3}, prefill, samples);
  EXPECT_EQ(r.test, "long-sampled");
  EXPECT_EQ(r.depth, 200);
  EXPECT_EQ(r.batch, 3);
  EXPECT_EQ(r.tokens, 100);
  EXPECT_NEAR(r.tokens_per_s.median, 300 / (3 * 2.0 + 100 * 0.1), 1e-9);
  EXPECT_NEAR(r.tokens_per_s.min, 300 / (3 * 2.5 + 100 * 0.2), 1e-9);
  EXPECT_NEAR(*r.ttft_ms, 6000, 1e-9);
  EXPECT_NEAR(r.bandwidth_share, 0.5, 1e-12);
  EXPECT_EQ(r.peak_bytes, 196);
}

}  // namespace
}  // namespace sambay
