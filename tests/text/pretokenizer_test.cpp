#include "text/pretokenizer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "text/patterns.h"

namespace sambay {
namespace {

using Words = std::vector<std::string>;

/// The words of a text, or the error as the only one.
Words split(std::string_view pattern, std::string_view text) {
  const auto pretokenizer = Pretokenizer::compile(pattern);
  if (!pretokenizer) return {"error: " + pretokenizer.error().message};
  WordSplitter splitter(*pretokenizer, text.size());
  Words words;
  for (size_t at = 0; at < text.size();) {
    const auto end = splitter.word_end(text, at);
    if (!end) return {"error: " + end.error().message};
    words.emplace_back(text.substr(at, *end - at));
    at = *end;
  }
  return words;
}

bool gives_up(std::string_view pattern, std::string_view text) {
  const Words words = split(pattern, text);
  return words.size() == 1 && words[0].starts_with("error: the tokenizer's pattern gives up");
}

TEST(Pretokenizer, SplitsAsO200kDoes) {
  EXPECT_EQ(split(kO200kPattern, "Hello  world's 12345!\n\nOK"),
            (Words{"Hello", " ", " world's", " ", "123", "45", "!\n\n", "OK"}));
  EXPECT_EQ(split(kO200kPattern, "it'\u017f"), (Words{"it'\u017f"}));  // long s folds to s
}

TEST(Pretokenizer, WhiteSpaceIsTheUnicodeProperty) {
  EXPECT_EQ(split("\\s", "\u0085\u00a0\u3000"), (Words{"\u0085", "\u00a0", "\u3000"}));
  EXPECT_EQ(split("\\S+", "a\ufeff\u200b\u180e\u0085"), (Words{"a\ufeff\u200b\u180e", "\u0085"}));
  EXPECT_EQ(split("[^\\s]+", "a\u180e b"), (Words{"a\u180e", " ", "b"}));
  EXPECT_EQ(split("\\\\s", "\\sx"), (Words{"\\s", "x"}));  // an escaped backslash, then the letter
}

TEST(Pretokenizer, WhatDoesNotMatchIsAWordOfItsOwn) {
  EXPECT_EQ(split("[a-z]+", "12ab34"), (Words{"12", "ab", "34"}));
  EXPECT_EQ(split("x", "\u20ac\u20acx\u20ac"), (Words{"\u20ac\u20ac", "x", "\u20ac"}));
  EXPECT_EQ(split("q*", "ab"), (Words{"ab"}));  // empty matches are none
}

TEST(Pretokenizer, LooksBehindAcrossWordBorders) {
  EXPECT_EQ(split("(?<=a)b|.", "abcb"), (Words{"a", "b", "c", "b"}));
  EXPECT_EQ(split("a|(?<!a)b+", "abbcb"), (Words{"a", "b", "b", "c", "b"}));
}

// Words longer than the first window are matched in steps; neither the words nor what lies behind them may
// show it.
TEST(Pretokenizer, LongWordsAndLookAheadDoNotDependOnTheWindow) {
  for (size_t length : {1u, 126u, 127u, 128u, 129u, 130u, 511u, 512u, 513u, 5000u, 100000u}) {
    const std::string spaces(length, ' '), letters(length, 'A'), euros = [&] {
      std::string s;
      for (size_t i = 0; i < length; i++) s += "\u20ac";
      return s;
    }();
    EXPECT_EQ(split("\\s+(?!\\S)|\\s+|\\S+", "x" + spaces + " y"), (Words{"x", spaces, " ", "y"})) << length;
    EXPECT_EQ(split(kO200kPattern, letters), Words{letters}) << length;
    EXPECT_EQ(split(kO200kPattern, euros + "\n."), (Words{euros + "\n", "."})) << length;
    EXPECT_EQ(split("A+(?=B)|.", letters + "B"), (Words{letters, "B"})) << length;
    EXPECT_EQ(split("A+$|A", letters), Words{letters}) << length;
  }
}

TEST(Pretokenizer, GivesUpOnExponentialBacktracking) {
  EXPECT_TRUE(gives_up("(?:a|aa)+$", std::string(60, 'a') + "c"));
}

TEST(Pretokenizer, GivesUpWhenEveryWordScansTheRestOfTheText) {
  const std::string text(4 << 20, 'a');
  EXPECT_TRUE(gives_up("a*+b|a", text));
  EXPECT_TRUE(gives_up("(?:a+)+b|a", text));
  EXPECT_TRUE(gives_up("a(?=a*c)|a", text));
}

TEST(Pretokenizer, GivesUpOnUnboundedRecursion) {
  EXPECT_TRUE(gives_up("(?R)?a", std::string(8 << 20, 'a')));
}

TEST(Pretokenizer, RefusesPatternsThatItCannotBound) {
  for (const char* pattern : {"(a)\\1", "(?<x>a)\\k<x>", "a(", "[", "\\C", "\\p{Nonsense}", "\xff"}) {
    const auto result = Pretokenizer::compile(pattern);
    ASSERT_FALSE(result) << pattern;
    EXPECT_TRUE(result.error().code == ErrorCode::unsupported || result.error().code == ErrorCode::corrupt);
  }
  EXPECT_FALSE(Pretokenizer::compile(std::string(70000, 'a')));
}

}  // namespace
}  // namespace sambay
