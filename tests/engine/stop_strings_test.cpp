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

TEST(StopStrings, AgreeWithALookAtTheWholeText) {
  // All texts of 8 letters from {a, b} against pairs of strings with every kind of border.
  const std::vector<std::vector<std::string>> pairs = {
      {"aba", "bab"}, {"aab", "b"}, {"abaab", "aa"}, {"aaaa", "abab"}, {"babb", "abb"}};
  for (const auto& stops : pairs)
    for (int bits = 0; bits < 256; bits++) {
      std::string text;
      for (int i = 0; i < 8; i++) text += (bits >> i & 1) ? 'b' : 'a';
      std::string expected = text, expected_found;
      for (size_t end = 1; end <= text.size() && expected_found.empty(); end++)
        for (const std::string& stop : stops)
          if (std::string_view(text).substr(0, end).ends_with(stop) && stop.size() > expected_found.size()) {
            expected = text.substr(0, end - stop.size());
            expected_found = stop;
          }
      for (size_t size : {1u, 3u, 8u}) {
        std::string found;
        EXPECT_EQ(feed(stops, text, size, &found), expected) << text << " " << stops[0];
        EXPECT_EQ(found, expected_found);
      }
    }
}

TEST(StopStrings, StayLinearForStringsThatAlmostMatchEverywhere) {
  // Quadratic work would be 64 strings * 4096 * 4096 / 2 * 50 pieces: minutes.
  std::vector<std::string> stops;
  for (int i = 0; i < 64; i++) stops.push_back(std::string(4000 + i, 'a') + "b");
  StopStrings finder(stops);
  std::string out;
  for (int i = 0; i < 50; i++) ASSERT_FALSE(finder.push(std::string(1000, 'a') + "c", out));
  finder.finish(out);
  EXPECT_EQ(out.size(), 50u * 1001);
}

}  // namespace
}  // namespace sambay
