#include "tools/system_state.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string_view>

namespace sambay {
namespace {

/// "Name:   123 kB" of a /proc file, in bytes; 0 when there is none.
int64_t kib_line(const char* path, std::string_view name) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);)
    if (line.starts_with(name)) {
      std::istringstream rest(line.substr(name.size()));
      int64_t kib = 0;
      rest >> kib;
      return kib * 1024;
    }
  return 0;
}

double own_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

/// Of all cores since the system began, what was not idle.
double busy_seconds() {
  std::ifstream file("/proc/stat");
  std::string cpu;
  double user = 0, nice = 0, system = 0, idle = 0, wait = 0, irq = 0, soft_irq = 0, steal = 0;
  file >> cpu >> user >> nice >> system >> idle >> wait >> irq >> soft_irq >> steal;
  return (user + nice + system + irq + soft_irq + steal) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

}  // namespace

int64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  int64_t all = 0, resident = 0;
  file >> all >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

int64_t available_bytes() { return kib_line("/proc/meminfo", "MemAvailable:"); }

int64_t peak_resident_bytes() { return kib_line("/proc/self/status", "VmHWM:"); }

int64_t huge_page_bytes() { return kib_line("/proc/self/smaps_rollup", "AnonHugePages:"); }

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name"))
      if (const size_t colon = line.find(": "); colon != std::string::npos) return line.substr(colon + 2);
  return {};
}

OtherCpu::OtherCpu()
    : others_(busy_seconds()), own_(own_seconds()), start_(std::chrono::steady_clock::now()) {}

double OtherCpu::share() const {
  const double elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  const double all = elapsed * static_cast<double>(::sysconf(_SC_NPROCESSORS_ONLN));
  const double others = (busy_seconds() - others_) - (own_seconds() - own_);
  return all > 0 ? std::clamp(others / all, 0.0, 1.0) : 0;
}

}  // namespace sambay
