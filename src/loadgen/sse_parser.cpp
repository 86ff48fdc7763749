#include "loadgen/sse_parser.h"

#include <fmt/core.h>

#include <algorithm>

namespace sambay {

Result<void> SseParser::push(std::string_view bytes,
                             const std::function<void(std::string_view data)>& on_data) {
  while (!bytes.empty()) {
    if (after_cr_ && bytes.front() == '\n') bytes.remove_prefix(1);  // the rest of a CRLF
    after_cr_ = false;
    const size_t end = bytes.find_first_of("\r\n");
    line_ += bytes.substr(0, end);
    if (line_.size() + data_.size() > kMaxEventBytes)
      return fail(ErrorCode::corrupt, fmt::format("an event of more than {} bytes", kMaxEventBytes));
    if (end == std::string_view::npos) return {};
    after_cr_ = bytes[end] == '\r';
    bytes.remove_prefix(end + 1);
    end_line(on_data);
  }
  return {};
}

void SseParser::end_line(const std::function<void(std::string_view data)>& on_data) {
  constexpr std::string_view kData = "data";
  const std::string_view line = line_;
  if (line.empty()) {
    if (has_data_) on_data(data_);
    data_.clear();
    has_data_ = false;
  } else if (line.front() == ':') {
    comments_++;
  } else if (line == kData || line.starts_with("data:")) {
    std::string_view value = line.substr(std::min(line.size(), kData.size() + 1));
    if (value.starts_with(' ')) value.remove_prefix(1);
    if (has_data_) data_ += '\n';
    data_ += value;
    has_data_ = true;
  }
  line_.clear();
}

}  // namespace sambay
