// The engine's thread: admits, schedules, runs the model, samples, emits.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "engine/cache_pools.h"
#include "engine/scheduler.h"
#include "engine/sequence.h"
#include "formats/checkpoint.h"
#include "model/memory_plan.h"
#include "model/model.h"
#include "ops/ops.h"
#include "sambay/sambay.h"

namespace sambay {

/// Owns everything that a step touches. Constructed, run and destroyed by any thread; the work is done on its
/// own.
class EngineLoop {
 public:
  /// Loads the model on the new thread (the thread pool pins the thread that makes it). Sequences bring their
  /// own view of the tokenizer, which must outlive the loop.
  static Result<std::unique_ptr<EngineLoop>> start(const EngineOptions& options,
                                                   std::unique_ptr<Checkpoint> checkpoint,
                                                   const MemoryPlan& plan, int max_context,
                                                   std::vector<TokenId> stop_ids);
  ~EngineLoop();

  /// Any thread. Errors: out_of_memory (queue full), internal (the loop has died).
  Result<Generation> submit(std::unique_ptr<Sequence> sequence);
  const EngineInfo& info() const { return info_; }
  std::span<const TokenId> stop_ids() const { return stop_ids_; }

 private:
  EngineLoop(const EngineOptions& options, std::unique_ptr<Checkpoint> checkpoint, const MemoryPlan& plan,
             int max_context, std::vector<TokenId> stop_ids);
  Result<void> load_caught();
  Result<void> load();
  void run();
  bool wait_for_work();
  void drop_cancelled();
  void admit();
  void step();
  void run_model(const std::vector<Slice>& slices);
  void choose(Sequence& sequence, std::span<float> logits);
  void emit(Sequence& sequence, std::vector<TokenId> tokens, std::string_view text,
            std::optional<FinishReason> finish);
  void finish(Sequence& sequence, FinishReason reason, std::optional<Error> error = {});
  void fail_everything(const Error& error);
  void remove_finished();
  Usage usage_of(const Sequence& sequence) const;

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
  Scheduler scheduler_;
  SamplerScratch scratch_;
  Buffer logits_;  // [max_sequences, vocab]
  std::vector<std::unique_ptr<Sequence>> running_;

  // Shared with submit().
  std::mutex mutex_;
  std::condition_variable work_;
  std::deque<std::unique_ptr<Sequence>> waiting_;
  std::atomic<int> running_count_ = 0;
  bool stopping_ = false;
  std::optional<Error> died_;
  std::thread thread_;
};

}  // namespace sambay
