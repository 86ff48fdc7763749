// Which rows of which sequences the next step runs, and whose request starts next. Pure: no model, no clock,
// no memory of sequences.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace sambay {

/// A running sequence as the scheduler sees it.
struct Runnable {
  int prompt_left = 0;  ///< prompt tokens not yet processed; 0: the sequence is answering, one row a step
  int most_rows = std::numeric_limits<int>::max();  ///< of the prompt in one step
  int priority = 0;
  int key = 0;          ///< whose it is, as a number
  uint64_t served = 0;  ///< what its key got so far: who got less comes first
  int prompt_done = 0;  ///< between prompts of one key: who got less comes first
};

/// A sequence's part in a step.
struct Slice {
  int sequence = 0;  ///< index into the runnables
  int rows = 0;
};

/// `total` shared evenly among those who want `wants`: nobody gets more than it wants, what one leaves goes
/// to the others, and what cannot be divided goes to the first ones.
std::vector<int> share_evenly(int total, std::span<const int> wants);

/// Every answering sequence gets its row, so a long prompt never stalls the others. Then prompts share
/// `prompt_rows` rows: higher priorities first; within one, keys evenly; within a key, prompts evenly. In
/// order of sequence; empty when nothing can run.
std::vector<Slice> schedule_rows(std::span<const Runnable> runnables, int prompt_rows);

/// What each key was given, in rows. A key that comes back after a pause is lifted to the least served of
/// those that are here: it has saved up nothing. (Virtual token counters: Sheng et al., "Fairness in Serving
/// Large Language Models", 2024.)
class KeyShares {
 public:
  /// A request of the key arrives, and is over.
  void enter(const std::string& key);
  void leave(const std::string& key);
  void charge(const std::string& key, uint64_t rows);
  uint64_t served(const std::string& key) const;

 private:
  struct Share {
    uint64_t served = 0;
    int requests = 0;
  };
  std::map<std::string, Share> shares_;  // of keys that have requests here
  uint64_t floor_ = 0;                   // the most that a key had when it left while nobody else was here
};

/// A waiting request as the choice of the next one sees it; older ones stand first.
struct Waiting {
  int priority = 0;
  uint64_t served = 0;  ///< by its key
};
/// The index of the one that starts next: highest priority, then least served key, then oldest. -1: none.
int next_to_start(std::span<const Waiting> waiting);

}  // namespace sambay
