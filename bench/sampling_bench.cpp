// From 200,064 logits to a token, on one thread: what a sampler adds to each step of each sequence.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "sampling/sampler.h"
#include "tools/random_blocks.h"

namespace sambay {
namespace {

constexpr int kVocab = 200064;

/// Like a trained model's: a few tokens stand out of a wide field.
std::vector<float> logits() {
  std::vector<float> values(kVocab);
  for (size_t i = 0; i < values.size(); i++) {
    float sum = 0;
    for (uint64_t k = 0; k < 4; k++) sum += random_uniform(4 * i + k + 1);
    values[i] = 3 * sum;
  }
  for (size_t i = 0; i < 20; i++) values[i * 9973] = 22 - static_cast<float>(i);
  return values;
}

void BM_Sample(benchmark::State& state, SamplingOptions options) {
  const std::vector<float> fresh = logits();
  std::vector<float> row(fresh.size());
  SamplerScratch scratch;
  const std::vector<TokenId> prompt = {1, 2, 3};
  Sampler sampler(options, 1, prompt);
  for (auto _ : state) {
    std::copy(fresh.begin(), fresh.end(), row.begin());  // counted too; sample() changes its logits
    auto token = sampler.sample(row, scratch);
    if (!token) return state.SkipWithError(token.error().message.c_str());
    sampler.accept(*token);
  }
  using benchmark::Counter;
  state.counters["GB/s"] = Counter(kVocab * 4e-9, Counter::kIsIterationInvariantRate);
  state.counters["Glogits/s"] = Counter(kVocab * 1e-9, Counter::kIsIterationInvariantRate);
}

SamplingOptions with(float temperature, float top_p, int top_k, float min_p) {
  SamplingOptions options;
  options.temperature = temperature, options.top_p = top_p, options.top_k = top_k, options.min_p = min_p;
  return options;
}
SamplingOptions with_penalties() {
  SamplingOptions options;
  options.repeat_penalty = 1.1f, options.presence_penalty = 0.1f;
  return options;
}
BENCHMARK_CAPTURE(BM_Sample, greedy, with(0, 1, 0, 0))->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(BM_Sample, softmax, with(0.6f, 1, 0, 0))->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(BM_Sample, top_p, with(0.6f, 0.95f, 0, 0))->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(BM_Sample, top_k, with(0.6f, 1, 40, 0))->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(BM_Sample, min_p, with(0.6f, 1, 0, 0.05f))->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(BM_Sample, top_p_penalties, with_penalties())->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace sambay
