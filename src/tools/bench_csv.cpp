#include "tools/bench_csv.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/mapped_file.h"
#include "base/printable.h"

namespace sambay {
namespace {

constexpr size_t kMostBytes = size_t{64} << 20, kMostLines = 100'000, kMostFields = 256;

using Fields = std::vector<std::string>;

class CsvReader {
 public:
  CsvReader(std::string_view text, std::string_view name) : text_(text), name_(name) {}

  Result<std::vector<BenchRow>> read() {
    if (text_.size() > kMostBytes)
      return bad(fmt::format("{} bytes; at most {} are read", text_.size(), kMostBytes));
    SAMBAY_TRY_VOID(next_line());
    head_ = fields_;
    for (const char* column : {"model", "type", "kv", "isa", "test", "threads", "prompt", "depth", "batch",
                               "tokens", "tokens_per_s_median", "ttft_ms", "bytes_per_token",
                               "multiply_adds_per_token", "read_bytes_per_s", "int8_per_s"})
      if (std::ranges::find(head_, column) == head_.end())
        return bad(fmt::format("there is no column '{}'; this reads what sambay bench --csv writes", column));
    std::vector<BenchRow> rows;
    while (at_ < text_.size()) {
      SAMBAY_TRY_VOID(next_line());
      if (fields_ == head_ || (fields_.size() == 1 && fields_[0].empty())) continue;
      if (fields_.size() != head_.size())
        return bad(fmt::format("{} fields, and {} columns", fields_.size(), head_.size()));
      if (rows.size() == kMostLines) return bad(fmt::format("more than {} lines", kMostLines));
      SAMBAY_TRY(BenchRow row, read_row(), name_);
      rows.push_back(std::move(row));
    }
    return rows;
  }

 private:
  tl::unexpected<Error> bad(const std::string& why) const {
    return fail(ErrorCode::corrupt, fmt::format("{}: line {}: {}", name_, line_, why));
  }

  /// The fields of the next line (RFC 4180: quoted ones may hold commas, quotes and line feeds).
  Result<void> next_line() {
    line_++;
    fields_.assign(1, "");
    bool quoted = false;
    for (; at_ < text_.size(); at_++) {
      const char c = text_[at_];
      if (quoted) {
        if (c != '"')
          fields_.back() += c;
        else if (at_ + 1 < text_.size() && text_[at_ + 1] == '"')
          fields_.back() += text_[at_++];
        else
          quoted = false;
      } else if (c == '"' && fields_.back().empty()) {
        quoted = true;
      } else if (c == ',') {
        if (fields_.size() == kMostFields) return bad(fmt::format("more than {} fields", kMostFields));
        fields_.emplace_back();
      } else if (c == '\n') {
        at_++;
        break;
      } else if (c != '\r') {
        fields_.back() += c;
      }
    }
    if (quoted) return bad("a quote is not closed");
    return {};
  }

  const std::string& field(std::string_view column) const {
    return fields_[static_cast<size_t>(std::ranges::find(head_, column) - head_.begin())];
  }

  template <class T>
  Result<T> number(std::string_view column, T low, T high) const {
    const std::string& text = field(column);
    T value{};
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (status == std::errc() && end == text.data() + text.size() && value >= low && value <= high)
      return value;
    return fail(ErrorCode::corrupt, fmt::format("line {}: column {}: '{}' is no number from {} to {}", line_,
                                                column, printable(text, 40), low, high));
  }

  Result<BenchRow> read_row() const {
    constexpr int kMost = 1 << 30;
    constexpr double kSmallest = 1e-12, kLargest = 1e18;
    BenchRow row;
    row.model = field("model"), row.type = field("type"), row.kv = field("kv");
    row.isa = field("isa"), row.test = field("test");
    for (const auto& [column, to] : {std::pair{"threads", &row.threads},
                                     {"prompt", &row.prompt},
                                     {"depth", &row.depth},
                                     {"batch", &row.batch},
                                     {"tokens", &row.tokens}}) {
      SAMBAY_TRY(*to, number<int>(column, 0, kMost), "CSV");
    }
    for (const auto& [column, to] : {std::pair{"tokens_per_s_median", &row.tokens_per_s},
                                     {"bytes_per_token", &row.bytes_per_token},
                                     {"multiply_adds_per_token", &row.multiply_adds_per_token},
                                     {"read_bytes_per_s", &row.read_bytes_per_s},
                                     {"int8_per_s", &row.int8_per_s}}) {
      SAMBAY_TRY(*to, number<double>(column, kSmallest, kLargest), "CSV");
    }
    if (!field("ttft_ms").empty()) {
      SAMBAY_TRY(row.ttft_ms, number<double>("ttft_ms", 0, kLargest), "CSV");
    }
    return row;
  }

  std::string_view text_, name_;
  size_t at_ = 0, line_ = 0;
  Fields fields_, head_;
};

}  // namespace

Result<std::vector<BenchRow>> parse_bench_csv(std::string_view text, std::string_view name) {
  return CsvReader(text, name).read();
}

Result<std::vector<BenchRow>> read_bench_csv(const std::string& path) {
  SAMBAY_TRY(const MappedFile file, MappedFile::open(path), "CSV");
  return parse_bench_csv({reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()}, path);
}

}  // namespace sambay
