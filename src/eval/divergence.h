// How far a model's next-token probabilities are from those of the weights it was made from.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "sambay/error.h"
#include "tools/problems.h"

namespace sambay {

struct Divergence {
  double kl_sum = 0;  ///< nats, KL(reference || model)
  int64_t same_first = 0, tokens = 0;
  double kl_mean() const { return tokens > 0 ? kl_sum / static_cast<double>(tokens) : 0; }
  double top1_agreement() const {
    return tokens > 0 ? static_cast<double>(same_first) / static_cast<double>(tokens) : 1;
  }
};

/// KL(p || q) of two rows of logits, in nats, in double precision.
double kl_divergence(std::span<const float> p_logits, std::span<const float> q_logits);

struct DivergenceOptions {
  std::string reference;  ///< model; "" = the embedded one
  std::vector<std::string> models;
  std::string isa;
  int threads = 0;
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
