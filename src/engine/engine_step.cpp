// One step: which rows, the forward, what becomes of its results.
#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "engine/engine_loop.h"

namespace sambay {

/// The rows of the next forward. Embeddings have one of their own: all their rows go through all layers.
std::vector<EngineLoop::Part> EngineLoop::plan_step(bool embedding) {
  std::vector<Sequence*> active;
  for (const auto& s : running_)
    if (!s->finished && !s->is_parked() && s->request().embed == embedding) active.push_back(s.get());
  std::map<std::string, int> keys;
  std::vector<Runnable> runnables;
  // Every other sequence wants at most one row of logits.
  const int spare_logits = options_.max_sequences - static_cast<int>(active.size()) + 1;
  {
    const std::lock_guard lock(mutex_);
    for (const Sequence* s : active) {
      const std::string& key = s->request().key;
      Runnable r;
      r.prompt_left = s->prompt_left();
      if (s->request().prompt_logprobs) r.most_rows = spare_logits;
      r.priority = s->request().priority;
      r.key = keys.try_emplace(key, static_cast<int>(keys.size())).first->second;
      r.served = shares_.served(key);
      r.prompt_done = s->position;
      runnables.push_back(r);
    }
  }
  std::vector<Part> parts;
  bool spare_is_taken = false;
  for (const Slice& slice : schedule_rows(runnables, options_.chunk)) {
    Sequence* s = active[static_cast<size_t>(slice.sequence)];
    int rows = slice.rows;
    if (s->request().prompt_logprobs && s->prompt_left() > 0 && std::exchange(spare_is_taken, true)) rows = 1;
    parts.push_back({s, rows});
  }
  return parts;
}

CacheNeed EngineLoop::need_of(std::span<const Part> parts) {
  CacheNeed need;
  for (const Part& part : parts) {
    pools_->trim(part.sequence->cache, part.sequence->position);
    need += pools_->need_to_extend(part.sequence->cache, part.sequence->position + part.rows);
  }
  return need;
}

void EngineLoop::step() {
  for (const bool embedding : {false, true}) {
    std::vector<Part> parts = plan_step(embedding);
    while (!parts.empty() && !pools_->has(need_of(parts))) {
      if (!relieve(nullptr)) {
        finish(*parts.back().sequence, FinishReason::failed,
               Error{ErrorCode::out_of_memory, "no page is left for this sequence"});
      }
      parts = plan_step(embedding);
    }
    if (parts.empty()) continue;
    const Clock::time_point began = Clock::now();
    if (embedding)
      run_embedding(parts);
    else
      run_model(parts);
    count_step(parts, began);
  }
}

/// The part's tokens at the end of `tokens`, and which of its rows' logits are wanted.
SeqRows EngineLoop::lay_rows(Part& part, std::vector<TokenId>& tokens, std::vector<int>& logit_rows) {
  Sequence& s = *part.sequence;
  SeqRows r;
  r.first_row = static_cast<int>(tokens.size());
  r.row_count = part.rows;
  r.position = s.position;
  r.state_in = s.position == 0 ? kZeroState : s.cache.slot;
  part.state_out.assign(static_cast<size_t>(part.rows), kDiscard);
  part.state_out.back() = s.cache.slot;
  for (const auto& [length, slot] : part.kept)
    if (length < s.position + part.rows) part.state_out[static_cast<size_t>(length - s.position - 1)] = slot;
  r.state_out = part.state_out;
  pools_->extend(s.cache, s.position + part.rows);
  for (size_t g = 0; g < s.cache.pages.size(); g++) r.pages[g] = s.cache.pages[g];

  const int left = s.prompt_left();
  if (left > 0) {
    const auto from = s.job->prompt->begin() + s.position;
    tokens.insert(tokens.end(), from, from + part.rows);
  } else {
    tokens.push_back(s.generated.back());
  }
  const bool all = s.request().embed || (s.request().prompt_logprobs && left > 0);
  part.first_logit = static_cast<int>(logit_rows.size());
  if (all)
    for (int i = 0; i < part.rows; i++) logit_rows.push_back(r.first_row + i);
  else if (part.rows >= left)
    logit_rows.push_back(r.first_row + part.rows - 1);
  part.logit_count = static_cast<int>(logit_rows.size()) - part.first_logit;
  return r;
}

/// One forward over all parts, then one choice for each sequence that has read its prompt.
void EngineLoop::run_model(std::vector<Part> parts) {
  std::vector<TokenId> tokens;
  std::vector<SeqRows> rows;
  std::vector<int> logit_rows;
  rows.reserve(parts.size());
  for (Part& part : parts) {
    plan_snapshots(part);
    rows.push_back(lay_rows(part, tokens, logit_rows));
  }
  const Rows<float> logits(logits_.floats(), static_cast<int64_t>(logit_rows.size()), info_.vocab);
  model_->forward({tokens, rows, logit_rows}, pools_->memory(), logits);

  // First everybody's position and what is kept of it: later somebody may be parked.
  std::vector<bool> was_reading;
  for (Part& part : parts) {
    Sequence& s = *part.sequence;
    was_reading.push_back(s.prompt_left() > 0);
    s.position += part.rows;
    keep_snapshots(part, last_logits(part));
  }
  for (size_t i = 0; i < parts.size(); i++) {
    Sequence& s = *parts[i].sequence;
    if (was_reading[i] && s.request().prompt_logprobs) emit_prompt_logprobs(parts[i]);
    if (s.finished) continue;  // its logits are damaged
    if (!was_reading[i])
      choose(s, last_logits(parts[i]));
    else if (s.prompt_left() == 0)
      prompt_read(s, last_logits(parts[i]));
    else
      still_reading(s);
  }
}

void EngineLoop::still_reading(Sequence& s) {
  update_place(s);
  if (s.request().report_progress) publish(s, {});
}

Rows<const float> EngineLoop::logits_of(const Part& part) const {
  return {logits_.floats() + int64_t{part.first_logit} * info_.vocab, part.logit_count, info_.vocab};
}

/// Of its last token, if that is the prompt's last one or behind it.
std::span<const float> EngineLoop::last_logits(const Part& part) const {
  if (part.logit_count == 0 || part.sequence->prompt_left() > 0) return {};
  return {logits_of(part).row(part.logit_count - 1), static_cast<size_t>(info_.vocab)};
}

void EngineLoop::run_embedding(std::vector<Part> parts) {
  std::vector<TokenId> tokens;
  std::vector<SeqRows> rows;
  std::vector<int> wanted;
  for (Part& part : parts) rows.push_back(lay_rows(part, tokens, wanted));
  // Row by row in double: however the prompt was cut, the sum is the same.
  const Probe add_rows = [&](std::string_view name, int, Rows<const float> hidden) {
    if (name != "final_norm") return;
    for (const Part& part : parts) {
      std::vector<double>& sum = part.sequence->embedding_sum;
      sum.resize(static_cast<size_t>(hidden.cols), 0);
      for (int64_t i = part.first_logit; i < part.first_logit + part.logit_count; i++)
        for (int64_t c = 0; c < hidden.cols; c++)
          sum[static_cast<size_t>(c)] += static_cast<double>(hidden.row(i)[c]);
    }
  };
  model_->forward({tokens, rows, wanted}, pools_->memory(), {}, &add_rows);
  for (const Part& part : parts) {
    part.sequence->position += part.rows;
    if (part.sequence->prompt_left() == 0)
      end_embedding(*part.sequence);
    else
      still_reading(*part.sequence);
  }
}

/// The direction of the mean is that of the sum.
void EngineLoop::end_embedding(Sequence& s) {
  const std::vector<double>& sum = s.embedding_sum;
  const double length = std::sqrt(std::inner_product(sum.begin(), sum.end(), sum.begin(), 0.0));
  if (!std::isfinite(length) || length == 0)
    return finish(s, FinishReason::failed,
                  Error{ErrorCode::corrupt,
                        "the embedding is not a finite direction: the model's weights are damaged"});
  for (const double x : sum) s.embedding.push_back(static_cast<float>(x / length));
  finish(s, FinishReason::stop);
}

void EngineLoop::count_step(std::span<const Part> parts, Clock::time_point began) {
  const double seconds = std::chrono::duration<double>(Clock::now() - began).count();
  uint64_t rows = 0, prompt_rows = 0;
  {
    const std::lock_guard lock(mutex_);
    for (const Part& part : parts) {
      shares_.charge(part.sequence->request().key, static_cast<uint64_t>(part.rows));
      rows += static_cast<uint64_t>(part.rows);
      const bool was_reading = part.sequence->position <= part.sequence->prompt_size();
      if (was_reading) prompt_rows += static_cast<uint64_t>(part.rows);
    }
  }
  count([&](Stats& s) {
    s.steps++, s.step_rows += rows, s.computed_prompt_tokens += prompt_rows, s.step_seconds += seconds;
  });
}

}  // namespace sambay
