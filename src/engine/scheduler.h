// Which rows of which sequences the next step runs. Pure: no model, no clock, no memory.
#pragma once

#include <span>
#include <vector>

namespace sambay {

/// A running sequence as the scheduler sees it.
struct Runnable {
  int prompt_left = 0;  ///< prompt tokens not yet processed; 0: the sequence is answering, one row a step
};

/// A sequence's part in a step.
struct Slice {
  int sequence = 0;  ///< index into the runnables
  int rows = 0;
};

/// Every answering sequence gets its row first, so a long prompt never stalls the others; then prompts share
/// `prompt_rows` rows, beginning with a different sequence each step, so that none of them starves.
class Scheduler {
 public:
  explicit Scheduler(int prompt_rows) : prompt_rows_(prompt_rows) {}
  /// In order of sequence. Empty when nothing can run.
  std::vector<Slice> next(std::span<const Runnable> runnables);

 private:
  int prompt_rows_;
  int turn_ = 0;  // which of the prompts is first
};

}  // namespace sambay
