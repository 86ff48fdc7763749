// The loop's life: loading, the queue, admission, the end.
#include "engine/engine_loop.h"

#include <fmt/core.h>
#include <xxhash.h>

#include <algorithm>
#include <exception>
#include <filesystem>
#include <future>
#include <new>
#include <system_error>
#include <tuple>
#include <utility>

#include "base/running_hash.h"

namespace sambay {
namespace {

/// What tells one model file from another, without reading all of it: names, types and sizes of the tensors,
/// and how each begins.
uint64_t fingerprint(const Checkpoint& checkpoint) {
  constexpr size_t kBeginning = 256;
  RunningHash hash;
  for (const TensorView& tensor : checkpoint.tensors()) {
    hash.update(tensor.name.data(), tensor.name.size());
    const uint64_t type = static_cast<uint64_t>(tensor.type), bytes = tensor.bytes.size();
    hash.update(&type, sizeof type);
    hash.update(&bytes, sizeof bytes);
    hash.update(tensor.bytes.data(), std::min(tensor.bytes.size(), kBeginning));
  }
  return hash.digest();
}

Result<std::string> choose_spill_folder(const std::string& asked) {
  std::error_code error;
  const std::filesystem::path folder =
      asked.empty() ? std::filesystem::temp_directory_path(error) : std::filesystem::path(asked);
  if (!error && std::filesystem::is_directory(folder, error)) return folder.string();
  if (asked.empty()) return std::string("/tmp");
  return fail(ErrorCode::not_found, fmt::format("spill_folder: {}: no such folder", asked));
}

}  // namespace

EngineLoop::EngineLoop(const EngineOptions& options, std::unique_ptr<Checkpoint> checkpoint,
                       const MemoryPlan& plan, int max_context, std::vector<TokenId> stop_ids)
    : options_(options),
      plan_(plan),
      max_context_(max_context),
      checkpoint_(std::move(checkpoint)),
      stop_ids_(std::move(stop_ids)),
      places_(static_cast<size_t>(options.max_sequences)) {}

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
  shape_.model = fingerprint(*checkpoint_);  // before loading lets go of the file
  SAMBAY_TRY(spill_folder_, choose_spill_folder(options_.spill_folder), "starting");
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
  shape_.vocab = m.vocab, shape_.max_tokens = max_context_, shape_.plan = &pools_->plan();
  cache_.emplace(*pools_, options_.prefix_cache_bytes);
  cache_->spill_to(spill_folder_, options_.spill_bytes, shape_);

  const std::string_view ops_name = ops_->name();
  info_.model_name = checkpoint_->name();
  info_.architecture = m.architecture;
  info_.isa = std::string(ops_name.substr(ops_name.find('/') + 1));
  info_.vocab = m.vocab, info_.layers = m.layers, info_.hidden = m.hidden;
  info_.max_context = max_context_, info_.model_context = m.max_context;
  info_.max_sequences = options_.max_sequences, info_.max_queue = options_.max_queue;
  info_.threads = ops_->threads();
  info_.parameter_count = m.parameter_count, info_.weight_bytes = m.weight_bytes;
  info_.cache_bytes_per_sequence = pools_->bytes_per_sequence();
  info_.planned_bytes = plan_.total();
  info_.stop_ids = stop_ids_;
  for (int id = 0; id < options_.max_sequences; id++) {
    slots_.emplace_back();
    slots_.back().id = id;
  }
  update_gauges();
  return {};
}

uint64_t EngineLoop::owner_of(const std::string& key) const {
  return options_.share_prefix_cache ? 0 : XXH3_64bits(key.data(), key.size()) | 1;
}

Result<void> EngineLoop::submit(std::vector<std::shared_ptr<Job>> jobs) {
  {
    const std::lock_guard lock(mutex_);
    if (died_) return fail(ErrorCode::internal, "the engine has stopped: " + died_->message);
    // Those that will be admitted at the next step do not wait. A list may go beyond the queue's end: none
    // would ever get in that is longer than the whole queue.
    const auto room =
        static_cast<size_t>(std::max(0, options_.max_sequences - running_count_) + options_.max_queue);
    if (waiting_.size() >= room) {
      count([&](Stats& s) { s.refused += jobs.size(); });
      return fail(ErrorCode::busy, fmt::format("{} answers run and {} requests wait already",
                                               running_count_.load(), waiting_.size()));
    }
    count([&](Stats& s) { s.requests += jobs.size(); });
    for (auto& job : jobs) {
      job->owner = owner_of(job->request.key);
      shares_.enter(job->request.key);
      waiting_.push_back(std::move(job));
    }
  }
  work_.notify_one();
  return {};
}

Result<void> EngineLoop::health() const {
  const std::lock_guard lock(mutex_);
  if (died_) return tl::unexpected(*died_);
  return {};
}

