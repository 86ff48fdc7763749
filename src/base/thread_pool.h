// A fixed set of workers for the kernels.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <type_traits>

namespace sambay {

/// N threads, the caller being the first, each pinned to its own core. Nothing is allocated per call, and a
/// call returns when every part is done. Workers spin briefly between calls and then sleep. A part that its
/// worker has not begun when the caller is through with its own is done by the caller: on a machine that is
/// busy with other programs a call waits for no worker that the system has yet to schedule. One thread at a
/// time may call run(); calls do not nest.
class ThreadPool {
 public:
  /// thread_count >= 1. The calling thread becomes thread 0 of every run(). pin: give each thread (the caller
  /// too, when there is more than one) a core of its own, if the process may use as many.
  /// Throws std::system_error when the system refuses a thread; make_cpu_ops and main turn that into
  /// out_of_memory.
  explicit ThreadPool(int thread_count, bool pin = true);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int thread_count() const { return thread_count_; }

  /// Calls fn(part) once for each part in [0, thread_count), on as many threads as there are in time: part 0
  /// and whatever others left on the caller. Parts may not wait for one another.
  template <class F>
  void run(F&& fn) {
    using Fn = std::remove_reference_t<F>;
    run_erased([](void* f, int part) { (*static_cast<Fn*>(f))(part); },
               const_cast<void*>(static_cast<const void*>(&fn)));
  }

  /// Splits [0, count) into one contiguous range per thread, with borders at multiples of `grain`, and calls
  /// fn(first, last) for each non-empty range. The split depends on count, grain and thread_count only.
  template <class F>
  void parallel_for(int64_t count, int64_t grain, F&& fn) {
    if (count <= 0) return;
    const int64_t grains = (count + grain - 1) / grain;
    if (thread_count_ == 1 || grains == 1) return fn(int64_t{0}, count);
    run([&](int part) {
      const int64_t first = grains * part / thread_count_ * grain;
      const int64_t last = grains * (part + 1) / thread_count_ * grain;
      const int64_t clipped = last < count ? last : count;
      if (first < clipped) fn(first, clipped);
    });
  }

  /// The same work in more and smaller ranges, which threads take one after another, large ones first
  /// ("guided" in OpenMP's words): a core that others slow down takes fewer. Which thread gets what is not
  /// reproducible, so results must not depend on it.
  template <class F>
  void parallel_for_guided(int64_t count, int64_t grain, F&& fn) {
    if (count <= 0) return;
    if (thread_count_ == 1 || count <= grain) return fn(int64_t{0}, count);
    std::atomic<int64_t> next{0};
    run([&](int) {
      int64_t first = next.load(std::memory_order_relaxed);
      while (first < count) {
        const int64_t share = (count - first) / (2 * thread_count_) / grain * grain;
        const int64_t size = share > grain ? share : grain;
        const int64_t last = size < count - first ? first + size : count;
        if (!next.compare_exchange_weak(first, last, std::memory_order_relaxed)) continue;
        fn(first, last);
        first = next.load(std::memory_order_relaxed);
      }
    });
  }

 private:
  void run_erased(void (*fn)(void*, int), void* context);
  struct Shared;
  std::unique_ptr<Shared> shared_;
  int thread_count_;
};

/// Cores that this process may use, counting the hardware threads of one core once. At least 1.
int physical_core_count();

}  // namespace sambay
