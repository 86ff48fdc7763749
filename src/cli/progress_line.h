// One line on standard error that is rewritten, on a terminal only.
#pragma once

#include <chrono>
#include <string>

namespace sambay {

class ProgressLine {
 public:
  ProgressLine();
  ~ProgressLine() { clear(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  /// At most ten times a second.
  void show(const std::string& line);
  void clear();

 private:
  bool terminal_, shown_ = false;
  std::chrono::steady_clock::time_point last_;
};

}  // namespace sambay
