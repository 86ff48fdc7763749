#include "cli/output.h"

#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace sambay {

Result<void> write_stdout(std::string_view text) {
  bool good = std::fflush(stdout) == 0;
  while (good && !text.empty()) {
    const ssize_t written = ::write(STDOUT_FILENO, text.data(), text.size());
    if (written > 0) text.remove_prefix(static_cast<size_t>(written));
    good = written > 0 || (written < 0 && errno == EINTR);
  }
  if (good) return {};
  return fail(ErrorCode::io, fmt::format("writing to standard output: {}", std::strerror(errno)));
}

}  // namespace sambay
