#include "engine/engine_loop.h"

#include <fmt/core.h>

#include <algorithm>
#include <exception>
#include <future>
#include <new>
#include <system_error>
#include <utility>

namespace sambay {
namespace {

double milliseconds(Sequence::Clock::duration d) {
  return std::chrono::duration<double, std::milli>(d).count();
}

}  // namespace

EngineLoop::EngineLoop(const EngineOptions& options, std::unique_ptr<Checkpoint> checkpoint,
                       const MemoryPlan& plan, int max_context, std::vector<TokenId> stop_ids)
    : options_(options),
      plan_(plan),
      max_context_(max_context),
      checkpoint_(std::move(checkpoint)),
      stop_ids_(std::move(stop_ids)),
      scheduler_(options.chunk) {}

Result<std::unique_ptr<EngineLoop>> EngineLoop::start(const EngineOptions& options,
                                                      std::unique_ptr<Checkpoint> checkpoint,
                                                      const MemoryPlan& plan, int max_context,
                                                      std::vector<TokenId> stop_ids) {
  std::unique_ptr<EngineLoop> loop(
      new EngineLoop(options, std::move(checkpoint), plan, max_context, std::move(stop_ids)));
  std::promise<Result<void>> loaded;
  std::future<Result<void>> status = loaded.get_future();
  try {
    loop->thread_ = std::thread([&loaded, self = loop.get()] {
      Result<void> result = self->load_caught();
      const bool good = result.has_value();
      loaded.set_value(std::move(result));
      if (good) self->run();
    });
  } catch (const std::system_error& e) {
    return fail(ErrorCode::out_of_memory, fmt::format("cannot start a thread: {}", e.what()));
  }
  SAMBAY_TRY_VOID(status.get());
  return loop;
}

EngineLoop::~EngineLoop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_.notify_all();
  if (thread_.joinable()) thread_.join();
}

/// Nothing may leave the thread but a value.
Result<void> EngineLoop::load_caught() {
  try {
    return load();
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::out_of_memory, "out of memory while loading the model");
  } catch (const std::system_error& e) {
    return fail(ErrorCode::out_of_memory, fmt::format("cannot start a thread: {}", e.what()));
  } catch (const std::exception& e) {
    return fail(ErrorCode::internal, e.what());
  }
}

Result<void> EngineLoop::load() {
  SAMBAY_TRY(ops_, make_cpu_ops({options_.threads, options_.isa}), "starting");
  SAMBAY_TRY(model_, load_model(*checkpoint_, *ops_, {plan_.kv, plan_.step_rows}), "loading model");
  SAMBAY_TRY(CachePools pools, CachePools::create(plan_.caches), "caches");
  pools_.emplace(std::move(pools));
  const ModelInfo& m = model_->info();
  for (TokenId id : stop_ids_)
    if (id < 0 || id >= m.vocab)
      return fail(ErrorCode::corrupt, fmt::format("{}: stop token {} does not exist: the vocabulary has {}",
                                                  checkpoint_->name(), id, m.vocab));
  SAMBAY_TRY(logits_, Buffer::allocate(plan_.logit_bytes), "logits");
  const std::string_view ops_name = ops_->name();
  info_.model_name = checkpoint_->name();
  info_.architecture = m.architecture;
  info_.isa = std::string(ops_name.substr(ops_name.find('/') + 1));
  info_.vocab = m.vocab, info_.layers = m.layers, info_.max_context = max_context_,
  info_.threads = ops_->threads();
  info_.parameter_count = m.parameter_count, info_.weight_bytes = m.weight_bytes;
  info_.cache_bytes_per_sequence = pools_->bytes_per_sequence();
  return {};
}

