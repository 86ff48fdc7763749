// Watches the thinking section of an answer: counts its tokens, and closes it when its budget is used up.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sambay/text.h"

namespace sambay {

/// Thinking tokens that a request may really have: `budget`, but of the `room` for all tokens the larger of
/// 256 and an eighth stays for the answer, at most half of it. -1: any number.
int thinking_tokens(int budget, int room);

/// A value; one thread. For each token: replace() with what was drawn, then accept() with what was taken.
class Thinking {
 public:
  /// budget: -1 or thinking_tokens(); close: the tokens that end the section.
  Thinking(int budget, bool starts_inside, std::vector<TokenId> close);

  /// The token to be taken instead of `drawn`, whose bytes are given.
  TokenId replace(TokenId drawn, std::string_view bytes);
  void accept(TokenId token, std::string_view bytes);

  int count() const { return count_; }  ///< tokens of the section so far, its marks included
  bool was_cut() const { return was_cut_; }

 private:
  bool ends_sentence_before(std::string_view next_bytes) const;

  ReasoningSplitter splitter_;
  int budget_;
  std::vector<TokenId> close_;
  std::deque<TokenId> forced_;
  std::string tail_;  // the last bytes of the section
  int count_ = 0;
  bool was_cut_ = false;
};

}  // namespace sambay
