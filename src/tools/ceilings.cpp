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
constexpr int kReadKinds = 2;    // in the kernel table
constexpr int kSampleParts = 4;  // a sample reads one part; the L3 has forgotten it when its turn comes again

}  // namespace

Spread spread_of(std::vector<double> values) {
  SAMBAY_CHECK(!values.empty(), "spread of nothing");
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  const double median = values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
  return {median, values.front(), values.back()};
}

Ceilings mean_of(const std::vector<Ceilings>& samples) {
  SAMBAY_CHECK(!samples.empty(), "mean of nothing");
  Ceilings mean;
  const auto count = static_cast<double>(samples.size());
  for (const Ceilings& c : samples) {
    mean.read_bytes += c.read_bytes / count;
    mean.int8 += c.int8 / count;
    mean.f32 += c.f32 / count;
  }
  return mean;
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

double CeilingProbe::read(int kind, const std::byte* data, int64_t bytes) {
  const auto* begin = reinterpret_cast<const uint8_t*>(data);
  const int64_t part = bytes / threads_ / kReadGrain * kReadGrain;
  std::atomic<uint64_t> used{0};  // what was read must matter
  const double seconds =
      time([&](int thread) { used ^= kernels_->read_memory[kind](begin + thread * part, part); });
  return static_cast<double>(part * threads_) / seconds;
}

double CeilingProbe::read_bytes_per_s() {
  double best = 0;
  for (int pass = 0; pass < kReadPasses; pass++)
    for (int kind = 0; kind < kReadKinds; kind++) {
      const double speed = read(kind, memory_.data(), memory_.bytes());
      if (speed > best) best = speed, best_read_ = kind;
    }
  return best;
}

double CeilingProbe::multiply(int64_t (*probe)(int64_t rounds), int64_t& rounds, int passes) {
  double best = 0;
  for (int pass = 0; pass < passes;) {
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

double CeilingProbe::int8_per_s() { return multiply(kernels_->multiply_int8, int8_rounds_, kMultiplyPasses); }
double CeilingProbe::f32_per_s() { return multiply(kernels_->multiply_f32, f32_rounds_, kMultiplyPasses); }

Ceilings CeilingProbe::sample() {
  if (best_read_ < 0) read_bytes_per_s();
  const int64_t bytes = memory_.bytes() / kSampleParts;
  const double read_speed = read(best_read_, memory_.data() + sampled_at_ * bytes, bytes);
  sampled_at_ = (sampled_at_ + 1) % kSampleParts;
  return {read_speed, multiply(kernels_->multiply_int8, int8_rounds_, 1),
          multiply(kernels_->multiply_f32, f32_rounds_, 1)};
}

}  // namespace sambay
