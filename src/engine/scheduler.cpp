#include "engine/scheduler.h"

#include <algorithm>

namespace sambay {

std::vector<Slice> Scheduler::next(std::span<const Runnable> runnables) {
  std::vector<Slice> slices;
  std::vector<int> prompts;
  for (int i = 0; i < static_cast<int>(runnables.size()); i++) {
    if (runnables[static_cast<size_t>(i)].prompt_left > 0)
      prompts.push_back(i);
    else
      slices.push_back({i, 1});
  }
  int left = prompt_rows_;
  for (size_t k = 0; k < prompts.size() && left > 0; k++) {
    const int i = prompts[(static_cast<size_t>(turn_) + k) % prompts.size()];
    const int rows = std::min(left, runnables[static_cast<size_t>(i)].prompt_left);
    slices.push_back({i, rows});
    left -= rows;
  }
  if (!prompts.empty()) turn_ = (turn_ + 1) % static_cast<int>(prompts.size());
  std::sort(slices.begin(), slices.end(),
            [](const Slice& a, const Slice& b) { return a.sequence < b.sequence; });
  return slices;
}

}  // namespace sambay
