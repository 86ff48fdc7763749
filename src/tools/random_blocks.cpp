#include "tools/random_blocks.h"

#include <algorithm>
#include <cstring>

namespace sambay {
namespace {

constexpr int64_t kRuns = 2048;  // a power of two; at most half a megabyte, so that the L2 keeps them
constexpr int64_t kShortestRun = 32;

}  // namespace

// SplitMix64 (Steele, Lea, Flood 2014).
uint64_t random_bits(uint64_t counter) {
  uint64_t z = counter * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

float random_uniform(uint64_t counter) {
  return static_cast<float>(static_cast<int32_t>(random_bits(counter) >> 32)) * 0x1p-31f;
}

RandomBlocks::RandomBlocks(DType type, float amplitude, ThreadPool& threads)
    : type_(type), run_elements_(std::max<int64_t>(dtype_info(type).block_elems, kShortestRun)) {
  run_bytes_ = dtype_bytes(type, run_elements_);
  pool_.resize(static_cast<size_t>(kRuns * run_bytes_));
  threads.parallel_for(kRuns, 1, [&](int64_t first, int64_t last) {
    std::vector<float> values(static_cast<size_t>(run_elements_));
    for (int64_t r = first; r < last; r++) {
      for (size_t i = 0; i < values.size(); i++)
        values[i] = amplitude * random_uniform(static_cast<uint64_t>(r * run_elements_) + i + 1);
      dtype_info(type).encode(values.data(), pool_.data() + r * run_bytes_, run_elements_);
    }
  });
}

void RandomBlocks::fill(std::byte* to, int64_t count, uint64_t seed, int64_t position) const {
  for (; count > 0; count -= run_elements_, to += run_bytes_, position++) {
    const auto run = static_cast<int64_t>(random_bits(seed + static_cast<uint64_t>(position)) % kRuns);
    const int64_t bytes = std::min(run_bytes_, dtype_bytes(type_, count));
    std::memcpy(to, pool_.data() + run * run_bytes_, static_cast<size_t>(bytes));
  }
}

}  // namespace sambay
