#include "base/byte_size.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/printable.h"

namespace sambay {
namespace {

constexpr double kLimit = 0x1p60;
constexpr std::string_view kPrefixes = "kmgt";

/// What a unit multiplies by; 0 when there is no such unit.
double factor(std::string_view unit) {
  std::string low;
  for (const char c : unit) low += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  if (low.empty() || low == "b") return 1;
  const size_t power = kPrefixes.find(low[0]);
  if (power == std::string_view::npos) return 0;
  const std::string_view rest = std::string_view(low).substr(1);
  if (rest.empty() || rest == "ib") return std::pow(1024.0, static_cast<double>(power + 1));
  return rest == "b" ? std::pow(1000.0, static_cast<double>(power + 1)) : 0;
}

}  // namespace

Result<int64_t> parse_byte_size(std::string_view text) {
  const auto refuse = [&](std::string_view why) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("'{}': {}; a size is a number of bytes or one with K, M, G or T, as in 3.5G",
                            printable(text.substr(0, 40)), why));
  };
  double number = 0;
  const char* end = text.data() + text.size();
  const auto [stop, status] = std::from_chars(text.data(), end, number, std::chars_format::fixed);
  if (status == std::errc::result_out_of_range) return refuse("too large");
  if (status != std::errc() || !std::isfinite(number)) return refuse("not a number");
  std::string_view unit(stop, static_cast<size_t>(end - stop));
  while (!unit.empty() && unit.front() == ' ') unit.remove_prefix(1);
  const double times = factor(unit);
  if (times == 0) return refuse(fmt::format("no unit '{}'", printable(unit)));
  const double bytes = number * times;
  if (times == 1 && bytes != std::floor(bytes)) return refuse("a fraction of a byte");
  if (bytes < 1) return refuse("must be more than nothing");
  if (bytes >= kLimit) return refuse("too large");
  return static_cast<int64_t>(bytes);
}

std::string format_byte_size(int64_t bytes) {
  constexpr std::array kUnits = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  auto value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  while (value >= 1000 && unit + 1 < kUnits.size()) value /= 1024, unit++;
  return fmt::format("{:.{}f} {}", value, value < 10 ? 2 : value < 100 ? 1 : 0, kUnits[unit]);
}

}  // namespace sambay
