#include "tools/bench_long.h"

#include <algorithm>

#include "base/check.h"

namespace sambay {

double integrate_samples(std::span<const BenchResult> samples, int prompt, int tokens,
                         double (*rate)(const BenchResult& sample)) {
  SAMBAY_CHECK(!samples.empty(), "no samples");
  const auto middle = [&](const BenchResult& s) { return s.depth - prompt + 0.5 * s.tokens; };
  const auto step = [&](const BenchResult& s) { return s.batch / rate(s); };  // seconds
  double seconds = middle(samples.front()) * step(samples.front()) +
                   (tokens - middle(samples.back())) * step(samples.back());
  for (size_t i = 1; i < samples.size(); i++)
    seconds +=
        0.5 * (middle(samples[i]) - middle(samples[i - 1])) * (step(samples[i - 1]) + step(samples[i]));
  return seconds;
}

BenchResult long_result(const LongRun& run, const BenchResult& prefill,
                        std::span<const BenchResult> samples) {
  const auto whole = [&](double (*rate)(const BenchResult&)) {
    const double prompts = run.concurrency * static_cast<double>(run.prompt) / rate(prefill);
    return prompts + integrate_samples(samples, run.prompt, run.generate, rate);
  };
  const double tokens = static_cast<double>(run.concurrency) * run.generate;
  const auto median = [](const BenchResult& r) { return r.tokens_per_s.median; };
  BenchResult result = samples.back();  // kv, threads, ceilings
  result.test = "long-sampled";
  result.profile.clear();
  result.prompt = run.prompt, result.depth = run.prompt + run.generate;
  result.batch = run.concurrency, result.tokens = run.generate;
  result.tokens_per_s = {tokens / whole(median),
                         tokens / whole([](const BenchResult& r) { return r.tokens_per_s.min; }),
                         tokens / whole([](const BenchResult& r) { return r.tokens_per_s.max; })};
  result.ttft_ms = *prefill.ttft_ms * run.concurrency;

  // Shares and work are means over the time of decoding, each sample standing for the tokens around it.
  double seconds = 0, bandwidth = 0, arithmetic = 0, bytes = 0, multiply_adds = 0;
  for (const BenchResult& s : samples) {
    const double own = 1 / s.tokens_per_s.median;  // equally many tokens each
    seconds += own;
    bandwidth += own * s.bandwidth_share;
    arithmetic += own * s.arithmetic_share;
    bytes += s.bytes_per_token / static_cast<double>(samples.size());
    multiply_adds += s.multiply_adds_per_token / static_cast<double>(samples.size());
    result.peak_bytes = std::max({result.peak_bytes, s.peak_bytes, prefill.peak_bytes});
    result.other_cpu = std::max(result.other_cpu, s.other_cpu);
  }
  result.bandwidth_share = bandwidth / seconds;
  result.arithmetic_share = arithmetic / seconds;
  result.bytes_per_token = bytes;
  result.multiply_adds_per_token = multiply_adds;
  return result;
}

}  // namespace sambay
