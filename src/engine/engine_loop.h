// The engine's thread: admits, schedules, runs the model, samples, emits.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "engine/cache_pools.h"
#include "engine/prefix_cache.h"
#include "engine/scheduler.h"
#include "engine/sequence.h"
#include "formats/checkpoint.h"
#include "model/memory_plan.h"
#include "model/model.h"
#include "ops/ops.h"
#include "sambay/sambay.h"

namespace sambay {

/// Owns everything that a step touches. Constructed, run and destroyed by any thread; the work is done on its
/// own. engine_loop.cpp has its life and the queue, engine_step.cpp the forward, engine_answer.cpp what comes
/// out, engine_memory.cpp who may keep what, engine_slots.cpp what others ask about it.
class EngineLoop {
 public:
  /// Loads the model on the new thread (the thread pool pins the thread that makes it). Jobs bring their own
  /// view of the tokenizer, which must outlive the loop.
  static Result<std::unique_ptr<EngineLoop>> start(const EngineOptions& options,
                                                   std::unique_ptr<Checkpoint> checkpoint,
                                                   const MemoryPlan& plan, int max_context,
                                                   std::vector<TokenId> stop_ids);
  ~EngineLoop();

  // Any thread.
  /// All or none. Errors: busy (queue full), internal (the loop has died).
  Result<void> submit(std::vector<std::shared_ptr<Job>> jobs);
  const EngineInfo& info() const { return info_; }
  Result<void> health() const;
  Stats stats() const;
  std::vector<SlotInfo> slots() const;
  Result<SlotFile> save_slot(int id, const std::string& path, const std::string& key);
  Result<SlotFile> restore_slot(int id, const std::string& path, const std::string& key);
  Result<int> erase_slot(int id, const std::string& key);

 private:
  EngineLoop(const EngineOptions& options, std::unique_ptr<Checkpoint> checkpoint, const MemoryPlan& plan,
             int max_context, std::vector<TokenId> stop_ids);

  /// A sequence's part in a step.
  struct Part {
    Sequence* sequence;
    int rows;
    std::vector<SlotId> state_out = {};             // per row
    std::vector<std::pair<int, SlotId>> kept = {};  // prompt lengths, and where the state goes
    int first_logit = -1, logit_count = 0;          // rows of the logits, if it wants any
  };
  /// Where a sequence runs, and what the last one left.
  struct Place {
    bool is_taken = false;
    uint64_t entry = 0;  // of the prefix cache
    uint64_t used = 0;   // when its last job started
  };

  // engine_loop.cpp
  Result<void> load_caught();
  Result<void> load();
  void run();
  bool wait_for_work();
  void run_commands();
  void end_what_is_over();
  void admit();
  std::shared_ptr<Job> take_next();
  void start_job(const std::shared_ptr<Job>& job);
  int free_place(const Job& job, int wanted);
  void fail_everything(const Error& error);
  void remove_finished();
  /// Runs on the engine thread, between steps.
  Result<void> on_engine_thread(const std::function<void()>& work);

  // engine_step.cpp
  void step();
  std::vector<Part> plan_step(bool embedding);
  CacheNeed need_of(std::span<const Part> parts);
  void run_model(std::vector<Part> parts);
  SeqRows lay_rows(Part& part, std::vector<TokenId>& tokens, std::vector<int>& logit_rows);
  Rows<const float> logits_of(const Part& part) const;
  std::span<const float> last_logits(const Part& part) const;
  void run_embedding(std::vector<Part> parts);
  void still_reading(Sequence& sequence);
  void end_embedding(Sequence& sequence);
  void count_step(std::span<const Part> parts, Clock::time_point began);

  // engine_answer.cpp
  void prompt_read(Sequence& sequence, std::span<const float> logits);
  void start_siblings(Sequence& sequence);
  void choose(Sequence& sequence, std::span<const float> logits);
  void emit_prompt_logprobs(const Part& part);
  void publish(Sequence& sequence, Event event);
  void finish(Sequence& sequence, FinishReason reason, std::optional<Error> error = {});
  void give_back(Sequence& sequence, FinishReason reason, bool is_damaged);
  Usage usage_of(const Sequence& sequence) const;

  // engine_memory.cpp
  bool fits(const Job& job);
  bool is_looked_up(const Request& request) const;
  bool has_room_for(const CacheNeed& need) const;
  bool make_room(const CacheNeed& need, const PrefixCache::Entry* keep = nullptr);
  bool relieve(const Sequence* spare);
  bool park_youngest(const Sequence* spare);
  void park(Sequence& sequence, const SequenceCache& cache);
  void unpark();
  void load_parked(Sequence& sequence);
  void open_cache(Sequence& sequence);
  std::vector<float> look_up(Sequence& sequence);
  CacheResult continue_from(Sequence& sequence, PrefixCache::Entry& entry, std::vector<float>& logits);
  void plan_snapshots(Part& part);
  void keep_snapshots(Part& part, std::span<const float> last_logits);
  void keep_end(Sequence& sequence);

  // engine_slots.cpp
  template <class F>
  void count(F&& change) {
    const std::lock_guard lock(figures_mutex_);
    change(stats_);
  }
  void update_gauges();
  void update_place(const Sequence& sequence);
  PrefixCache::Entry* remembered(int id, const std::string& key);
  Result<SlotFile> save_place(int id, const std::string& path, const std::string& key);
  Result<SlotFile> restore_place(int id, const std::string& path, const std::string& key);
  Result<void> check_place(int id) const;

  uint64_t owner_of(const std::string& key) const;

  const EngineOptions options_;
  const MemoryPlan plan_;  // what is allocated
  const int max_context_;
  std::unique_ptr<Checkpoint> checkpoint_;
  const std::vector<TokenId> stop_ids_;
  EngineInfo info_;

  // Of the engine thread.
  std::unique_ptr<Ops> ops_;
  std::unique_ptr<Model> model_;
  std::optional<CachePools> pools_;
  std::optional<PrefixCache> cache_;
  StateShape shape_;
  std::string spill_folder_;
  SamplerScratch scratch_;
  std::vector<float> row_;                           // [vocab], a copy that the sampler may change
  Buffer logits_;                                    // [max_sequences, vocab]
  std::vector<std::unique_ptr<Sequence>> running_;   // parked ones among them
  std::vector<std::unique_ptr<Sequence>> starting_;  // siblings that run from the next step on
  std::vector<Place> places_;
  int parked_count_ = 0;
  uint64_t next_order_ = 1;

  // Shared with other threads.
  mutable std::mutex mutex_;
  std::condition_variable work_;
  std::deque<std::shared_ptr<Job>> waiting_;
  std::deque<std::function<void(bool alive)>> commands_;
  KeyShares shares_;
  std::atomic<int> running_count_ = 0;  // places taken
  bool stopping_ = false;
  std::optional<Error> died_;
  mutable std::mutex figures_mutex_;  // the innermost one
  Stats stats_;
  std::vector<SlotInfo> slots_;
  std::thread thread_;
};

}  // namespace sambay
