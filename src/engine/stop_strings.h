// Finding stop strings in text that comes in pieces.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sambay {

/// Holds back text that may be the beginning of a stop string. A value; one thread.
class StopStrings {
 public:
  explicit StopStrings(std::vector<std::string> stops) : stops_(std::move(stops)) {}
  /// Appends to `out` what certainly comes before any stop string. True when one is complete: then everything
  /// before it was appended and nothing more may be pushed.
  bool push(std::string_view text, std::string& out);
  /// The answer ended otherwise: what was held back is text.
  void finish(std::string& out);
  /// The one that was found.
  const std::string& found() const { return found_; }

 private:
  std::vector<std::string> stops_;
  std::string held_, found_;
};

}  // namespace sambay
