// Shows an answer as it comes: thinking apart from the text, dimmed or hidden.
#pragma once

#include <string>
#include <string_view>

#include "sambay/error.h"
#include "sambay/text.h"

namespace sambay {

struct Answer {
  std::string text, reasoning;
};

/// Writes to stdout. One thread.
class AnswerPrinter {
 public:
  struct Style {
    bool silent = false;  ///< only collect
    bool raw = false;     ///< everything is text
    bool color = false;   ///< dim the thinking instead of writing its tags
    bool show_thinking = false;
    bool final_newline = true;
  };
  explicit AnswerPrinter(Style style) : style_(style) {}

  /// Errors: io.
  Result<void> print(std::string_view text);
  /// The rest, terminal attributes reset, newline. Also right after an interruption.
  Result<void> finish();
  const Answer& answer() const { return answer_; }

 private:
  void piece(const ReasoningSplitter::Piece& piece, std::string& out);
  void close_thinking(std::string& out);
  Result<void> write(const std::string& out) const;

  Style style_;
  ReasoningSplitter splitter_;
  Answer answer_;
  bool thinking_open_ = false, wrote_thinking_ = false;
};

}  // namespace sambay
