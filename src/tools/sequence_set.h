// The caches of several sequences that take their steps together, for benchmarks.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "model/cache_plan.h"
#include "model/model.h"
#include "ops/batch.h"
#include "sambay/error.h"
#include "tensor/tensor.h"
#include "tools/random_blocks.h"

namespace sambay {

/// All sequences are at the same position. Their caches hold random values of sane scale where no step wrote:
/// reading pages that nobody touched would read one page of zeros, from the L1. One thread.
class SequenceSet {
 public:
  /// `plan` is of this model. Errors: out_of_memory.
  static Result<SequenceSet> create(Model& model, const CachePlan& plan, ThreadPool& pool);

  /// From here on the sequences have `position` tokens behind them, and room for `rows` more that have
  /// memory.
  void start_at(int position, int rows);
  /// One token for each sequence; logits [sequences, vocab].
  void decode(std::span<const TokenId> tokens, Rows<float> logits);
  /// Several tokens of the first sequence; logits [1, vocab] of the last one, or none.
  void prefill(std::span<const TokenId> tokens, Rows<float> logits);
  int sequences() const { return plan_.sequences; }
  int position() const { return position_; }

 private:
  SequenceSet(Model& model, const CachePlan& plan, ThreadPool& pool);
  void fill_pages(size_t group, int positions);
  void run(std::span<const TokenId> tokens, int rows_each, std::span<const int> logit_rows,
           Rows<float> logits);

  Model* model_;
  ThreadPool* pool_;
  CachePlan plan_;
  Buffer state_;
  std::vector<Buffer> pages_;                // of each group
  std::vector<int> filled_;                  // pages of each sequence, of each group
  std::vector<RandomBlocks> random_;         // one: of the KV type
  std::vector<std::vector<PageId>> tables_;  // [group * sequences + sequence]
  std::vector<SlotId> slots_;
  std::vector<int> all_rows_;
  std::vector<SlotId> state_out_;
  int position_ = 0;
};

}  // namespace sambay
