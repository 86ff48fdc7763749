#include "engine/stop_strings.h"

#include <algorithm>

namespace sambay {

void StopStrings::Pattern::advance(char c) {
  while (matched > 0 && text[matched] != c) matched = border[matched - 1];
  if (text[matched] == c) matched++;
}

StopStrings::StopStrings(const std::vector<std::string>& stops) {
  for (const std::string& stop : stops) {
    // A border is what the pattern itself, from its second character on, matches of its beginning.
    Pattern pattern{stop, std::vector<size_t>(stop.size(), 0)};
    for (size_t i = 1; i < stop.size(); i++) {
      pattern.advance(stop[i]);
      pattern.border[i] = pattern.matched;
    }
    pattern.matched = 0;
    patterns_.push_back(std::move(pattern));
  }
}

bool StopStrings::push(std::string_view text, std::string& out) {
  if (patterns_.empty()) {
    out += text;
    return false;
  }
  for (char c : text) {
    held_ += c;
    size_t longest = 0;
    const Pattern* complete = nullptr;
    for (Pattern& pattern : patterns_) {
      pattern.advance(c);
      longest = std::max(longest, pattern.matched);
      if (pattern.matched == pattern.text.size() &&
          (!complete || pattern.text.size() > complete->text.size()))
        complete = &pattern;
    }
    if (complete) {
      found_ = complete->text;
      out.append(held_, 0, held_.size() - found_.size());
      held_.clear();
      return true;
    }
    if (held_.size() > longest) {
      out.append(held_, 0, held_.size() - longest);
      held_.erase(0, held_.size() - longest);
    }
  }
  return false;
}

void StopStrings::finish(std::string& out) {
  out += held_;
  held_.clear();
}

}  // namespace sambay
