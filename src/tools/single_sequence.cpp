#include "tools/single_sequence.h"

#include <fmt/core.h>

#include "base/check.h"

namespace sambay {

Result<SingleSequence> SingleSequence::create(Model& model, DType kv_type, int max_positions, int max_step) {
  return create(model, plan_caches(model.cache_spec(), kv_type, 1, max_positions, max_step));
}

Result<SingleSequence> SingleSequence::create(Model& model, const CachePlan& plan) {
  SingleSequence sequence(model);
  SAMBAY_TRY(sequence.state_, Buffer::allocate(plan.slot_bytes), "recurrent state");
  for (const CachePlan::Group& group : plan.groups) {
    SAMBAY_TRY(Buffer pool, Buffer::allocate(group.pages * group.layout.page_bytes), "KV pages");
    sequence.pools_.push_back(std::move(pool));
    std::vector<PageId>& ids = sequence.tables_.emplace_back();
    for (int i = 0; i < plan.context_pages; i++) ids.push_back(i % group.pages);
  }
  return sequence;
}

void SingleSequence::run(std::span<const TokenId> tokens, std::span<const int> logit_rows, Rows<float> logits,
                         const Probe* probe) {
  SAMBAY_CHECK((position_ + tokens.size() + kPageTokens - 1) / kPageTokens <= tables_[0].size(),
               fmt::format("position {} + {} rows", position_, tokens.size()));
  std::vector<SlotId> state_out(tokens.size(), kDiscard);
  state_out.back() = 0;
  SeqRows rows;
  rows.row_count = static_cast<int>(tokens.size());
  rows.position = position_;
  rows.state_in = position_ == 0 ? kZeroState : 0;
  rows.state_out = state_out;
  CacheMemory memory;
  memory.slots = state_.data();
  memory.slot_bytes = state_.bytes();
  for (size_t g = 0; g < pools_.size(); g++) {
    rows.pages[g] = tables_[g];
    memory.pages[g] = pools_[g].data();
  }
  model_->forward({tokens, {&rows, 1}, logit_rows}, memory, logits, probe);
  position_ += rows.row_count;
}

}  // namespace sambay
