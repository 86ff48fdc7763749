#include "engine/stop_strings.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sambay {
namespace {

/// The text before the stop, feeding `text` in pieces of `size`; found says which one stopped it.
std::string feed(const std::vector<std::string>& stops, const std::string& text, size_t size,
                 std::string* found) {
  StopStrings finder(stops);
  std::string out;
  for (size_t i = 0; i < text.size(); i += size)
    if (finder.push(std::string_view(text).substr(i, size), out)) {
      *found = finder.found();
      return out;
    }
  finder.finish(out);
  found->clear();
  return out;
}

TEST(StopStrings, EndBeforeTheStringWhereverPiecesAreCut) {
  for (size_t size = 1; size <= 12; size++) {
    std::string found;
    EXPECT_EQ(feed({"END"}, "one ENEND two", size, &found), "one EN") << size;
    EXPECT_EQ(found, "END");
    EXPECT_EQ(feed({"aab"}, "aaaab", size, &found), "aa") << size;
    EXPECT_EQ(feed({"xyz", "two"}, "one two xyz", size, &found), "one ") << size;
    EXPECT_EQ(found, "two");
  }
}

TEST(StopStrings, TextWithoutAnyComesThroughWhole) {
  for (size_t size = 1; size <= 5; size++) {
    std::string found;
    EXPECT_EQ(feed({"END", "\n\n"}, "EN\nD EN", size, &found), "EN\nD EN");
    EXPECT_EQ(found, "");
    EXPECT_EQ(feed({}, "abc", size, &found), "abc");
  }
}

TEST(StopStrings, OnlyWhatMayBecomeAStopIsHeldBack) {
  StopStrings finder({"abcd"});
  std::string out;
  EXPECT_FALSE(finder.push("xxab", out));
  EXPECT_EQ(out, "xx");
  EXPECT_FALSE(finder.push("e", out));
  EXPECT_EQ(out, "xxabe");
}

TEST(StopStrings, TheOneThatIsCompleteFirstWins) {
  std::string found;
  EXPECT_EQ(feed({"bcde", "cd"}, "abcdef", 6, &found), "ab");
  EXPECT_EQ(found, "cd");
  EXPECT_EQ(feed({"d", "bcd"}, "abcdef", 6, &found), "a");  // both end at d: the longer begins first
}

}  // namespace
}  // namespace sambay
