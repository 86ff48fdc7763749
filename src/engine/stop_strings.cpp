#include "engine/stop_strings.h"

#include <algorithm>

namespace sambay {
namespace {

/// Length of the longest end of `text` that is a proper beginning of `stop`.
size_t overlap(std::string_view text, std::string_view stop) {
  for (size_t n = std::min(text.size(), stop.size() - 1); n > 0; n--)
    if (text.ends_with(stop.substr(0, n))) return n;
  return 0;
}

}  // namespace

bool StopStrings::push(std::string_view text, std::string& out) {
  held_ += text;
  // The one that is complete first; among those that end together the longest, which begins first.
  size_t best_end = std::string::npos, best_begin = 0;
  for (const std::string& stop : stops_) {
    const size_t begin = held_.find(stop);
    if (begin == std::string::npos) continue;
    const size_t end = begin + stop.size();
    if (end < best_end || (end == best_end && begin < best_begin))
      best_end = end, best_begin = begin, found_ = stop;
  }
  if (best_end != std::string::npos) {
    out.append(held_, 0, best_begin);
    held_.clear();
    return true;
  }
  size_t keep = 0;
  for (const std::string& stop : stops_) keep = std::max(keep, overlap(held_, stop));
  out.append(held_, 0, held_.size() - keep);
  held_.erase(0, held_.size() - keep);
  return false;
}

void StopStrings::finish(std::string& out) {
  out += held_;
  held_.clear();
}

}  // namespace sambay
