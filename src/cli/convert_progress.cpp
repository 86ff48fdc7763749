#include "cli/convert_progress.h"

#include <fmt/core.h>

namespace sambay {

void show_conversion(ProgressLine& line, const ConvertProgress& progress) {
  line.show(fmt::format("{} {:3} % of {:.1f} MiB  {}", progress.verifying ? "verifying" : "writing",
                        100 * progress.done_bytes / progress.total_bytes,
                        static_cast<double>(progress.total_bytes) / 1048576.0,
                        progress.tensor.substr(0, 40)));
}

}  // namespace sambay
