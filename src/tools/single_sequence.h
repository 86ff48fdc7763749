// The caches of one sequence, for tools that drive a model without an engine.
#pragma once

#include <span>
#include <vector>

#include "model/cache_plan.h"
#include "model/model.h"
#include "ops/batch.h"
#include "sambay/error.h"
#include "tensor/tensor.h"

namespace sambay {

/// One recurrent slot, updated in place, and the pages of one sequence. Window groups reuse a ring of pages.
/// One thread.
class SingleSequence {
 public:
  /// kv_type must be the one the model was loaded with. max_step: rows per run() at most. Errors:
  /// out_of_memory.
  static Result<SingleSequence> create(Model& model, DType kv_type, int max_positions, int max_step);
  /// By a plan for one sequence of this model and KV type.
  static Result<SingleSequence> create(Model& model, const CachePlan& plan);

  /// Feeds tokens at the current position; logits [logit_rows, vocab].
  void run(std::span<const TokenId> tokens, std::span<const int> logit_rows, Rows<float> logits,
           const Probe* probe = nullptr);
  int position() const { return position_; }
  /// Pretends that the first `position` tokens were processed (benchmarks at depth); the caches hold zeros.
  void skip_to(int position) { position_ = position; }
  const float* slot() const { return reinterpret_cast<const float*>(state_.data()); }

 private:
  explicit SingleSequence(Model& model) : model_(&model) {}
  Model* model_;
  Buffer state_;
  std::vector<Buffer> pools_;
  std::vector<std::vector<PageId>> tables_;
  int position_ = 0;
};

}  // namespace sambay
