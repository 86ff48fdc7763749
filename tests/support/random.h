// Reproducible random numbers for tests: the same on every machine and library.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

namespace sambay::test {

/// SplitMix64 (Steele, Lea, Flood 2014).
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  /// [0, 1)
  float uniform() { return static_cast<float>(next() >> 40) * 0x1p-24f; }
  int below(int n) { return static_cast<int>(next() % static_cast<uint64_t>(n)); }
  /// About normal, sum of 12 uniforms; bounded by 6.
  float normal() {
    float sum = -6;
    for (int i = 0; i < 12; i++) sum += uniform();
    return sum;
  }
  std::vector<float> normals(int64_t count, float scale = 1) {
    std::vector<float> values(static_cast<size_t>(count));
    for (float& v : values) v = normal() * scale;
    return values;
  }

 private:
  uint64_t state_;
};

}  // namespace sambay::test
