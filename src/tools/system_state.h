// What the system says of this process and of its company.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace sambay {

/// Bytes that are resident now; 0 where the system does not say.
int64_t resident_bytes();
/// What the system could still give without swapping; 0 where it does not say.
int64_t available_bytes();
/// The most that were so far.
int64_t peak_resident_bytes();
/// Anonymous memory of this process in 2 MiB pages.
int64_t huge_page_bytes();
/// As /proc/cpuinfo calls it; "" when it does not.
std::string cpu_name();

/// How much of the machine others used since it was made: 0 to 1 of all its cores. Shares of less than a
/// tenth of a second are coarse.
class OtherCpu {
 public:
  OtherCpu();
  double share() const;

 private:
  double others_, own_;  // seconds at the beginning
  std::chrono::steady_clock::time_point start_;
};

}  // namespace sambay
