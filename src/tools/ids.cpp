#include "tools/ids.h"

#include <fmt/core.h>

#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>

namespace sambay {
namespace {

constexpr size_t kMaxIds = size_t{1} << 24;
constexpr size_t kMaxBytes = size_t{256} << 20;

Result<void> append(std::vector<TokenId>& ids, int64_t value, int vocab, std::string_view name,
                    std::string_view where) {
  if (value < 0 || value >= vocab)
    return fail(
        ErrorCode::invalid_argument,
        fmt::format("{}: {}: id {} is outside of the vocabulary (0 to {})", name, where, value, vocab - 1));
  if (ids.size() == kMaxIds)
    return fail(ErrorCode::invalid_argument, fmt::format("{}: more than {} ids", name, kMaxIds));
  ids.push_back(static_cast<TokenId>(value));
  return {};
}

/// Collects the integers of one flat array as the parser meets them, so that a hostile file builds no tree.
class IdArrayHandler : public nlohmann::json_sax<nlohmann::json> {
 public:
  IdArrayHandler(std::vector<TokenId>& ids, int vocab, std::string_view name)
      : ids_(ids), vocab_(vocab), name_(name) {}
  Error error{ErrorCode::corrupt, ""};

  bool number_integer(number_integer_t v) override { return take(v); }
  bool number_unsigned(number_unsigned_t v) override {
    return take(v > static_cast<uint64_t>(INT64_MAX) ? INT64_MAX : static_cast<int64_t>(v));
  }
  bool null() override { return refuse("null"); }
  bool boolean(bool) override { return refuse("a boolean"); }
  bool number_float(number_float_t, const string_t& text) override {
    // Integers beyond 64 bits arrive here too.
    if (text.find_first_not_of("-0123456789") == std::string::npos)
      return take(text[0] == '-' ? -1 : INT64_MAX);
    return refuse(text);
  }
  bool string(string_t&) override { return refuse("a string"); }
  bool binary(binary_t&) override { return refuse("binary data"); }
  bool start_object(size_t) override { return refuse("an object"); }
  bool key(string_t&) override { return refuse("an object"); }
  bool end_object() override { return true; }
  bool start_array(size_t) override { return depth_++ == 0 || refuse("an array"); }
  bool end_array() override { return true; }
  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception&) override {
    error.message =
        fmt::format("{}: not a JSON array of token ids (syntax error at byte {})", name_, position);
    return false;
  }

 private:
  bool take(int64_t value) {
    auto status = append(ids_, value, vocab_, name_, fmt::format("element {}", ids_.size()));
    if (!status) error = std::move(status).error();
    return status.has_value();
  }
  bool refuse(std::string_view what) {
    error.message = fmt::format("{}: element {}: expected a token id, found {}", name_, ids_.size(), what);
    return false;
  }
  std::vector<TokenId>& ids_;
  int vocab_;
  std::string_view name_;
  int depth_ = 0;
};

std::string_view trim(std::string_view line) {
  const auto first = line.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return line.substr(first, line.find_last_not_of(" \t\r") - first + 1);
}

Result<void> parse_lines(std::string_view text, int vocab, std::string_view name, std::vector<TokenId>& ids) {
  for (size_t number = 1; !text.empty(); number++) {
    const size_t end = text.find('\n');
    const std::string_view line = trim(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty()) continue;
    int64_t value = 0;
    const auto [stop, status] = std::from_chars(line.data(), line.data() + line.size(), value);
    if (status == std::errc::result_out_of_range)
      value = line[0] == '-' ? -1 : INT64_MAX;
    else if (status != std::errc() || stop != line.data() + line.size())
      return fail(ErrorCode::corrupt, fmt::format("{}: line {}: expected one token id, found '{}'", name,
                                                  number, line.substr(0, 40)));
    SAMBAY_TRY_VOID(append(ids, value, vocab, name, fmt::format("line {}", number)));
  }
  return {};
}

}  // namespace

Result<std::vector<TokenId>> parse_ids(std::string_view text, int vocab, std::string_view name) {
  std::vector<TokenId> ids;
  const size_t start = text.find_first_not_of(" \t\r\n");
  if (start != std::string_view::npos && text[start] == '[') {
    IdArrayHandler handler(ids, vocab, name);
    if (!nlohmann::json::sax_parse(text, &handler)) return tl::unexpected(std::move(handler.error));
  } else {
    SAMBAY_TRY_VOID(parse_lines(text, vocab, name, ids));
  }
  if (ids.empty())
    return fail(ErrorCode::corrupt,
                fmt::format("{}: no token ids; expected a JSON array or one id per line", name));
  return ids;
}

Result<std::vector<TokenId>> read_ids(const std::string& path, int vocab) {
  // Read, not mapped: it may be a pipe.
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  if (!file) return fail(ErrorCode::not_found, fmt::format("{}: {}", path, std::strerror(errno)));
  std::string text;
  char buffer[65536];
  for (size_t n; (n = std::fread(buffer, 1, sizeof buffer, file.get())) > 0;) {
    text.append(buffer, n);
    if (text.size() > kMaxBytes)
      return fail(ErrorCode::invalid_argument,
                  fmt::format("{}: files of ids may have {} bytes", path, kMaxBytes));
  }
  if (std::ferror(file.get()))
    return fail(errno == EISDIR ? ErrorCode::not_found : ErrorCode::io,
                fmt::format("{}: {}", path, std::strerror(errno)));
  return parse_ids(text, vocab, path);
}

}  // namespace sambay
