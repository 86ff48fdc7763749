#include "tools/watched_ops.h"

#include <fmt/core.h>

#include <algorithm>

namespace sambay {

void WatchedOps::start(std::function<void()> pause, double interval) {
  pause_ = std::move(pause);
  interval_ = interval;
  since_pause_ = paused_ = 0;
  sums_.clear();
}

template <class F>
void WatchedOps::watch(const Kind& kind, int64_t inputs, F&& op) {
  const auto begin = Clock::now();
  op();
  const auto end = Clock::now();
  const double seconds = std::chrono::duration<double>(end - begin).count();
  Sum& sum = sums_[kind];
  sum.calls++;
  sum.inputs += inputs;
  sum.seconds += seconds;
  since_pause_ += seconds;
  if (!pause_ || since_pause_ < interval_) return;
  pause_();
  since_pause_ = 0;
  paused_ += std::chrono::duration<double>(Clock::now() - end).count();
}

std::vector<OpTime> WatchedOps::times() const {
  std::vector<OpTime> times;
  for (const auto& [kind, sum] : sums_) {
    OpTime time{kind.op, sum.calls, sum.seconds};
    if (kind.rows > 0) {
      time.op += fmt::format(" {} {}x{}", dtype_info(kind.type).name, kind.cols, kind.rows);
      const PlacedBytes placed = cpu_placed_bytes(kind.type, kind.rows, kind.cols);
      time.weight_bytes = static_cast<double>(sum.calls * placed.bytes);
      time.is_int8 = placed.is_copy;
      time.multiply_adds = static_cast<double>(sum.inputs) * static_cast<double>(kind.cols * kind.rows);
    }
    times.push_back(std::move(time));
  }
  std::ranges::sort(times, std::greater{}, &OpTime::seconds);
  return times;
}

void WatchedOps::embed(const Weight& table, std::span<const TokenId> tokens, Rows<float> y) {
  watch({"embed", {}, 0, 0}, 0, [&] { ops_->embed(table, tokens, y); });
}
void WatchedOps::layer_norm(Rows<const float> x, const Norm& norm, Rows<float> y) {
  watch({"layer_norm", {}, 0, 0}, 0, [&] { ops_->layer_norm(x, norm, y); });
}
void WatchedOps::matmul(Rows<const float> x, const Linear& linear, Rows<float> y) {
  const Weight& w = linear.weight;
  watch({"matmul", w.type, w.cols, w.rows}, x.rows, [&] { ops_->matmul(x, linear, y); });
}
void WatchedOps::add(Rows<const float> y, Rows<float> x) {
  watch({"add", {}, 0, 0}, 0, [&] { ops_->add(y, x); });
}
void WatchedOps::silu_mul(Rows<const float> gate, Rows<const float> up, Rows<float> y) {
  watch({"silu_mul", {}, 0, 0}, 0, [&] { ops_->silu_mul(gate, up, y); });
}
void WatchedOps::gather_rows(Rows<const float> x, std::span<const int> rows, Rows<float> y) {
  watch({"gather_rows", {}, 0, 0}, 0, [&] { ops_->gather_rows(x, rows, y); });
}
void WatchedOps::conv1d(const Batch& batch, const CacheMemory& memory, const MambaState& state,
                        const ConvWeights& w, Rows<const float> x, Rows<float> u) {
  watch({"conv1d", {}, 0, 0}, 0, [&] { ops_->conv1d(batch, memory, state, w, x, u); });
}
void WatchedOps::selective_scan(const Batch& batch, const CacheMemory& memory, const MambaState& state,
                                const ScanWeights& w, Rows<const float> dt_raw, Rows<const float> u,
                                Rows<const float> b, Rows<const float> c, Rows<float> y) {
  watch({"selective_scan", {}, 0, 0}, 0,
        [&] { ops_->selective_scan(batch, memory, state, w, dt_raw, u, b, c, y); });
}
void WatchedOps::kv_append(const Batch& batch, const CacheMemory& memory, const KvLayer& kv,
                           Rows<const float> k, Rows<const float> v) {
  watch({"kv_append", {}, 0, 0}, 0, [&] { ops_->kv_append(batch, memory, kv, k, v); });
}
void WatchedOps::diff_attention(const Batch& batch, const CacheMemory& memory, const KvLayer& kv,
                                const DiffWeights& w, RowIndex rows, Rows<const float> q, Rows<float> y) {
  // Windows and the whole context are different work.
  const char* op = kv.layout->group.window > 0 ? "attention, window" : "attention, shared";
  watch({op, {}, 0, 0}, 0, [&] { ops_->diff_attention(batch, memory, kv, w, rows, q, y); });
}

}  // namespace sambay
