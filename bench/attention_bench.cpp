// Differential attention of the 3.8B model, one layer: 40 query heads of 64, 20 KV heads.
//
// Decode is bound by memory: beside its bytes/s stands what the same threads read of the same memory,
// measured alternately: medians, and the best. Prefill of a window layer is bound by arithmetic:
// multiply-adds/s. SAMBAY_ISA chooses the instruction set, SAMBAY_THREADS the threads.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/cpu/kernels.h"
#include "ops/ops.h"

namespace sambay {
namespace {

constexpr int kHeads = 40, kKvHeads = 20, kHeadDim = 64, kWindow = 512, kWidth = kHeads * kHeadDim;

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}
/// The value that `share` of them are below.
double quantile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  const auto at = values.begin() + static_cast<int64_t>(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

int thread_count() {
  const char* text = std::getenv("SAMBAY_THREADS");
  return text ? std::max(1, std::atoi(text)) : physical_core_count();
}

/// Caches of `sequences` sequences of `positions` positions, every value of them small but not zero.
struct Bench {
  KvLayout layout;
  std::unique_ptr<Ops> ops = *make_cpu_ops({thread_count(), "", true});
  Buffer pool;
  std::vector<std::vector<PageId>> pages;
  std::vector<SlotId> discard;
  std::vector<TokenId> tokens;
  std::vector<float> q, y, sub_norm = std::vector<float>(2 * kHeadDim, 1.0f);

  Bench(DType type, int window, int sequences, int positions, int rows)
      : layout({1, kKvHeads, kHeadDim, window, 2}, type),
        discard(static_cast<size_t>(rows), kDiscard),
        tokens(static_cast<size_t>(rows)),
        q(static_cast<size_t>(rows) * kWidth),
        y(q.size()) {
    const int count = (positions + kPageTokens - 1) / kPageTokens;
    pool = *Buffer::allocate(int64_t{count} * sequences * layout.page_bytes);
    std::vector<float> row(static_cast<size_t>(layout.row_elems));
    uint32_t random = 1;
    const auto next = [&random] {
      random = random * 1664525 + 1013904223;
      return static_cast<float>(random >> 8) * 0x1p-23f - 1.0f;
    };
    for (std::byte* to = pool.data(); to < pool.data() + pool.bytes(); to += layout.row_bytes) {
      if ((to - pool.data()) % layout.plane_bytes == 0)
        for (float& x : row) x = next();
      dtype_info(type).encode(row.data(), to, layout.row_elems);
    }
    for (float& x : q) x = next();
    for (int s = 0; s < sequences; s++) {
      pages.emplace_back();
      for (int p = 0; p < count; p++) pages.back().push_back(s * count + p);
    }
  }

  /// Seconds for rows that end the sequence.
  double attend(int sequence, int positions, int rows) {
    SeqRows seq;
    seq.row_count = rows, seq.position = positions - rows;
    seq.state_out = {discard.data(), static_cast<size_t>(rows)};
    seq.pages[0] = pages[static_cast<size_t>(sequence)];
    CacheMemory memory;
    memory.pages[0] = pool.data();
    const auto start = Clock::now();
    ops->diff_attention({{tokens.data(), static_cast<size_t>(rows)}, {&seq, 1}, {}}, memory, {&layout, 0, 0},
                        {0.5f, sub_norm.data(), 1e-5f, 0.5f}, {}, {q.data(), rows, kWidth},
                        {y.data(), rows, kWidth});
    return seconds_since(start);
  }
};

const CpuKernels& kernels() {
  static const CpuKernels* const selected = *select_kernels();
  return *selected;
}

/// Seconds to read memory once, each thread a part of its own.
double read_all(ThreadPool& threads, const std::byte* data, int64_t bytes) {
  constexpr int64_t kPiece = 4096;
  const auto start = Clock::now();
  threads.parallel_for(bytes / kPiece, 1, [&](int64_t first, int64_t last) {
    const auto* from = reinterpret_cast<const uint8_t*>(data) + first * kPiece;
    benchmark::DoNotOptimize(kernels().read_memory[0](from, (last - first) * kPiece));
  });
  return seconds_since(start);
}

/// Multiply-adds of floats that the threads could do.
double multiply_adds_per_second(ThreadPool& threads) {
  std::vector<double> rates;
  for (int i = 0; i < 9; i++) {
    std::vector<int64_t> done(static_cast<size_t>(threads.thread_count()));
    const auto start = Clock::now();
    threads.run([&](int thread) { done[static_cast<size_t>(thread)] = kernels().multiply_f32(100000); });
    rates.push_back(static_cast<double>(std::accumulate(done.begin(), done.end(), int64_t{0})) /
                    seconds_since(start));
  }
  return quantile(rates, 1);
}

DType type_of(const benchmark::State& state) { return state.range(0) == 8 ? DType::q8_0 : DType::f16; }

/// One row; caches larger than any of the CPU's take turns.
void BM_Decode(benchmark::State& state) {
  const int positions = static_cast<int>(state.range(1));
  const int sequences = std::max(2, (1 << 17) / positions);
  Bench bench(type_of(state), 0, sequences, positions, 1);
  ThreadPool threads(thread_count());
  const int64_t bytes = bench.pool.bytes() / sequences;
  std::vector<double> attention, probe;
  int turn = 0;
  for (auto _ : state) {
    // The probe reads another sequence's pages, so that neither finds what the other left in the cache.
    probe.push_back(read_all(threads, bench.pool.data() + (turn + sequences / 2) % sequences * bytes, bytes));
    attention.push_back(bench.attend(turn, positions, 1));
    state.SetIterationTime(attention.back());
    turn = (turn + 1) % sequences;
  }
  const auto rate = [&](const std::vector<double>& seconds, double share) {
    return static_cast<double>(bytes) / quantile(seconds, share) * 1e-9;
  };
  state.counters["GB/s"] = rate(attention, 0.5);
  state.counters["probe_GB/s"] = rate(probe, 0.5);
  state.counters["share"] = rate(attention, 0.5) / rate(probe, 0.5);
  // Where other programs use the cores, the undisturbed rounds say more.
  state.counters["best_GB/s"] = rate(attention, 0);
  state.counters["best_share"] = rate(attention, 0) / rate(probe, 0);
}
BENCHMARK(BM_Decode)
    ->ArgNames({"kv_bits", "context"})
    ->ArgsProduct({{16, 8}, {4096, 32768}})
    ->UseManualTime()
    ->Unit(benchmark::kMicrosecond);

/// One row whose cache stays in the CPU's: what is left is arithmetic.
void BM_DecodeCached(benchmark::State& state) {
  const int positions = static_cast<int>(state.range(1));
  Bench bench(type_of(state), 0, 1, positions, 1);
  std::vector<double> seconds;
  for (auto _ : state) {
    seconds.push_back(bench.attend(0, positions, 1));
    state.SetIterationTime(seconds.back());
  }
  const double products = static_cast<double>(positions) * kHeads * 3 * kHeadDim;
  ThreadPool threads(thread_count());
  state.counters["ns/position"] = quantile(seconds, 0.5) / positions * 1e9;
  state.counters["best_ns/position"] = quantile(seconds, 0.01) / positions * 1e9;
  state.counters["best_share"] = products / quantile(seconds, 0.01) / multiply_adds_per_second(threads);
}
BENCHMARK(BM_DecodeCached)
    ->ArgNames({"kv_bits", "context"})
    ->ArgsProduct({{16, 8}, {256, 1024}})
    ->UseManualTime()
    ->Unit(benchmark::kMicrosecond);

/// A chunk of a prompt in a window layer.
void BM_WindowPrefill(benchmark::State& state) {
  const int rows = static_cast<int>(state.range(1)), positions = 4096;
  Bench bench(type_of(state), kWindow, 1, positions, rows);
  std::vector<double> seconds;
  for (auto _ : state) {
    seconds.push_back(bench.attend(0, positions, rows));
    state.SetIterationTime(seconds.back());
  }
  // Per query and position: one key of head_dim, one value of twice that.
  const double products = static_cast<double>(rows) * kWindow * kHeads * 3 * kHeadDim;
  state.counters["us/row"] = quantile(seconds, 0.5) / rows * 1e6;
  state.counters["best_us/row"] = quantile(seconds, 0) / rows * 1e6;
  state.counters["G_multiply_adds/s"] = products / quantile(seconds, 0) * 1e-9;
  ThreadPool threads(thread_count());
  state.counters["best_share"] = products / quantile(seconds, 0) / multiply_adds_per_second(threads);
}
BENCHMARK(BM_WindowPrefill)
    ->ArgNames({"kv_bits", "rows"})
    ->ArgsProduct({{16, 8}, {1, 8, 64, 512}})
    ->UseManualTime()
    ->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace sambay
