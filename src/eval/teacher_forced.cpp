#include "eval/teacher_forced.h"

#include <algorithm>
#include <numeric>
#include <string_view>
#include <utility>

namespace sambay {

Result<TeacherForced> TeacherForced::open(std::shared_ptr<const Checkpoint> checkpoint, Ops& ops, DType kv,
                                          int positions) {
  TeacherForced out;
  out.checkpoint_ = std::move(checkpoint);
  SAMBAY_TRY(out.model_, load_model(*out.checkpoint_, ops, {kv, std::min(kRows, positions)}),
             "loading model");
  SAMBAY_TRY(SingleSequence sequence, SingleSequence::create(*out.model_, kv, positions, kRows), "caches");
  out.sequence_ = std::make_unique<SingleSequence>(std::move(sequence));
  out.logits_.resize(static_cast<size_t>(kRows) * static_cast<size_t>(out.vocab()));
  return out;
}

MemoryRequest TeacherForced::memory_request(DType kv, int positions, int threads) {
  MemoryRequest request;
  request.kv = kv;
  request.positions = positions;
  request.chunk = kRows;
  request.logit_rows = kRows;
  request.threads = threads;
  return request;
}

void add_model(MemoryPlan& plan, const MemoryPlan& other) {
  for (const MemoryItem& item : other.items)
    if (std::string_view(item.component) != "program") plan.items.push_back(item);
}

void TeacherForced::feed(std::span<const TokenId> tokens, int wanted) {
  std::vector<int> rows(static_cast<size_t>(wanted));
  std::iota(rows.begin(), rows.end(), static_cast<int>(tokens.size()) - wanted);
  sequence_->run(tokens, rows, {logits_.data(), wanted, vocab()});
}

}  // namespace sambay
