#include "cli/memory_option.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <string>

#include "base/byte_size.h"

namespace sambay {
namespace {

/// -1 for auto.
std::optional<int64_t> parse_total_context(const std::string& text) {
  constexpr int64_t kMost = int64_t{1} << 40;
  if (text == "auto") return -1;
  int64_t tokens = 0;
  const auto [stop, status] = std::from_chars(text.data(), text.data() + text.size(), tokens);
  if (status != std::errc() || stop != text.data() + text.size() || tokens < 1 || tokens > kMost) return {};
  return tokens;
}

Result<int64_t> parse_prefix_cache(const std::string& text) {
  if (text == "0") return int64_t{0};
  return parse_byte_size(text);
}

}  // namespace

CLI::Option* add_memory_option(CLI::App& command, int64_t& limit) {
  return command
      .add_option_function<std::string>(
          "--memory",
          [&limit](const std::string& text) {
            if (const auto bytes = parse_byte_size(text)) limit = *bytes;
          },
          "Refuse to start, with advice, if more than this may be needed: 3.5G, 800M, 2GB, bytes")
      ->check([](const std::string& text) {
        const auto bytes = parse_byte_size(text);
        return bytes ? std::string() : bytes.error().message;
      });
}

CLI::Option* add_total_context_option(CLI::App& command, int64_t& tokens) {
  return command
      .add_option_function<std::string>(
          "--total-context",
          [&tokens](const std::string& text) {
            if (const auto count = parse_total_context(text)) tokens = *count;
          },
          "Tokens that all conversations may keep together, at least one context; auto = as many as "
          "--memory\n"
          "allows. Beyond that the youngest wait on disk (a full context for each)")
      ->check([](const std::string& text) {
        return parse_total_context(text) ? std::string() : "'" + text + "': must be 1 to 2^40, or auto";
      });
}

CLI::Option* add_prefix_cache_option(CLI::App& command, std::optional<int64_t>& bytes) {
  return command
      .add_option_function<std::string>(
          "--prefix-cache",
          [&bytes](const std::string& text) {
            if (const auto size = parse_prefix_cache(text)) bytes = *size;
          },
          "Bytes for the prefix cache, e.g. 512M; 0 = none")
      ->check([](const std::string& text) {
        const auto size = parse_prefix_cache(text);
        return size ? std::string() : size.error().message;
      });
}

}  // namespace sambay
