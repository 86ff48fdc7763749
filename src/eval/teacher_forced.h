// A model that is fed given tokens and asked for the logits of every position.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "formats/checkpoint.h"
#include "model/memory_plan.h"
#include "model/model.h"
#include "ops/ops.h"
#include "sambay/error.h"
#include "tools/single_sequence.h"

namespace sambay {

/// A model with the caches of one sequence and room for kRows rows of logits. One thread.
class TeacherForced {
 public:
  static constexpr int kRows = 64;  ///< per feed

  /// `ops` must outlive it. Errors: those of load_model; out_of_memory.
  static Result<TeacherForced> open(std::shared_ptr<const Checkpoint> checkpoint, Ops& ops, DType kv,
                                    int positions);
  /// What open() asks for.
  static MemoryRequest memory_request(DType kv, int positions, int threads);
  const Checkpoint& checkpoint() const { return *checkpoint_; }
  int vocab() const { return model_->info().vocab; }
  /// A new text begins.
  void begin() { sequence_->skip_to(0); }
  /// Up to kRows tokens; logits of the last `wanted` rows.
  void feed(std::span<const TokenId> tokens, int wanted);
  /// The i-th of the wanted rows, until the next feed.
  std::span<const float> row(int i) const {
    const auto width = static_cast<size_t>(vocab());
    return std::span(logits_).subspan(static_cast<size_t>(i) * width, width);
  }

 private:
  std::shared_ptr<const Checkpoint> checkpoint_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<SingleSequence> sequence_;
  std::vector<float> logits_;
};

/// Adds what a further model needs; the program is there already.
void add_model(MemoryPlan& plan, const MemoryPlan& other);

}  // namespace sambay
