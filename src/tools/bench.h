// `sambay bench`: prefill and decode speed beside the memory bandwidth measured in the same run.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "model/type_mix.h"
#include "sambay/error.h"
#include "tensor/dtype.h"

namespace sambay {

struct BenchOptions {
  std::string model;           ///< "" = the embedded model
  std::string synthetic;       ///< a preset's name: random weights instead of a model
  TypeMix type = DType::q8_0;  ///< of synthetic weights
  DType kv = DType::f16;
  std::string isa;
  int threads = 0;
  int prompt = 512, generate = 64;  ///< tokens of the two tests; 0 leaves one out
  int depth = 0;  ///< context before the decode test (caches hold zeros: speed does not depend on them)
  int chunk = 256, repetitions = 3;
  int64_t memory_limit = 0;  ///< bytes; 0: none
};

struct BenchResult {
  std::string test;  ///< "prefill" or "decode"
  int prompt = 0, depth = 0, tokens = 0;
  double median = 0, min = 0, max = 0;  ///< tokens per second
  double bandwidth_share =
      0;  ///< decode: bytes that a token must read, per second, over the measured bandwidth
};

struct BenchReport {
  std::string model, type, kv, isa;
  int threads = 0;
  int64_t weight_bytes = 0, peak_bytes = 0, planned_bytes = 0;
  double read_bytes_per_s = 0;  ///< all threads reading the weights themselves
  std::vector<BenchResult> results;
};

/// progress is called with a line for people before each longer step; stop is asked between steps.
Result<BenchReport> run_bench(const BenchOptions& options,
                              const std::function<void(const std::string&)>& progress,
                              const std::function<bool()>& stop);
std::string to_table(const BenchReport& report);
/// JSON Lines: one object per result.
std::string to_json_lines(const BenchReport& report);

}  // namespace sambay
