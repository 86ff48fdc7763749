#include "engine/thinking.h"

#include <algorithm>

namespace sambay {
namespace {

constexpr size_t kTailBytes = 8;

bool is_blank(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

}  // namespace

int thinking_tokens(int budget, int room) {
  if (budget < 0) return -1;
  const int for_answer = std::min(std::max(256, room / 8), room / 2);
  return std::min(budget, room - for_answer);
}

Thinking::Thinking(int budget, bool starts_inside, std::vector<TokenId> close)
    : budget_(budget), close_(std::move(close)) {
  if (starts_inside) splitter_.push("<think>");
}

/// A sentence ends where a line does, behind a full stop that white space follows ("3.14" goes on), and
/// behind the full stops of Chinese and Japanese.
bool Thinking::ends_sentence_before(std::string_view next_bytes) const {
  if (tail_.ends_with('\n') || tail_.ends_with("\xe3\x80\x82") || tail_.ends_with("\xef\xbc\x81") ||
      tail_.ends_with("\xef\xbc\x9f"))
    return true;
  const bool stops = tail_.ends_with('.') || tail_.ends_with('!') || tail_.ends_with('?');
  return stops && !next_bytes.empty() && is_blank(next_bytes.front());
}

TokenId Thinking::replace(TokenId drawn, std::string_view bytes) {
  if (budget_ >= 0 && forced_.empty() && splitter_.in_reasoning() && !was_cut_ && drawn != close_.front()) {
    const bool all_used = count_ >= budget_;
    const bool nearly = int64_t{count_} * 10 >= int64_t{budget_} * 9;
    if (all_used || (nearly && ends_sentence_before(bytes))) {
      forced_.assign(close_.begin(), close_.end());
      was_cut_ = true;
    }
  }
  return forced_.empty() ? drawn : forced_.front();
}

void Thinking::accept(TokenId token, std::string_view bytes) {
  if (!forced_.empty() && forced_.front() == token) forced_.pop_front();
  const bool was_inside = splitter_.in_reasoning();
  splitter_.push(bytes);
  if (was_inside || splitter_.in_reasoning()) count_++;
  tail_ += bytes;
  if (tail_.size() > kTailBytes) tail_.erase(0, tail_.size() - kTailBytes);
}

}  // namespace sambay
