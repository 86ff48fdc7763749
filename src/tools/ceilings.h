// What this machine could do at most: memory read, int8 and f32 multiply-adds, with pinned threads.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/cpu/kernel_table.h"
#include "sambay/error.h"
#include "tensor/tensor.h"

namespace sambay {

/// A pool of one thread leaves that where it is; one of so many pins it, the others asleep.
inline constexpr int kThreadsToPin = 2;

/// Per second, all threads together.
struct Ceilings {
  double read_bytes = 0;
  double int8 = 0, f32 = 0;  ///< multiply-adds
};

/// The mean of at least one.
Ceilings mean_of(const std::vector<Ceilings>& samples);

/// The smallest, the middle and the largest of several measurements.
struct Spread {
  double median = 0, min = 0, max = 0;
};
/// Of at least one value.
Spread spread_of(std::vector<double> values);

enum class PageSize { small, huge };

/// Measures one instruction set's ceilings again and again. One thread at a time.
class CeilingProbe {
 public:
  /// Memory that is read, well beyond any cache.
  static constexpr int64_t kBytes = int64_t{256} << 20;

  /// threads: how many of the pool's work. `bytes` of memory are made and touched. Errors: out_of_memory.
  static Result<CeilingProbe> create(const CpuKernels& kernels, ThreadPool& pool, int threads,
                                     int64_t bytes = kBytes, PageSize pages = PageSize::huge);

  /// The best of a few passes, some 20 ms each.
  double read_bytes_per_s();
  double int8_per_s();
  double f32_per_s();
  /// What the machine could do just now: one pass of each, some 10 ms together. Neighbours on the same
  /// processor come and go within milliseconds, so what a run is held against are many of these taken in its
  /// course, not the best of a few.
  Ceilings sample();
  int64_t bytes() const { return memory_.bytes(); }
  const char* int8_instructions() const { return kernels_->int8_instructions; }

 private:
  CeilingProbe(const CpuKernels& kernels, ThreadPool& pool, int threads)
      : kernels_(&kernels), pool_(&pool), threads_(threads) {}
  /// Seconds from the moment when all threads are ready until the last is done.
  double time(const std::function<void(int thread)>& work);
  double multiply(int64_t (*probe)(int64_t rounds), int64_t& rounds, int passes);
  double read(int kind, const std::byte* data, int64_t bytes);

  const CpuKernels* kernels_;
  ThreadPool* pool_;
  int threads_;
  Buffer memory_;
  int best_read_ = -1;                                    // of the kernels' two; -1: not known yet
  int64_t sampled_at_ = 0;                                // where the next sample reads
  int64_t int8_rounds_ = 1 << 16, f32_rounds_ = 1 << 16;  // of one pass; grow until it takes long enough
};

// ---- sambay bench limits ----

struct LimitsOptions {
  int threads = 0;  ///< beside one; 0: one per physical core
  int repetitions = 5;
};

struct Limit {
  std::string what;    ///< "memory_read", "int8", "f32"
  std::string detail;  ///< "4 KiB pages", "vpdpbusd", ...
  std::string isa;
  std::string unit;  ///< "bytes/s", "multiply-adds/s"
  int threads = 0;
  Spread per_s;
};

struct LimitsReport {
  std::string cpu;
  int cores = 0;                ///< physical ones that the process may use
  bool has_huge_pages = false;  ///< the system gave 2 MiB pages where they were asked for
  double other_cpu = 0;         ///< what others took meanwhile, of all cores
  std::vector<Limit> limits;
};

/// Every instruction set that this CPU has, with one thread and with all. Errors: invalid_argument,
/// out_of_memory, cancelled.
Result<LimitsReport> measure_limits(const LimitsOptions& options,
                                    const std::function<void(const std::string&)>& progress,
                                    const std::function<bool()>& stop);
std::string format_limits(const LimitsReport& report);
/// One JSON object, in one line.
std::string limits_json(const LimitsReport& report);

}  // namespace sambay
