// Server-sent events as they come off the wire, in pieces of any size.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "sambay/error.h"

namespace sambay {

/// Takes what the HTML standard calls an event stream apart: lines end in LF, CR or CRLF, an empty line ends
/// an event, its `data` lines are joined with LF, lines that begin with ':' are comments. Other fields
/// (event, id, retry) are skipped. One thread at a time.
class SseParser {
 public:
  static constexpr size_t kMaxEventBytes = 16 << 20;

  /// Calls `on_data` for each event that ends in these bytes; where pieces are cut makes no difference.
  /// Errors: corrupt, when one event has more than kMaxEventBytes; nothing more may be pushed then.
  Result<void> push(std::string_view bytes, const std::function<void(std::string_view data)>& on_data);
  /// Comments so far.
  int comment_count() const { return comments_; }

 private:
  void end_line(const std::function<void(std::string_view data)>& on_data);

  std::string line_, data_;
  bool has_data_ = false, after_cr_ = false;
  int comments_ = 0;
};

}  // namespace sambay
