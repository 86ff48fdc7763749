// `sambay plan`: how many bytes a model will need, before it is loaded, and what would fit.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/memory_plan.h"
#include "model/type_mix.h"
#include "sambay/error.h"
#include "tensor/dtype.h"

namespace sambay {

struct PlanOptions {
  std::string model;           ///< "" = the embedded model
  std::string synthetic;       ///< a preset's name: shapes without a file
  TypeMix type = DType::q8_0;  ///< of synthetic weights
  DType kv = DType::f16;
  int context = 0;           ///< 0: as the engine chooses
  int parallel = 1;          ///< sequences at once
  int chunk = 256;           ///< prompt rows of a step
  int threads = 0;           ///< 0: one per physical core
  int64_t memory_limit = 0;  ///< bytes; 0: none
  /// Tokens of all sequences together; 0: of each as many as `context`; -1: as many as the limit allows.
  int64_t total_context = 0;
  int64_t prefix_cache_bytes = 0;
};

struct PlanReport {
  struct Fit {
    DType kv;
    int context;  ///< of each sequence; 0: none fits
    int64_t bytes;
  };
  std::string model;
  DType kv = DType::f16;
  int context = 0, parallel = 1, chunk = 0;
  int64_t memory_limit = 0;
  int64_t total_context = 0;  ///< as asked, or as many as the limit allows; 0: nothing was asked
  int64_t prefix_cache_bytes = 0;
  MemoryPlan plan;
  std::vector<Fit> contexts;  ///< round contexts up to the model's limit, with each type of KV cache
  std::vector<Fit> longest;   ///< within the limit, one for each type of KV cache
};

/// The plan that `sambay run` and `sambay serve` (the library's engine) allocate by, to the byte. In
/// `contexts` and `longest` a total as large as the limit allows is the least one, a single context. Errors:
/// invalid_argument (an option out of range); those of opening a model.
Result<PlanReport> make_plan(const PlanOptions& options);

/// A table for people.
std::string format_plan(const PlanReport& report);
/// One JSON object, in one line.
std::string plan_json(const PlanReport& report);

}  // namespace sambay
