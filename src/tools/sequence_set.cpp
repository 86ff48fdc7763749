#include "tools/sequence_set.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/check.h"

namespace sambay {
namespace {

constexpr float kKvAmplitude = 1.0f, kStateAmplitude = 0.1f;

}  // namespace

SequenceSet::SequenceSet(Model& model, const CachePlan& plan, ThreadPool& pool)
    : model_(&model), pool_(&pool), plan_(plan), filled_(plan.groups.size(), 0) {}

Result<SequenceSet> SequenceSet::create(Model& model, const CachePlan& plan, ThreadPool& pool) {
  SequenceSet set(model, plan, pool);
  SAMBAY_TRY(set.state_, Buffer::allocate(plan.state_bytes()), "recurrent state");
  float* floats = set.state_.floats();
  pool.parallel_for(plan.state_bytes() / 4, 1024, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; i++)
      floats[i] = kStateAmplitude * random_uniform(static_cast<uint64_t>(i) + 1);
  });
  set.random_.emplace_back(plan.groups[0].layout.type, kKvAmplitude, pool);
  for (size_t g = 0; g < plan.groups.size(); g++) {
    SAMBAY_TRY(Buffer pages, Buffer::allocate(plan.group_bytes(g)), "KV pages");
    set.pages_.push_back(std::move(pages));
    const int own = plan.groups[g].pages;  // a window group reuses a ring of them
    for (int s = 0; s < plan.sequences; s++) {
      std::vector<PageId>& table = set.tables_.emplace_back();
      for (int i = 0; i < plan.context_pages; i++) table.push_back(s * own + i % own);
    }
  }
  for (int s = 0; s < plan.sequences; s++) {
    set.slots_.push_back(s);
    set.all_rows_.push_back(s);
  }
  return set;
}

void SequenceSet::fill_pages(size_t group, int positions) {
  const CachePlan::Group& g = plan_.groups[group];
  const int wanted = std::min((positions + kPageTokens - 1) / kPageTokens, g.pages);
  const int first = filled_[group], fresh = wanted - first;
  if (fresh <= 0) return;
  const DTypeInfo& type = dtype_info(g.layout.type);
  const int64_t page_bytes = g.layout.page_bytes;
  const int64_t elements = page_bytes / type.block_bytes * type.block_elems;
  const int64_t runs = elements / random_[0].run_elements() + 1;
  pool_->parallel_for(int64_t{fresh} * plan_.sequences, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      const int64_t page = i / fresh * g.pages + first + i % fresh;
      random_[0].fill(pages_[group].data() + page * page_bytes, elements, group + 1, page * runs);
    }
  });
  filled_[group] = wanted;
}

void SequenceSet::start_at(int position, int rows) {
  SAMBAY_CHECK((position + rows + kPageTokens - 1) / kPageTokens <= plan_.context_pages,
               fmt::format("position {} + {} rows", position, rows));
  for (size_t g = 0; g < plan_.groups.size(); g++) fill_pages(g, position + rows);
  position_ = position;
}

void SequenceSet::decode(std::span<const TokenId> tokens, Rows<float> logits) {
  run(tokens, 1, all_rows_, logits);
}

void SequenceSet::prefill(std::span<const TokenId> tokens, Rows<float> logits) {
  const int last = static_cast<int>(tokens.size()) - 1;
  run(tokens, static_cast<int>(tokens.size()), std::span(&last, logits.rows > 0 ? 1 : 0), logits);
}

void SequenceSet::run(std::span<const TokenId> tokens, int rows_each, std::span<const int> logit_rows,
                      Rows<float> logits) {
  const size_t count = tokens.size() / static_cast<size_t>(rows_each);
  state_out_.assign(tokens.size(), kDiscard);
  std::vector<SeqRows> sequences(count);
  for (size_t s = 0; s < count; s++) {
    SeqRows& rows = sequences[s];
    rows.first_row = static_cast<int>(s) * rows_each;
    rows.row_count = rows_each;
    rows.position = position_;
    rows.state_in = position_ == 0 ? kZeroState : slots_[s];
    state_out_[s * static_cast<size_t>(rows_each) + static_cast<size_t>(rows_each) - 1] = slots_[s];
    rows.state_out =
        std::span(state_out_).subspan(s * static_cast<size_t>(rows_each), static_cast<size_t>(rows_each));
    for (size_t g = 0; g < plan_.groups.size(); g++)
      rows.pages[g] = tables_[g * static_cast<size_t>(plan_.sequences) + s];
  }
  CacheMemory memory;
  memory.slots = state_.data();
  memory.slot_bytes = plan_.slot_bytes;
  for (size_t g = 0; g < pages_.size(); g++) memory.pages[g] = pages_[g].data();
  model_->forward({tokens, sequences, logit_rows}, memory, logits);
  position_ += rows_each;
}

}  // namespace sambay
