// What is kept of each request, and how many become one row.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "loadgen/answer_chunk.h"
#include "loadgen/load.h"

namespace sambay {

struct LoadRecord {
  int turn = 1;
  bool is_cold = false;
  std::string fault;     ///< "" = good; else as in LoadRow::errors
  double first_ms = -1;  ///< from when it was due to the first token; < 0: none came
  double whole_ms = 0;
  double ended_s = 0;  ///< since the level began
  std::vector<float> gaps_ms;
  int prompt_tokens = 0, cached_tokens = 0;
  int completion_tokens = 0;  ///< the server's count; chunks with text when it does not say
  int comments = 0;
};

/// Times the tokens of one answer.
class AnswerClock {
 public:
  explicit AnswerClock(LoadRecord& record) : record_(record) {}
  /// A chunk with a token or several; ms never go back.
  void output(double ms) {
    if (record_.first_ms < 0)
      record_.first_ms = ms;
    else
      record_.gaps_ms.push_back(static_cast<float>(ms - last_ms_));
    last_ms_ = ms;
    if (!counted_) record_.completion_tokens++;
  }
  /// What the server says; the last word counts.
  void usage(const TokenCounts& counts) {
    counted_ = true;
    record_.prompt_tokens = counts.prompt;
    record_.cached_tokens = counts.cached;
    record_.completion_tokens = counts.completion;
  }

 private:
  LoadRecord& record_;
  double last_ms_ = 0;
  bool counted_ = false;
};

/// A row for each turn in order, then one for the cold ones. Times and token counts are those of good
/// requests.
std::vector<LoadRow> summarize(const LoadLevel& level, std::span<const LoadRecord> records, int peak_open);

}  // namespace sambay
