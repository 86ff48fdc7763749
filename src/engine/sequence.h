// One request while the engine has it.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/cache_pools.h"
#include "engine/stop_strings.h"
#include "sambay/sambay.h"
#include "sampling/sampler.h"

namespace sambay {

/// What the engine thread and the reader of a request share. Events of an answer are merged while nobody
/// reads, so the memory of unread answers is the answers.
struct Generation::Shared {
  explicit Shared(int answer_count = 1, std::function<void()> when_ready = {})
      : answers(static_cast<size_t>(answer_count)), unread(answer_count), on_ready(std::move(when_ready)) {
    for (int i = 0; i < answer_count; i++) answers[static_cast<size_t>(i)].pending.index = i;
  }

  struct Answer {
    Event pending;
    bool has_pending = false;
  };
  mutable std::mutex mutex;
  std::condition_variable ready;
  std::vector<Answer> answers;
  int unread;       // answers whose last event was not read yet
  int pending = 0;  // answers that have something to read
  size_t turn = 0;  // who is read next
  std::atomic<bool> cancelled = false;
  const std::function<void()> on_ready;

  /// From the engine thread.
  void publish(Event event);
  /// The last event of an answer, without allocating anything that is not small.
  void fail(int index, const Error& error);
  /// The next pending event. The mutex is held.
  std::optional<Event> take();

 private:
  void announce(Answer& answer, std::unique_lock<std::mutex> lock);
};

struct Sequence {
  using Clock = std::chrono::steady_clock;

  Sequence(Request r, uint64_t seed_used, const Tokenizer* tokenizer, std::span<const TokenId> stop_ids)
      : request(std::move(r)),
        seed(seed_used),
        sampler(request.sampling, seed_used, request.prompt,
                request.ignore_eos ? stop_ids : std::span<const TokenId>()),
        stops(request.stop) {
    if (tokenizer) detokenizer.emplace(*tokenizer);
  }

  int prompt_size() const { return static_cast<int>(request.prompt.size()); }
  int prompt_left() const { return std::max(0, prompt_size() - position); }

  Request request;
  uint64_t seed;
  std::shared_ptr<Generation::Shared> shared = std::make_shared<Generation::Shared>();
  Sampler sampler;
  StopStrings stops;
  std::optional<Detokenizer> detokenizer;

  SequenceCache cache;
  int position = 0;       // tokens processed: state and keys are those after this many
  TokenId next = 0;       // chosen, not yet processed
  int chosen = 0;         // tokens chosen so far
  bool finished = false;  // its last event is out
  Clock::time_point submitted = Clock::now(), started, first_chosen, last_chosen;
};

}  // namespace sambay