Result<Generation> EngineLoop::submit(std::unique_ptr<Sequence> sequence) {
  Generation generation(sequence->shared);
  {
    const std::lock_guard lock(mutex_);
    if (died_) return fail(ErrorCode::internal, "the engine has stopped: " + died_->message);
    // Those that will be admitted at the next step do not wait.
    const int room = std::max(0, options_.max_sequences - running_count_) + options_.max_queue;
    if (static_cast<int>(waiting_.size()) >= room)
      return fail(ErrorCode::busy,
                  fmt::format("{} requests run and {} wait already", running_count_, waiting_.size()));
    waiting_.push_back(std::move(sequence));
  }
  work_.notify_one();
  return generation;
}

void EngineLoop::run() {
  std::optional<Error> error;
  try {
    while (wait_for_work()) {
      drop_cancelled();
      admit();
      if (!running_.empty()) step();
      remove_finished();
    }
  } catch (const std::bad_alloc&) {
    error = Error{ErrorCode::out_of_memory, "out of memory"};
  } catch (const std::exception& e) {
    error = Error{ErrorCode::internal, e.what()};
  }
  fail_everything(error.value_or(Error{ErrorCode::cancelled, "the engine was closed"}));
}

/// False when the loop is to end.
bool EngineLoop::wait_for_work() {
  std::unique_lock lock(mutex_);
  work_.wait(lock, [this] { return stopping_ || !waiting_.empty() || !running_.empty(); });
  return !stopping_;
}

void EngineLoop::drop_cancelled() {
  for (auto& sequence : running_)
    if (sequence->shared->cancelled) finish(*sequence, FinishReason::cancelled);
  remove_finished();
  const std::lock_guard lock(mutex_);
  std::erase_if(waiting_, [this](const std::unique_ptr<Sequence>& sequence) {
    if (!sequence->shared->cancelled) return false;
    finish(*sequence, FinishReason::cancelled);
    return true;
  });
}

void EngineLoop::admit() {
  const std::lock_guard lock(mutex_);
  while (!waiting_.empty() && static_cast<int>(running_.size()) < options_.max_sequences) {
    std::unique_ptr<Sequence> sequence = std::move(waiting_.front());
    if (!pools_->open(sequence->cache)) {
      waiting_.front() = std::move(sequence);
      break;
    }
    waiting_.pop_front();
    sequence->started = Sequence::Clock::now();
    running_.push_back(std::move(sequence));
    running_count_++;
  }
}

void EngineLoop::step() {
  std::vector<Runnable> runnables;
  for (const auto& sequence : running_) runnables.push_back({sequence->prompt_left()});
  run_model(scheduler_.next(runnables));
}

/// One forward over all slices, then one choice for each sequence that wanted logits.
void EngineLoop::run_model(const std::vector<Slice>& slices) {
  std::vector<TokenId> tokens;
  std::vector<SeqRows> rows;
  std::vector<int> logit_rows;
  std::vector<Sequence*> choosing;
  std::vector<std::vector<SlotId>> state_out(slices.size());
  for (size_t i = 0; i < slices.size(); i++) {
    Sequence& s = *running_[static_cast<size_t>(slices[i].sequence)];
    SeqRows r;
    r.first_row = static_cast<int>(tokens.size());
    r.row_count = slices[i].rows;
    r.position = s.position;
    r.state_in = s.position == 0 ? kZeroState : s.cache.slot;
    state_out[i].assign(static_cast<size_t>(r.row_count), kDiscard);
    state_out[i].back() = s.cache.slot;
    r.state_out = state_out[i];
    pools_->prepare(s.cache, s.position, r.row_count);
    for (size_t g = 0; g < s.cache.pages.size(); g++) r.pages[g] = s.cache.pages[g];
    if (s.prompt_left() > 0) {
      const auto from = s.request.prompt.begin() + s.position;
      tokens.insert(tokens.end(), from, from + r.row_count);
    } else {
      tokens.push_back(s.next);
    }
    s.position += r.row_count;
    if (s.prompt_left() == 0 && s.request.max_tokens != 0) {
      logit_rows.push_back(static_cast<int>(tokens.size()) - 1);
      choosing.push_back(&s);
    }
    rows.push_back(r);
  }
  const Rows<float> logits(logits_.floats(), static_cast<int64_t>(logit_rows.size()), info_.vocab);
  model_->forward({tokens, rows, logit_rows}, pools_->memory(), logits);
  for (size_t i = 0; i < choosing.size(); i++)
    choose(*choosing[i], {logits.row(static_cast<int64_t>(i)), static_cast<size_t>(info_.vocab)});
  for (const Slice& slice : slices) {
    Sequence& s = *running_[static_cast<size_t>(slice.sequence)];
    if (s.prompt_left() == 0 && s.request.max_tokens == 0) finish(s, FinishReason::length);
  }
}

