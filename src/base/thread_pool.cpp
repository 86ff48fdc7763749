#include "base/thread_pool.h"

#include <pthread.h>
#include <sched.h>

#include <atomic>
#include <fstream>
#include <set>
#include <string>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace sambay {
namespace {

// Long enough to bridge the gap between two ops of a step, short enough not to burn a core while a server
// idles.
constexpr int kSpins = 20000;

void pause_briefly() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// What the process may use: as it was when first asked, since a pinned thread is allowed one core only, and
/// so is whatever it starts.
const cpu_set_t& allowed_set() {
  static const cpu_set_t kSet = [] {
    cpu_set_t set;
    CPU_ZERO(&set);
    sched_getaffinity(0, sizeof set, &set);
    return set;
  }();
  return kSet;
}

std::vector<int> allowed_cores() {
  std::vector<int> cores;
  for (int i = 0; i < CPU_SETSIZE; i++)
    if (CPU_ISSET(i, &allowed_set())) cores.push_back(i);
  return cores;
}

/// The allowed hardware threads, those that are the first of their physical core in front.
std::vector<int> cores_first(int* physical) {
  std::vector<int> first, rest;
  std::set<std::string> seen;
  for (int cpu : allowed_cores()) {
    std::ifstream file("/sys/devices/system/cpu/cpu" + std::to_string(cpu) +
                       "/topology/thread_siblings_list");
    std::string siblings;
    const bool known = static_cast<bool>(std::getline(file, siblings));
    (!known || seen.insert(siblings).second ? first : rest).push_back(cpu);
  }
  *physical = static_cast<int>(first.size());
  first.insert(first.end(), rest.begin(), rest.end());
  return first;
}

void run_this_thread_on(const cpu_set_t& set) {
  pthread_setaffinity_np(pthread_self(), sizeof set, &set);  // failing only costs speed
}
void pin_this_thread(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  run_this_thread_on(set);
}

}  // namespace

// A generation counter starts the workers, a second counter collects them. Both are waited for with a short
// spin and then a futex (std::atomic::wait). Whoever does a part claims it first.
struct ThreadPool::Shared {
  /// One worker's part: the last generation in which somebody took it.
  struct alignas(64) Claim {
    std::atomic<uint32_t> generation{0};
  };

  explicit Shared(int thread_count) : claims(static_cast<size_t>(thread_count)) {}

  alignas(64) std::atomic<uint32_t> generation{0};
  alignas(64) std::atomic<int> running{0};
  void (*fn)(void*, int) = nullptr;
  void* context = nullptr;
  std::atomic<bool> stop{false};
  std::vector<Claim> claims;
  std::vector<std::thread> workers;

  // A call ends when all its parts are done, so every claim stands at the generation before until it is
  // taken, and a worker that comes too late, even by several calls, finds another number and leaves fn alone.
  bool take(int part, uint32_t now) {
    uint32_t before = now - 1;
    return claims[static_cast<size_t>(part)].generation.compare_exchange_strong(
        before, now, std::memory_order_acq_rel, std::memory_order_relaxed);
  }

  // Here, not in ~ThreadPool: when the system refuses a thread, those that were made already must end too.
  ~Shared() {
    stop.store(true, std::memory_order_relaxed);
    generation.fetch_add(1, std::memory_order_release);
    generation.notify_all();
    for (std::thread& worker : workers) worker.join();
  }

  void work(int index) {
    for (uint32_t seen = 0;;) {
      uint32_t now = generation.load(std::memory_order_acquire);
      for (int i = 0; now == seen && i < kSpins; i++) {
        pause_briefly();
        now = generation.load(std::memory_order_acquire);
      }
      while (now == seen) {
        generation.wait(seen, std::memory_order_acquire);
        now = generation.load(std::memory_order_acquire);
      }
      seen = now;
      if (stop.load(std::memory_order_relaxed)) return;
      if (!take(index, now)) continue;
      fn(context, index);
      if (running.fetch_sub(1, std::memory_order_acq_rel) == 1) running.notify_one();
    }
  }
};

ThreadPool::ThreadPool(int thread_count, bool pin)
    : shared_(std::make_unique<Shared>(thread_count)), thread_count_(thread_count) {
  int physical = 0;
  const std::vector<int> cores = cores_first(&physical);
  const bool pinned = pin && thread_count > 1 && static_cast<size_t>(thread_count) <= cores.size();
  for (int i = 1; i < thread_count; i++)
    shared_->workers.emplace_back([shared = shared_.get(), i, pinned, core = pinned ? cores[i] : 0] {
      if (pinned)
        pin_this_thread(core);
      else
        run_this_thread_on(allowed_set());  // the caller may be pinned
      shared->work(i);
    });
  if (pinned) pin_this_thread(cores[0]);
}

ThreadPool::~ThreadPool() = default;

void ThreadPool::run_erased(void (*fn)(void*, int), void* context) {
  if (thread_count_ == 1) return fn(context, 0);
  shared_->fn = fn;
  shared_->context = context;
  shared_->running.store(thread_count_ - 1, std::memory_order_relaxed);
  const uint32_t now = shared_->generation.fetch_add(1, std::memory_order_release) + 1;
  shared_->generation.notify_all();
  fn(context, 0);
  for (int part = 1; part < thread_count_; part++)
    if (shared_->take(part, now)) {
      fn(context, part);
      shared_->running.fetch_sub(1, std::memory_order_relaxed);
    }
  int left = shared_->running.load(std::memory_order_acquire);
  for (int i = 0; left != 0 && i < kSpins; i++) {
    pause_briefly();
    left = shared_->running.load(std::memory_order_acquire);
  }
  while (left != 0) {
    shared_->running.wait(left, std::memory_order_acquire);
    left = shared_->running.load(std::memory_order_acquire);
  }
}

int physical_core_count() {
  int physical = 0;
  cores_first(&physical);
  return physical > 0 ? physical : 1;
}

}  // namespace sambay
