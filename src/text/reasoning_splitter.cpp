#include <algorithm>

#include "sambay/text.h"

namespace sambay {
namespace {

constexpr std::string_view kOpen = "<think>", kClose = "</think>";

/// Length of the longest proper prefix of `tag` that `text` ends with.
size_t begun_tag(std::string_view text, std::string_view tag) {
  for (size_t length = std::min(text.size(), tag.size() - 1); length > 0; length--)
    if (text.ends_with(tag.substr(0, length))) return length;
  return 0;
}

void append(std::vector<ReasoningSplitter::Piece>& pieces, bool reasoning, std::string_view text) {
  if (text.empty()) return;
  if (pieces.empty() || pieces.back().reasoning != reasoning) pieces.push_back({reasoning, {}});
  pieces.back().text += text;
}

}  // namespace

std::vector<ReasoningSplitter::Piece> ReasoningSplitter::push(std::string_view text) {
  std::vector<Piece> pieces;
  pending_ += text;
  std::string_view rest = pending_;
  while (!done_) {
    const std::string_view tag = in_reasoning_ ? kClose : kOpen;
    const size_t at = rest.find(tag);
    if (at == std::string_view::npos) break;
    append(pieces, in_reasoning_, rest.substr(0, at));
    rest.remove_prefix(at + tag.size());
    done_ = in_reasoning_;
    in_reasoning_ = !in_reasoning_;
  }
  const size_t held_back = done_ ? 0 : begun_tag(rest, in_reasoning_ ? kClose : kOpen);
  append(pieces, in_reasoning_, rest.substr(0, rest.size() - held_back));
  pending_.erase(0, pending_.size() - held_back);
  return pieces;
}

std::vector<ReasoningSplitter::Piece> ReasoningSplitter::finish() {
  std::vector<Piece> pieces;
  append(pieces, in_reasoning_, pending_);
  pending_.clear();
  return pieces;
}

}  // namespace sambay
