// Random values in any element type, as fast as memory takes them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/thread_pool.h"
#include "tensor/dtype.h"

namespace sambay {

/// Some thousand blocks, encoded once, from which any number is drawn by a hash of where they go. So the same
/// bytes come out whatever the number of threads. fill() is thread-safe.
class RandomBlocks {
 public:
  /// Values are uniform in [-amplitude, amplitude). A run is what lies together: at least 32 values.
  RandomBlocks(DType type, float amplitude, ThreadPool& threads);

  /// `count` values, a multiple of the type's block. `seed` and `position` (in runs) say which.
  void fill(std::byte* to, int64_t count, uint64_t seed, int64_t position) const;
  /// Values in a run.
  int64_t run_elements() const { return run_elements_; }

 private:
  DType type_;
  int64_t run_elements_, run_bytes_;
  std::vector<std::byte> pool_;
};

/// Random bits from a counter, so that any part can be made by any thread.
uint64_t random_bits(uint64_t counter);
/// Uniform in [-1, 1).
float random_uniform(uint64_t counter);

}  // namespace sambay
