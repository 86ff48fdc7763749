// Ops that pass everything on to others and take the time of each: for profiles, and to look at the machine's
// ceilings in between.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ops/ops.h"

namespace sambay {

/// What one kind of op took, on one shape of weights: "matmul q4_0 2560x20480" (columns in and out),
/// "selective_scan".
struct OpTime {
  std::string op;
  int64_t calls = 0;
  double seconds = 0;
  double weight_bytes = 0, multiply_adds = 0;  ///< of matmul: read where the weights lie, and done
  bool is_int8 = false;                        ///< the multiply-adds are, as in model_work.h
};

/// One thread at a time, as Ops.
class WatchedOps final : public Ops {
 public:
  explicit WatchedOps(std::unique_ptr<Ops> ops) : ops_(std::move(ops)) {}

  /// From now on, times add up. `pause`, if there is one, is called between two ops every `interval` seconds
  /// of work; what it takes is counted by paused_seconds() and nowhere else.
  void start(std::function<void()> pause = {}, double interval = 0.1);
  /// Of the time since start(), what pauses took.
  double paused_seconds() const { return paused_; }
  /// Since start(), the longest first.
  std::vector<OpTime> times() const;

  std::string_view name() const override { return ops_->name(); }
  int threads() const override { return ops_->threads(); }
  Result<Weight> place(const Weight& stored) override { return ops_->place(stored); }
  void embed(const Weight& table, std::span<const TokenId> tokens, Rows<float> y) override;
  void layer_norm(Rows<const float> x, const Norm& norm, Rows<float> y) override;
  void matmul(Rows<const float> x, const Linear& linear, Rows<float> y) override;
  void add(Rows<const float> y, Rows<float> x) override;
  void silu_mul(Rows<const float> gate, Rows<const float> up, Rows<float> y) override;
  void gather_rows(Rows<const float> x, std::span<const int> rows, Rows<float> y) override;
  void conv1d(const Batch& batch, const CacheMemory& memory, const MambaState& state, const ConvWeights& w,
              Rows<const float> x, Rows<float> u) override;
  void selective_scan(const Batch& batch, const CacheMemory& memory, const MambaState& state,
                      const ScanWeights& w, Rows<const float> dt_raw, Rows<const float> u,
                      Rows<const float> b, Rows<const float> c, Rows<float> y) override;
  void kv_append(const Batch& batch, const CacheMemory& memory, const KvLayer& kv, Rows<const float> k,
                 Rows<const float> v) override;
  void diff_attention(const Batch& batch, const CacheMemory& memory, const KvLayer& kv, const DiffWeights& w,
                      RowIndex rows, Rows<const float> q, Rows<float> y) override;

 private:
  using Clock = std::chrono::steady_clock;
  /// Kinds are told apart by name and shape, so that nothing is formatted while the time runs.
  struct Kind {
    const char* op;
    DType type;
    int64_t cols, rows;
    auto operator<=>(const Kind&) const = default;
  };
  struct Sum {
    int64_t calls = 0, inputs = 0;
    double seconds = 0;
  };
  /// inputs: rows that a matrix is multiplied with.
  template <class F>
  void watch(const Kind& kind, int64_t inputs, F&& op);

  std::unique_ptr<Ops> ops_;
  std::function<void()> pause_;
  double interval_ = 0, since_pause_ = 0, paused_ = 0;
  std::map<Kind, Sum> sums_;
};

}  // namespace sambay
