// What `sambay bench` will run, and whether it can.
#pragma once

#include <string_view>
#include <vector>

#include "model/memory_plan.h"
#include "tools/bench.h"

namespace sambay {

/// "512" or "128,512,2048": whole numbers from `low` to `high`, at most 64 of them. `flag` is for messages.
/// Errors: invalid_argument.
Result<std::vector<int>> parse_counts(std::string_view flag, std::string_view text, int low, int high);
/// "f16" or "f16,q8_0".
Result<std::vector<DType>> parse_kv_types(std::string_view flag, std::string_view text);
/// "2048:32768".
Result<LongRun> parse_long_run(std::string_view text);

enum class BenchTest { prefill, decode };

/// One result's worth of repetitions.
struct BenchCase {
  BenchTest test = BenchTest::prefill;
  int prompt = 0, depth = 0, batch = 1, tokens = 0;
  int room = 0;  ///< positions that each sequence has memory for; at least depth + tokens
  MemoryRequest memory(DType kv, int chunk, int threads) const;
};

/// In the order in which they run. Of a long run: the prompt, then samples in ascending depth.
std::vector<BenchCase> bench_cases(const BenchOptions& options);

/// What is right or wrong whatever the model is. Errors: invalid_argument.
Result<void> check_bench_options(const BenchOptions& options);
/// Holds every case against the model's context and the memory limit; beside the model there is
/// `other_bytes`. Returns the most that any case needs (without those). Errors: invalid_argument,
/// out_of_memory.
Result<MemoryPlan> plan_bench(const BenchOptions& options, const ModelFootprint& model, int64_t other_bytes);

}  // namespace sambay
