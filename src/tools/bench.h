// `sambay bench`: prefill and decode speed beside what the machine could do at most, measured in the same
// run.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "model/type_mix.h"
#include "sambay/error.h"
#include "tensor/dtype.h"
#include "tools/ceilings.h"
#include "tools/watched_ops.h"

namespace sambay {

/// The paper's long generation: a prompt, then many tokens of several sequences at once. Decoding is measured
/// at some depths along the way and integrated.
struct LongRun {
  int prompt = 0, generate = 0;
  int concurrency = 1;
};

/// Every combination of the lists is run: for each number of threads and KV type, prefill for each depth and
/// prompt, then decode for each depth, batch and number of tokens. One entry that is 0 in `prompts` or
/// `generate` leaves that test out.
struct BenchOptions {
  std::string model;           ///< "" = the embedded model
  std::string synthetic;       ///< a preset's name: random weights instead of a model
  TypeMix type = DType::q8_0;  ///< of synthetic weights
  std::string isa;             ///< "" = best supported
  std::vector<int> prompts = {512}, generate = {64}, depths = {0}, batches = {1};
  std::vector<int> threads = {0};  ///< 0: one per physical core
  std::vector<DType> kvs = {DType::f16};
  std::optional<LongRun> long_run;  ///< instead of the tests above
  int chunk = 256, repetitions = 3;
  int64_t memory_limit = 0;  ///< bytes; 0: none
};

struct BenchResult {
  std::string test;  ///< "prefill", "decode", or "long-sampled"
  DType kv = DType::f16;
  int threads = 0;
  int prompt = 0;       ///< prefill: its tokens; decode: 0, or those of the long run that it is a sample of
  int depth = 0;        ///< tokens before; long-sampled: at the end
  int batch = 1;        ///< sequences in a step
  int tokens = 0;       ///< of each sequence: prompt's, or generated ones
  Spread tokens_per_s;  ///< of all sequences together
  std::optional<double> ttft_ms;  ///< from the first prompt token to the first token of every sequence
  int64_t peak_bytes = 0;         ///< resident, without the bandwidth probe's memory
  int64_t planned_bytes = 0;
  double bytes_per_token = 0, multiply_adds_per_token = 0;  ///< that a token needs at least
  Ceilings ceilings;           ///< medians over the repetitions of the means in each of them
  double bandwidth_share = 0;  ///< medians over the repetitions, each against the ceilings seen in its course
  double arithmetic_share = 0;
  double other_cpu = 0;         ///< what others took of the machine meanwhile
  std::vector<OpTime> profile;  ///< of one repetition, the longest first
  double profile_seconds = 0;   ///< that repetition
};

/// The model as it runs.
struct BenchModel {
  std::string name, type, isa, int8_instructions;
  int64_t weight_bytes = 0;  ///< where the ops read them
  double load_seconds = 0;   ///< the first time
  int long_samples = 0;      ///< depths that long-sampled results were measured at; 0: there are none
};

/// What run_bench tells while it works; each may be empty.
struct BenchEvents {
  std::function<void(const std::string&)> progress;                           ///< a line for people
  std::function<bool()> should_stop;                                          ///< asked between steps
  std::function<Result<void>(const BenchModel&)> loaded;                      ///< before the first result
  std::function<Result<void>(const BenchModel&, const BenchResult&)> result;  ///< as soon as there is one
};

/// Errors: invalid_argument (an option, or a depth beyond the model's context), out_of_memory (the memory
/// limit, before anything is loaded), those of opening a model and of the events; cancelled.
Result<std::vector<BenchResult>> run_bench(const BenchOptions& options, const BenchEvents& events);

// ---- what people and programs read; each text ends in a line feed ----

std::string bench_table_head(const BenchModel& model);
std::string bench_table_row(const BenchResult& result);
/// The ceilings, and how long-sampled results came about.
std::string bench_table_foot(const BenchModel& model, const std::vector<BenchResult>& results);
/// Where the time of a result went.
std::string bench_table_profile(const BenchResult& result);
std::string bench_csv_head();
std::string bench_csv_row(const BenchModel& model, const BenchResult& result);
/// with_profile: one more member, "profile".
std::string bench_json_row(const BenchModel& model, const BenchResult& result, bool with_profile = false);

}  // namespace sambay
