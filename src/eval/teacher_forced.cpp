#include "eval/teacher_forced.h"

#include <numeric>
#include <utility>

namespace sambay {

Result<TeacherForced> TeacherForced::open(std::shared_ptr<const Checkpoint> checkpoint, Ops& ops, DType kv,
                                          int positions) {
  TeacherForced out;
  out.checkpoint_ = std::move(checkpoint);
  SAMBAY_TRY(out.model_, load_model(*out.checkpoint_, ops, {kv}), "loading model");
  SAMBAY_TRY(SingleSequence sequence, SingleSequence::create(*out.model_, kv, positions, kRows), "caches");
  out.sequence_ = std::make_unique<SingleSequence>(std::move(sequence));
  out.logits_.resize(static_cast<size_t>(kRows) * static_cast<size_t>(out.vocab()));
  return out;
}

void TeacherForced::feed(std::span<const TokenId> tokens, int wanted) {
  std::vector<int> rows(static_cast<size_t>(wanted));
  std::iota(rows.begin(), rows.end(), static_cast<int>(tokens.size()) - wanted);
  sequence_->run(tokens, rows, {logits_.data(), wanted, vocab()});
}

}  // namespace sambay
