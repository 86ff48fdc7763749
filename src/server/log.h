// One JSON object a line on standard error. Never the text of a prompt or an answer.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace sambay::server {

using LogValue = std::variant<std::string, int64_t, double, bool>;
using LogField = std::pair<std::string_view, LogValue>;

/// On unless said otherwise. Any thread.
void set_log_enabled(bool enabled);

/// {"time": RFC 3339, "level", "event", fields...}; a single write, so that lines of threads do not mix.
void log_line(std::string_view level, std::string_view event, std::initializer_list<LogField> fields);

}  // namespace sambay::server
