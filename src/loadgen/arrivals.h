// Random numbers that are the same on every machine, and when requests of an open loop come.
#pragma once

#include <cstdint>

namespace sambay {

/// The index-th number of a stream (SplitMix64): any order, no state.
uint64_t load_random(uint64_t seed, uint64_t index);

/// A Poisson process: independent users, who come whether the server keeps up or not.
class PoissonArrivals {
 public:
  /// per_second > 0, on average.
  PoissonArrivals(double per_second, uint64_t seed) : per_second_(per_second), seed_(seed) {}
  /// Seconds from the beginning to the next arrival; never less than the one before.
  double next();

 private:
  double per_second_;
  uint64_t seed_, index_ = 0;
  double at_ = 0;
};

}  // namespace sambay
