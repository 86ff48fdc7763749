#include "text/tokenizer_difference.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/printable.h"

namespace sambay {
namespace {

std::string quoted(std::string_view token) {
  return token.empty() ? "missing" : fmt::format("\"{}\"", printable(token));
}

std::string token_difference(const TokenizerData& a, const TokenizerData& b) {
  const auto token = [](const TokenizerData& data, size_t id) -> std::string_view {
    return id < data.tokens.size() ? std::string_view(data.tokens[id]) : std::string_view();
  };
  for (size_t id = 0; id < std::max(a.tokens.size(), b.tokens.size()); id++)
    if (token(a, id) != token(b, id))
      return fmt::format("token {} is {} here and {} there", id, quoted(token(a, id)), quoted(token(b, id)));
  return "";
}

/// Files may list them in any order.
std::string added_difference(const TokenizerData& a, const TokenizerData& b) {
  using Flags = std::array<bool, 3>;
  std::map<TokenId, std::pair<const AddedToken*, const AddedToken*>> by_id;
  for (const AddedToken& token : a.added) by_id[token.id].first = &token;
  for (const AddedToken& token : b.added) by_id[token.id].second = &token;
  const auto flags = [](const AddedToken& token) { return Flags{token.lstrip, token.rstrip, token.special}; };
  for (const auto& [id, tokens] : by_id) {
    const auto [left, right] = tokens;
    if (!left || !right)
      return fmt::format("token {} ({}) is an added token {} only", id,
                         quoted((left ? left : right)->content), left ? "here" : "there");
    if (flags(*left) != flags(*right))
      return fmt::format("token {} ({}) has other flags here than there (lstrip, rstrip, special)", id,
                         quoted(left->content));
  }
  return "";
}

std::string merge_difference(const TokenizerData& a, const TokenizerData& b) {
  if (a.merges.size() != b.merges.size())
    return fmt::format("{} merges here and {} there", a.merges.size(), b.merges.size());
  for (size_t i = 0; i < a.merges.size(); i++) {
    const auto &left = a.merges[i], &right = b.merges[i];
    if (left.left != right.left || left.right != right.right || left.merged != right.merged)
      return fmt::format("merge {} is {} + {} = {} here and {} + {} = {} there", i, left.left, left.right,
                         left.merged, right.left, right.right, right.merged);
  }
  return "";
}

}  // namespace

std::string tokenizer_difference(const TokenizerData& here, const TokenizerData& there) {
  for (const auto difference : {token_difference, added_difference, merge_difference})
    if (std::string text = difference(here, there); !text.empty()) return text;
  if (here.pattern != there.pattern)
    return fmt::format("words are split by \"{}\" here and \"{}\" there", printable(here.pattern),
                       printable(there.pattern));
  if (here.ignore_merges != there.ignore_merges)
    return fmt::format("whole words {} without merges here and {} there",
                       here.ignore_merges ? "are tokens" : "are not tokens",
                       there.ignore_merges ? "are" : "are not");
  return "";
}

}  // namespace sambay
