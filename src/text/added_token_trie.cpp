#include "text/added_token_trie.h"

namespace sambay {

AddedTokenTrie::AddedTokenTrie(std::span<const AddedToken> tokens) : nodes_(1) {
  for (size_t i = 0; i < tokens.size(); i++) {
    int node = 0;
    for (const char c : tokens[i].content) {
      int next = child(node, c);
      if (next < 0) {
        next = static_cast<int>(nodes_.size());
        nodes_[static_cast<size_t>(node)].children.emplace_back(static_cast<unsigned char>(c), next);
        nodes_.emplace_back();
      }
      node = next;
    }
    nodes_[static_cast<size_t>(node)].index = static_cast<int>(i);
    begins_[static_cast<unsigned char>(tokens[i].content[0])] = true;
  }
}

int AddedTokenTrie::child(int node, char byte) const {
  for (const auto& [b, next] : nodes_[static_cast<size_t>(node)].children)
    if (b == static_cast<unsigned char>(byte)) return next;
  return -1;
}

std::optional<AddedTokenTrie::Match> AddedTokenTrie::find(std::string_view text, size_t from) const {
  for (size_t start = from; start < text.size(); start++) {
    if (!begins_[static_cast<unsigned char>(text[start])]) continue;
    Match match{start, start, -1};
    int node = 0;
    for (size_t at = start; at < text.size() && (node = child(node, text[at])) >= 0; at++) {
      if (const int index = nodes_[static_cast<size_t>(node)].index; index >= 0)
        match = {start, at + 1, index};
    }
    if (match.index >= 0) return match;
  }
  return std::nullopt;
}

int AddedTokenTrie::exact(std::string_view text) const {
  int node = 0;
  for (const char c : text)
    if ((node = child(node, c)) < 0) return -1;
  return nodes_[static_cast<size_t>(node)].index;
}

}  // namespace sambay
