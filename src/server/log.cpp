#include "server/log.h"

#include <fmt/core.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <ctime>

#include "server/json_text.h"

namespace sambay::server {

namespace {
std::atomic<bool> g_enabled = true;
}

void set_log_enabled(bool enabled) { g_enabled = enabled; }

void log_line(std::string_view level, std::string_view event, std::initializer_list<LogField> fields) {
  if (!g_enabled) return;
  const auto now = std::chrono::system_clock::now();
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  const auto ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  OrderedJson line = {
      {"time", fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", parts.tm_year + 1900,
                           parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, ms)},
      {"level", level},
      {"event", event}};
  for (const auto& [name, value] : fields)
    std::visit([&, key = std::string(name)](const auto& v) { line[key] = v; }, value);
  const std::string text = dump(line) + "\n";
  // A log that cannot be written is no reason to stop serving.
  if (::write(STDERR_FILENO, text.data(), text.size()) < 0) return;
}

}  // namespace sambay::server