void EngineLoop::choose(Sequence& s, std::span<float> logits) {
  const Result<TokenId> token = s.sampler.sample(logits, scratch_);
  if (!token) return finish(s, FinishReason::failed, token.error());
  s.sampler.accept(*token);
  s.next = *token;
  s.last_chosen = Sequence::Clock::now();
  if (s.chosen++ == 0) s.first_chosen = s.last_chosen;

  if (std::find(stop_ids_.begin(), stop_ids_.end(), *token) != stop_ids_.end()) {
    emit(s, {*token}, {}, {});
    return finish(s, FinishReason::stop);
  }
  std::string text, certain;
  if (s.detokenizer) s.detokenizer->push(*token, text);
  const bool stopped = s.stops.push(text, certain);
  emit(s, {*token}, certain, {});
  if (stopped) return finish(s, FinishReason::stop);
  const bool full = s.prompt_size() + s.chosen >= max_context_;
  if (full || s.chosen == s.request.max_tokens) finish(s, FinishReason::length);
}

void EngineLoop::emit(Sequence& s, std::vector<TokenId> tokens, std::string_view text,
                      std::optional<FinishReason> finish) {
  Event event;
  event.tokens = std::move(tokens);
  event.text = text;
  event.finish = finish;
  event.usage = usage_of(s);
  s.shared->publish(std::move(event));
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
  event.finish = reason;
  event.error = std::move(error);
  event.usage = usage_of(s);
  event.usage.context_full = reason == FinishReason::length && s.prompt_size() + s.chosen >= max_context_;
  if (pools_) pools_->close(s.cache);
  s.finished = true;
  if (s.started != Sequence::Clock::time_point()) running_count_--;
  // Last, so that who has read it finds the place free.
  s.shared->publish(std::move(event));
}

void EngineLoop::remove_finished() {
  std::erase_if(running_, [](const std::unique_ptr<Sequence>& sequence) { return sequence->finished; });
}

void EngineLoop::fail_everything(const Error& error) {
  const std::lock_guard lock(mutex_);
  died_ = error;
  const auto end = [&](Sequence& sequence) {
    if (sequence.finished) return;
    if (error.code == ErrorCode::cancelled) return finish(sequence, FinishReason::cancelled);
    // Memory may have run out: no text is assembled any more.
    sequence.shared->fail(0, error);
  };
  for (auto& sequence : running_) end(*sequence);
  running_.clear();
  for (auto& sequence : waiting_) end(*sequence);
  waiting_.clear();
}

Usage EngineLoop::usage_of(const Sequence& s) const {
  Usage usage;
  usage.prompt_tokens = s.prompt_size();
  usage.completion_tokens = s.chosen;
  usage.seed = s.seed;
  const bool started = s.started != Sequence::Clock::time_point();
  usage.queue_ms = milliseconds((started ? s.started : Sequence::Clock::now()) - s.submitted);
  if (s.chosen > 0) {
    usage.prompt_ms = milliseconds(s.first_chosen - s.started);
    usage.predicted_ms = milliseconds(s.last_chosen - s.first_chosen);
  } else if (started) {
    usage.prompt_ms = milliseconds(Sequence::Clock::now() - s.started);
  }
  usage.stop_string = s.stops.found();
  return usage;
}

}  // namespace sambay
