// One request while the engine has it, and its answers.
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
#include "engine/state_file.h"
#include "engine/stop_strings.h"
#include "engine/thinking.h"
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

using Clock = std::chrono::steady_clock;

/// What the answers of a request have in common.
struct Job {
  Job(Request r, uint64_t seed_used, const Tokenizer* tokens_of)
      : prompt(std::make_shared<const std::vector<TokenId>>(std::move(r.prompt))),
        request(std::move(r)),
        seed(seed_used),
        tokenizer(tokens_of),
        shared(std::make_shared<Generation::Shared>(request.n, std::move(request.on_ready))) {
    request.on_ready = nullptr;
    if (request.deadline_ms > 0) deadline = submitted + std::chrono::milliseconds(request.deadline_ms);
  }

  int prompt_size() const { return static_cast<int>(prompt->size()); }
  bool is_over() const { return deadline && Clock::now() >= *deadline; }

  std::shared_ptr<const std::vector<TokenId>> prompt;
  Request request;  // without its prompt
  uint64_t seed;
  const Tokenizer* tokenizer;
  std::shared_ptr<Generation::Shared> shared;
  Clock::time_point submitted = Clock::now();
  std::optional<Clock::time_point> deadline;
  uint64_t owner = 0;  // of the cached prefixes that it may find
  uint64_t order = 0;  // in which jobs started
  int answers_left = request.n;
};

/// One answer. The first one of a job reads the prompt for all.
struct Sequence {
  /// room: tokens that the context has for an answer.
  Sequence(std::shared_ptr<Job> its_job, int answer, int room, std::span<const TokenId> stop_ids)
      : job(std::move(its_job)),
        index(answer),
        seed(job->seed + static_cast<uint64_t>(answer)),
        max_tokens(job->request.max_tokens < 0 ? room : std::min(job->request.max_tokens, room)),
        sampler(job->request.sampling, seed, *job->prompt,
                job->request.ignore_eos ? stop_ids : std::span<const TokenId>()),
        stops(job->request.stop),
        thinking(thinking_tokens(job->request.thinking_budget, max_tokens), job->request.starts_in_thinking,
                 job->request.thinking_close) {
    if (job->tokenizer) detokenizer.emplace(*job->tokenizer);
  }

  const Request& request() const { return job->request; }
  int prompt_size() const { return job->prompt_size(); }
  int prompt_left() const { return std::max(0, prompt_size() - position); }
  int chosen() const { return static_cast<int>(generated.size()); }
  bool is_parked() const { return parked.has_value(); }
  /// The tokens that its cache stands for.
  std::vector<TokenId> processed() const {
    std::vector<TokenId> tokens(job->prompt->begin(),
                                job->prompt->begin() + std::min(position, prompt_size()));
    if (position > prompt_size())
      tokens.insert(tokens.end(), generated.begin(), generated.begin() + (position - prompt_size()));
    return tokens;
  }

  std::shared_ptr<Job> job;
  int index;
  uint64_t seed;
  int max_tokens;  // chosen at most; the context's end counts
  Sampler sampler;
  StopStrings stops;
  Thinking thinking;
  std::optional<Detokenizer> detokenizer;
  std::vector<std::unique_ptr<Sequence>> siblings;  // the other answers, until the prompt is read

  int place = 0;  // SlotInfo::id
  SequenceCache cache;
  std::optional<SpilledState> parked;  // instead of the cache
  int position = 0;                    // tokens processed: state and keys are those after this many
  std::vector<TokenId> generated;      // the last one is not processed yet
  bool finished = false;               // its last event is out

  std::vector<int> snapshots;  // prompt lengths whose state is to be kept, ascending
  std::vector<uint64_t> kept;  // entries of the prefix cache that it left
  CacheResult cache_result = CacheResult::off;
  int cached = 0, shared_tokens = 0;

  std::vector<double> embedding_sum;  // [hidden]
  std::vector<float> embedding;       // for its last event
  Clock::time_point started, first_chosen, last_chosen, parked_at;
  Clock::duration parked_time{};
};

}  // namespace sambay
