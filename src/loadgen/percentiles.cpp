#include "loadgen/percentiles.h"

#include <algorithm>
#include <numeric>

namespace sambay {

Percentiles percentiles_of(std::vector<double> values) {
  Percentiles p;
  p.count = values.size();
  if (values.empty()) return p;
  std::sort(values.begin(), values.end());
  // Whole numbers: 0.95 * 20 is a little more than 19 in binary.
  const auto rank = [&](size_t percent) { return values[(percent * values.size() + 99) / 100 - 1]; };
  p.mean = std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
  p.p50 = rank(50), p.p90 = rank(90), p.p95 = rank(95), p.p99 = rank(99), p.max = values.back();
  return p;
}

}  // namespace sambay
