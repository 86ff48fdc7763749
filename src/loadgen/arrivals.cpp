#include "loadgen/arrivals.h"

#include <cmath>

namespace sambay {

uint64_t load_random(uint64_t seed, uint64_t index) {
  uint64_t x = seed * 0xd1342543de82ef95 + (index + 1) * 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

double PoissonArrivals::next() {
  // (0, 1]: the logarithm of 0 would be an arrival that never comes.
  const double uniform = (static_cast<double>(load_random(seed_, index_++) >> 11) + 1) * 0x1p-53;
  at_ += -std::log(uniform) / per_second_;
  return at_;
}

}  // namespace sambay
