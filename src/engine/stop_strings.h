// Finding stop strings in text that comes in pieces.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sambay {

/// Holds back text that may be the beginning of a stop string. Where the pieces are cut changes nothing, and
/// the work is linear in the text whatever the strings are (Knuth, Morris, Pratt). A value; one thread.
class StopStrings {
 public:
  /// None of `stops` is empty.
  explicit StopStrings(const std::vector<std::string>& stops);
  /// Appends to `out` what certainly comes before any stop string. True when one is complete: then everything
  /// before it was appended and nothing more may be pushed. The one that is complete first wins; of those
  /// that end together, the longest.
  bool push(std::string_view text, std::string& out);
  /// The answer ended otherwise: what was held back is text.
  void finish(std::string& out);
  /// The one that was found.
  const std::string& found() const { return found_; }

 private:
  struct Pattern {
    std::string text;
    std::vector<size_t> border;  // [i]: longest proper beginning of text[0..i] that also ends it
    size_t matched = 0;          // how much of its beginning the text so far ends with

    void advance(char c);
  };
  std::vector<Pattern> patterns_;
  std::string held_, found_;  // held_: as long as the longest match
};

}  // namespace sambay
