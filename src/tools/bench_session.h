// One number of threads and one type of KV cache of a `sambay bench`: the loaded model and its measurements.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <vector>

#include "base/thread_pool.h"
#include "formats/checkpoint.h"
#include "model/model.h"
#include "tools/bench.h"
#include "tools/bench_plan.h"
#include "tools/model_work.h"
#include "tools/sequence_set.h"
#include "tools/synthetic.h"
#include "tools/watched_ops.h"

namespace sambay {

/// What is measured: shapes that weights are made for, or an opened model.
struct BenchSubject {
  std::optional<SambaYConfig> synthetic;
  std::unique_ptr<Checkpoint> checkpoint;  ///< null when synthetic
  ModelFootprint footprint;
  /// Beside the model: the bandwidth probe, and while synthetic weights are placed one matrix twice.
  int64_t other_bytes = CeilingProbe::kBytes;

  static Result<BenchSubject> open(const BenchOptions& options);
};

class BenchSession {
 public:
  BenchSession(const BenchOptions& options, const BenchEvents& events, const BenchSubject& subject,
               int threads, DType kv)
      : o_(options), events_(events), subject_(subject), asked_threads_(threads), kv_(kv) {}

  /// Errors: those of loading; out_of_memory.
  Result<void> load();
  const BenchModel& model() const { return described_; }
  Result<BenchResult> measure(const BenchCase& c);

 private:
  struct Repetition {
    double seconds;     // without the looks at the ceilings in between
    Ceilings ceilings;  // mean of those looks, and of one before and one after
    std::vector<OpTime> profile;
  };

  Result<void> load_model_and_work();
  Result<void> prepare(const BenchCase& c);
  Result<void> read_prompt(const BenchCase& c);
  Result<void> decode_tokens(const BenchCase& c, int tokens);
  Result<void> warm_up(const BenchCase& c);
  Result<void> run_once(const BenchCase& c);
  Result<Repetition> repetition(const BenchCase& c);
  BenchResult summarize(const BenchCase& c, const std::vector<Repetition>& repetitions) const;
  Result<void> check_stop() const;
  void tell(const std::string& line) const;
  Rows<float> logits(int rows) { return {logits_.data(), rows, model_->info().vocab}; }

  const BenchOptions& o_;
  const BenchEvents& events_;
  const BenchSubject& subject_;
  const int asked_threads_;
  const DType kv_;
  int threads_ = 0;
  BenchModel described_;
  int64_t load_peak_ = 0;

  // In this order: the model goes before what it reads.
  std::unique_ptr<ThreadPool> pool_;  // of the probe and of what fills caches
  std::unique_ptr<SyntheticModel> synthetic_;
  std::unique_ptr<WatchedOps> ops_;
  std::unique_ptr<Model> model_;
  std::optional<ModelWork> work_;
  std::optional<CeilingProbe> probe_;
  std::optional<SequenceSet> sequences_;
  int batch_ = 0, room_ = 0, step_ = 0;  // of sequences_
  std::vector<TokenId> tokens_;
  std::vector<float> logits_;
};

}  // namespace sambay
