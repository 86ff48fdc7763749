// How far a model's next-token probabilities are from those of the weights it was made from.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "eval/statistics.h"
#include "sambay/error.h"
#include "tools/problems.h"

namespace sambay {

struct DivergenceOptions {
  std::string reference;  ///< model; "" = the embedded one
  std::vector<std::string> models;
  std::string isa;
  int threads = 0;
  int64_t memory_limit = 0;                                 ///< bytes for all models together; 0: none
  std::function<bool()> should_stop;                        ///< may be empty
  std::function<void(size_t done, size_t total)> progress;  ///< may be empty
};

/// Teacher-forced over the expected solutions: at every position whose next token the model would have to
/// write (work, answer, end of turn). KV caches are f32, so that only weights differ. Memory is that of the
/// models and of 64 rows of logits each. One result per model. Errors: those of opening; unsupported (models
/// whose tokenizer or template differ in size); cancelled.
Result<std::vector<Divergence>> measure_divergence(const DivergenceOptions& options,
                                                   std::span<const Problem> problems);

}  // namespace sambay
