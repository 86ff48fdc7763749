// From logits to events: the choice of a token, its text, the end of an answer.
#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/engine_loop.h"
#include "sampling/logprobs.h"

namespace sambay {
namespace {

double milliseconds(Clock::duration d) { return std::chrono::duration<double, std::milli>(d).count(); }

bool all_finite(std::span<const float> logits) {
  return std::all_of(logits.begin(), logits.end(), [](float x) { return std::isfinite(x); });
}

Error prompt_is_not_finite() {
  return {ErrorCode::corrupt, "a logit of the prompt is not finite: the model's weights are damaged"};
}

}  // namespace

/// The sequence has read its prompt; logits: of its last token.
void EngineLoop::prompt_read(Sequence& s, std::span<const float> logits) {
  if (s.request().max_tokens == 0) {
    if (!all_finite(logits)) return finish(s, FinishReason::failed, prompt_is_not_finite());
    return finish(s, FinishReason::length);
  }
  start_siblings(s);
  for (const auto& sibling : starting_)
    if (sibling->job == s.job && !sibling->finished) choose(*sibling, logits);
  choose(s, logits);
}

/// The other answers go on from a copy of this one's state and from the same pages. Those for which there is
/// no page begin parked.
void EngineLoop::start_siblings(Sequence& s) {
  for (auto& sibling : std::exchange(s.siblings, {})) {
    const CacheNeed need = pools_->need_to_fork(s.position);
    while (!pools_->has(need) && relieve(&s)) {
    }
    sibling->position = s.position;
    sibling->cached = s.cached, sibling->shared_tokens = s.shared_tokens;
    sibling->cache_result = s.cache_result;
    if (pools_->has(need))
      sibling->cache = pools_->fork(s.cache, s.position);
    else
      park(*sibling, s.cache);
    starting_.push_back(std::move(sibling));
  }
}

void EngineLoop::choose(Sequence& s, std::span<const float> logits) {
  row_.assign(logits.begin(), logits.end());  // the sampler changes them, and siblings share them
  const Result<TokenId> drawn = s.sampler.sample(row_, scratch_);
  if (!drawn) return finish(s, FinishReason::failed, drawn.error());
  const Tokenizer* tokenizer = s.job->tokenizer;
  const auto bytes_of = [&](TokenId id) { return tokenizer ? tokenizer->bytes(id) : std::string_view(); };
  const TokenId token = s.thinking.replace(*drawn, bytes_of(*drawn));
  s.thinking.accept(token, bytes_of(token));
  s.sampler.accept(token);
  s.last_chosen = Clock::now();
  if (s.generated.empty()) s.first_chosen = s.last_chosen;
  s.generated.push_back(token);
  count([](Stats& stats) { stats.generated_tokens++; });

  Event event;
  event.tokens = {token};
  if (s.request().top_logprobs >= 0)
    event.logprobs.push_back(log_probabilities(logits, token, s.request().top_logprobs));
  const bool is_end = std::find(stop_ids_.begin(), stop_ids_.end(), token) != stop_ids_.end();
  bool stopped = is_end;
  if (!is_end) {
    std::string text;
    if (s.detokenizer) s.detokenizer->push(token, text);
    stopped = s.stops.push(text, event.text);
  }
  publish(s, std::move(event));
  update_place(s);
  if (stopped) return finish(s, FinishReason::stop);
  if (s.chosen() >= s.max_tokens) finish(s, FinishReason::length);
}

/// Row i of the part's logits is about the token behind position `first + i`.
void EngineLoop::emit_prompt_logprobs(const Part& part) {
  Sequence& s = *part.sequence;
  const Rows<const float> logits = logits_of(part);
  Event event;
  const int first = s.position - part.rows;
  for (int i = 0; i < part.rows && first + i + 1 < s.prompt_size(); i++) {
    const std::span<const float> row(logits.row(i), static_cast<size_t>(logits.cols));
    if (!all_finite(row)) return finish(s, FinishReason::failed, prompt_is_not_finite());
    const TokenId token = (*s.job->prompt)[static_cast<size_t>(first + i + 1)];
    event.prompt_logprobs.push_back(log_probabilities(row, token, std::max(0, s.request().top_logprobs)));
  }
  publish(s, std::move(event));
}

/// Fills in what every event has.
void EngineLoop::publish(Sequence& s, Event event) {
  event.index = s.index;
  event.prompt_done = std::min(s.position, s.prompt_size());
  event.usage = usage_of(s);
  s.job->shared->publish(std::move(event));
}

/// The last event: text that was held back, the reason, the whole usage. Gives the caches back.
void EngineLoop::finish(Sequence& s, FinishReason reason, std::optional<Error> error) {
  Event event;
  if (s.stops.found().empty()) {
    std::string rest;
    if (s.detokenizer) s.detokenizer->finish(rest);
    if (s.stops.push(rest, event.text)) {
      if (reason == FinishReason::length) reason = FinishReason::stop;
    } else {
      s.stops.finish(event.text);
    }
  }
  give_back(s, reason, error && error->code == ErrorCode::corrupt);
  event.index = s.index;
  event.prompt_done = std::min(s.position, s.prompt_size());
  event.finish = reason;
  event.error = error;
  event.embedding = std::move(s.embedding);
  event.usage = usage_of(s);
  event.usage.context_full =
      reason == FinishReason::length && !s.request().embed && s.prompt_size() + s.chosen() >= max_context_;
  s.finished = true;
  // Last, so that who has read it finds the place free.
  s.job->shared->publish(std::move(event));
  for (auto& sibling : std::exchange(s.siblings, {})) finish(*sibling, reason, error);
}

/// Caches, place, and the key's part in the queue. What is damaged is not kept.
void EngineLoop::give_back(Sequence& s, FinishReason reason, bool is_damaged) {
  const bool has_started = s.started != Clock::time_point();
  if (has_started) {
    if (s.is_parked()) parked_count_--;
    s.parked.reset();
    if (is_damaged)
      for (const uint64_t id : s.kept) cache_->erase(id);  // who knows since when it was damaged
    else
      keep_end(s);
    pools_->close(s.cache);
    places_[static_cast<size_t>(s.place)].is_taken = false;
    s.finished = true;
    update_place(s);
    running_count_--;
  }
  if (--s.job->answers_left == 0) {
    const std::lock_guard lock(mutex_);
    shares_.leave(s.request().key);
  }
  count([&](Stats& stats) { stats.finished[static_cast<size_t>(reason)]++; });
}

Usage EngineLoop::usage_of(const Sequence& s) const {
  Usage usage;
  usage.prompt_tokens = s.prompt_size();
  usage.cached_tokens = s.cached;
  usage.cache = s.cache_result;
  usage.shared_tokens = s.shared_tokens;
  usage.completion_tokens = s.chosen();
  usage.reasoning_tokens = s.thinking.count();
  usage.thinking_cut = s.thinking.was_cut();
  usage.seed = s.seed;
  const bool started = s.started != Clock::time_point();
  if (started) usage.slot = s.place;
  usage.queue_ms = milliseconds((started ? s.started : Clock::now()) - s.job->submitted);
  if (s.chosen() > 0) {
    usage.prompt_ms = milliseconds(s.first_chosen - s.started);
    usage.predicted_ms = milliseconds(s.last_chosen - s.first_chosen);
  } else if (started) {
    usage.prompt_ms = milliseconds(Clock::now() - s.started);
  }
  usage.parked_ms = milliseconds(s.parked_time);
  usage.stop_string = s.stops.found();
  return usage;
}

}  // namespace sambay
