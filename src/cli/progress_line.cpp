#include "cli/progress_line.h"

#include <unistd.h>

#include <cstdio>

namespace sambay {

ProgressLine::ProgressLine() : terminal_(isatty(2) != 0) {}

void ProgressLine::show(const std::string& line) {
  const auto now = std::chrono::steady_clock::now();
  if (!terminal_ || (shown_ && now - last_ < std::chrono::milliseconds(100))) return;
  last_ = now;
  shown_ = true;
  std::fprintf(stderr, "\r\033[K%.*s", 78, line.c_str());
}

void ProgressLine::clear() {
  if (shown_) std::fputs("\r\033[K", stderr);
  shown_ = false;
}

}  // namespace sambay