void EngineLoop::run() {
  std::optional<Error> error;
  try {
    while (wait_for_work()) {
      run_commands();
      end_what_is_over();
      unpark();
      admit();
      step();
      remove_finished();
      update_gauges();
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
  work_.wait(lock,
             [this] { return stopping_ || !waiting_.empty() || !running_.empty() || !commands_.empty(); });
  return !stopping_;
}

Result<void> EngineLoop::on_engine_thread(const std::function<void()>& work) {
  std::promise<bool> done;
  {
    const std::lock_guard lock(mutex_);
    if (died_ || stopping_) return fail(ErrorCode::internal, "the engine has stopped");
    commands_.push_back([&](bool alive) {
      try {
        if (alive) work();
      } catch (...) {  // no memory: that ends the engine, and nobody may wait for it
        done.set_value(false);
        throw;
      }
      done.set_value(alive);
    });
  }
  work_.notify_one();
  if (!done.get_future().get()) return fail(ErrorCode::internal, "the engine has stopped");
  return {};
}

void EngineLoop::run_commands() {
  while (true) {
    std::function<void(bool)> command;
    {
      const std::lock_guard lock(mutex_);
      if (commands_.empty()) return;
      command = std::move(commands_.front());
      commands_.pop_front();
    }
    command(true);
  }
}

/// Cancelled requests, and those whose time is over.
void EngineLoop::end_what_is_over() {
  for (auto& sequence : running_) {
    if (sequence->job->shared->cancelled)
      finish(*sequence, FinishReason::cancelled);
    else if (sequence->job->is_over())
      finish(*sequence, FinishReason::deadline);
  }
  remove_finished();
  std::vector<std::shared_ptr<Job>> over;
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(waiting_, [&](const std::shared_ptr<Job>& job) {
      if (!job->shared->cancelled && !job->is_over()) return false;
      over.push_back(job);
      return true;
    });
  }
  for (const auto& job : over)  // without the lock: readers are told
    for (int i = 0; i < job->request.n; i++) {
      Sequence sequence(job, i, max_context_ - job->prompt_size(), stop_ids_);
      finish(sequence, job->shared->cancelled ? FinishReason::cancelled : FinishReason::deadline);
    }
}

void EngineLoop::admit() {
  while (const std::shared_ptr<Job> job = take_next()) start_job(job);
}

/// The waiting job whose turn it is, if there is room for it: nobody overtakes it.
std::shared_ptr<Job> EngineLoop::take_next() {
  const std::lock_guard lock(mutex_);
  if (waiting_.empty() || parked_count_ > 0 || running_count_ >= options_.max_sequences) return nullptr;
  std::vector<Waiting> waiting;
  waiting.reserve(waiting_.size());
  for (const auto& job : waiting_)
    waiting.push_back({job->request.priority, shares_.served(job->request.key)});
  const auto at = waiting_.begin() + next_to_start(waiting);
  const std::shared_ptr<Job> job = *at;
  if (running_count_ + job->request.n > options_.max_sequences || !fits(*job)) return nullptr;
  waiting_.erase(at);
  return job;
}

/// The one that was asked for; else the one that remembers most of this prompt, half of it at least; else one
/// that remembers nothing; else the one that was used longest ago.
int EngineLoop::free_place(const Job& job, int wanted) {
  if (wanted >= 0 && !places_[static_cast<size_t>(wanted)].is_taken) return wanted;
  const auto rank = [&](const Place& place) {
    const PrefixCache::Entry* entry = cache_->by_id(place.entry);
    int shared = 0;
    if (entry && entry->owner == job.owner)
      shared = std::min(common_length(*job.prompt, *entry->tokens), entry->length);
    return std::tuple(shared < (job.prompt_size() + 1) / 2 ? 0 : -shared, entry != nullptr, place.used);
  };
  int best = -1;
  std::tuple<int, bool, uint64_t> best_rank;
  for (int id = 0; id < options_.max_sequences; id++) {
    const Place& place = places_[static_cast<size_t>(id)];
    if (place.is_taken) continue;
    const auto its_rank = rank(place);
    if (best < 0 || its_rank < best_rank) best = id, best_rank = its_rank;
  }
  return best;
}

void EngineLoop::start_job(const std::shared_ptr<Job>& job) {
  job->order = next_order_++;
  const int room = max_context_ - job->prompt_size();
  std::unique_ptr<Sequence> first;
  for (int i = 0; i < job->request.n; i++) {
    auto sequence = std::make_unique<Sequence>(job, i, room, stop_ids_);
    sequence->started = Clock::now();
    sequence->place = free_place(*job, i == 0 ? job->request.slot : -1);
    places_[static_cast<size_t>(sequence->place)] = {true, 0, job->order};
    running_count_++;
    if (i == 0)
      first = std::move(sequence);
    else
      first->siblings.push_back(std::move(sequence));
  }
  running_.push_back(std::move(first));
  open_cache(*running_.back());
  for (auto& sibling : running_.back()->siblings) update_place(*sibling);
}

void EngineLoop::fail_everything(const Error& error) {
  std::deque<std::shared_ptr<Job>> waiting;
  std::deque<std::function<void(bool)>> commands;
  {
    const std::lock_guard lock(mutex_);
    died_ = error;
    waiting.swap(waiting_);
    commands.swap(commands_);
  }
  for (auto& command : commands) command(false);
  const bool closed = error.code == ErrorCode::cancelled;
  const auto fail_job = [&](const Job& job) {
    // Memory may have run out: no text is assembled any more.
    for (int i = 0; i < job.request.n; i++) job.shared->fail(i, error);
  };
  for (auto* sequences : {&running_, &starting_}) {
    for (auto& sequence : *sequences) {
      if (sequence->finished) continue;
      if (closed) {
        finish(*sequence, FinishReason::cancelled);
        continue;
      }
      sequence->job->shared->fail(sequence->index, error);
      for (auto& sibling : sequence->siblings) sibling->job->shared->fail(sibling->index, error);
    }
    sequences->clear();
  }
  for (const auto& job : waiting) {
    if (!closed) {
      fail_job(*job);
      continue;
    }
    for (int i = 0; i < job->request.n; i++) {
      Sequence sequence(job, i, max_context_ - job->prompt_size(), stop_ids_);
      finish(sequence, FinishReason::cancelled);
    }
  }
}

void EngineLoop::remove_finished() {
  for (auto& sequence : starting_) running_.push_back(std::move(sequence));
  starting_.clear();
  std::erase_if(running_, [](const std::unique_ptr<Sequence>& sequence) { return sequence->finished; });
}

}  // namespace sambay
