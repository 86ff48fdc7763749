// What many measured times are reported as.
#pragma once

#include <cstddef>
#include <vector>

namespace sambay {

/// Percentiles by nearest rank: the least of the values that at least so many percent of all are not above,
/// so that each is a time that was measured.
struct Percentiles {
  size_t count = 0;
  double mean = 0, p50 = 0, p90 = 0, p95 = 0, p99 = 0, max = 0;  ///< all 0 when count is
};
Percentiles percentiles_of(std::vector<double> values);

}  // namespace sambay
