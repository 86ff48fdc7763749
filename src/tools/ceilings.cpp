#include "tools/ceilings.h"

#include <fmt/core.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>

#include "base/check.h"

namespace sambay {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kPassSeconds = 0.003;  // of a multiplication probe: long beside the start of the threads
constexpr int kReadPasses = 2, kMultiplyPasses = 4;  // of which the best counts
constexpr int64_t kReadGrain = 4096;

}  // namespace

Spread spread_of(std::vector<double> values) {
  SAMBAY_CHECK(!values.empty(), "spread of nothing");
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  const double median = values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
  return {median, values.front(), values.back()};
}

Result<CeilingProbe> CeilingProbe::create(const CpuKernels& kernels, ThreadPool& pool, int threads,
                                          int64_t bytes, PageSize pages) {
  SAMBAY_CHECK(threads >= 1 && threads <= pool.thread_count(), fmt::format("{} threads", threads));
  CeilingProbe probe(kernels, pool, threads);
  SAMBAY_TRY(probe.memory_, Buffer::allocate(bytes), "memory for the bandwidth probe");
  if (pages == PageSize::small) ::madvise(probe.memory_.data(), static_cast<size_t>(bytes), MADV_NOHUGEPAGE);
  // Each thread touches a part, and values differ: a page of zeros could be shared.
  pool.parallel_for(bytes / kReadGrain, 64, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; i++)
      std::memset(probe.memory_.data() + i * kReadGrain, static_cast<int>(i % 251 + 1), kReadGrain);
  });
  return probe;
}

double CeilingProbe::time(const std::function<void(int thread)>& work) {
  std::atomic<int> ready{0};
  std::vector<Clock::time_point> begun(static_cast<size_t>(threads_)), done = begun;
  pool_->run([&](int thread) {
    if (thread >= threads_) return;
    ready++;
    while (ready.load(std::memory_order_acquire) < threads_) std::this_thread::yield();
    begun[static_cast<size_t>(thread)] = Clock::now();
    work(thread);
    done[static_cast<size_t>(thread)] = Clock::now();
  });
  const auto start = *std::min_element(begun.begin(), begun.end());
  return std::chrono::duration<double>(*std::max_element(done.begin(), done.end()) - start).count();
}

double CeilingProbe::read_bytes_per_s() {
  const auto* data = reinterpret_cast<const uint8_t*>(memory_.data());
  const int64_t part = memory_.bytes() / threads_ / kReadGrain * kReadGrain;
  std::atomic<uint64_t> used{0};  // what was read must matter
  double best = 0;
  for (int pass = 0; pass < kReadPasses; pass++)
    for (const auto read : kernels_->read_memory) {
      const double seconds = time([&](int thread) { used ^= read(data + thread * part, part); });
      best = std::max(best, static_cast<double>(part * threads_) / seconds);
    }
  return best;
}

double CeilingProbe::multiply(int64_t (*probe)(int64_t rounds), int64_t& rounds) {
  double best = 0;
  for (int pass = 0; pass < kMultiplyPasses;) {
    std::atomic<int64_t> done{0};
    const double seconds = time([&](int) { done += probe(rounds); });
    if (seconds < kPassSeconds && rounds < (int64_t{1} << 40)) {
      rounds *= 2;
      continue;
    }
    best = std::max(best, static_cast<double>(done.load()) / seconds);
    pass++;
  }
  return best;
}

double CeilingProbe::int8_per_s() { return multiply(kernels_->multiply_int8, int8_rounds_); }
double CeilingProbe::f32_per_s() { return multiply(kernels_->multiply_f32, f32_rounds_); }

}  // namespace sambay
