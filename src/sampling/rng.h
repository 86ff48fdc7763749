// A random generator that gives the same numbers on every machine and compiler.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace sambay {

/// xoshiro256** (Blackman and Vigna 2018), its state filled by splitmix64. A value: copying it forks the
/// sequence of numbers.
class Rng {
 public:
  explicit Rng(uint64_t seed) {
    for (uint64_t& word : state_) {
      seed += 0x9e3779b97f4a7c15u;
      uint64_t z = seed;
      z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
      z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
      word = z ^ (z >> 31);
    }
  }

  uint64_t next() {
    const uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }

  /// Uniform in [0, bound), without bias; bound >= 1. Fewer than two draws on average.
  uint64_t below(uint64_t bound) {
    const int shift = bound == 1 ? 63 : std::countl_zero(bound - 1);
    uint64_t value = next() >> shift;
    while (value >= bound) value = next() >> shift;
    return value;
  }

 private:
  std::array<uint64_t, 4> state_{};
};

}  // namespace sambay
