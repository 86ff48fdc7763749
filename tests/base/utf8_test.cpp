#include "base/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace sambay {
namespace {

std::string lossy(std::string_view bytes) {
  std::string out;
  const size_t held_back = append_lossy_utf8(bytes, out);
  if (held_back > 0) out += "~" + std::to_string(held_back);
  return out;
}

TEST(Utf8, StepDecodesOneCharacterOfEachLength) {
  EXPECT_EQ(utf8_step("A").code_point, U'A');
  EXPECT_EQ(utf8_step("\u00e9x").code_point, U'\u00e9');
  EXPECT_EQ(utf8_step("\u20acx").code_point, U'\u20ac');
  EXPECT_EQ(utf8_step("\U0001F600x").code_point, U'\U0001F600');
  EXPECT_EQ(utf8_step("\U0001F600x").length, 4);
}

TEST(Utf8, EveryScalarValueSurvivesEncodingAndDecoding) {
  for (char32_t c = 0; c < 0x110000; c++) {
    if (c >= 0xD800 && c < 0xE000) continue;
    std::string text;
    append_utf8(c, text);
    const Utf8Step step = utf8_step(text);
    ASSERT_EQ(step.kind, Utf8Step::character) << std::hex << static_cast<uint32_t>(c);
    ASSERT_EQ(step.code_point, c);
    ASSERT_EQ(static_cast<size_t>(step.length), text.size());
  }
}

// The examples of Unicode 15, section 3.9, tables 3-8 to 3-11; R stands for one U+FFFD.
TEST(Utf8, ReplacesMaximalSubpartsAsTheStandardShows) {
  const std::string r = "\xEF\xBF\xBD";
  // 3-8: non-shortest forms
  EXPECT_EQ(lossy("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41"), r + r + r + r + r + r + r + r + "A");
  // 3-9: ill-formed surrogates
  EXPECT_EQ(lossy("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41"), r + r + r + r + r + r + r + r + "A");
  // 3-10: other ill-formed sequences
  EXPECT_EQ(lossy("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42"), r + r + r + r + r + "A" + r + r + "B");
  // 3-11: truncated sequences
  EXPECT_EQ(lossy("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"), r + r + r + r + "A");
}

TEST(Utf8, HoldsBackOnlyWhatMayStillBecomeACharacter) {
  EXPECT_EQ(lossy("a\xE2\x82"), "a~2");
  EXPECT_EQ(lossy("a\xF0\x9F\x98"), "a~3");
  EXPECT_EQ(lossy("\xC3"), "~1");
  EXPECT_EQ(lossy("\xE0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD");  // overlong: hopeless at the second byte
  EXPECT_EQ(lossy("\xF4\x90"), "\xEF\xBF\xBD\xEF\xBF\xBD");  // beyond U+10FFFF
}

TEST(Utf8, ValidPrefixEndsAtTheFirstBadByteWhereverItStands) {
  for (size_t at = 0; at < 40; at++) {
    std::string text(40, 'x');
    text[at] = '\xFF';
    EXPECT_EQ(valid_utf8_prefix(text), at);
  }
  EXPECT_EQ(valid_utf8_prefix("\u20ac\u20ac\xE2\x82"), 6u);
  EXPECT_EQ(valid_utf8_prefix(""), 0u);
}

// PropList.txt of Unicode 15 lists these and no others.
TEST(Utf8, WhiteSpaceIsTheUnicodeProperty) {
  int count = 0;
  for (char32_t c = 0; c < 0x110000; c++) count += is_unicode_white_space(c);
  EXPECT_EQ(count, 25);
  for (char32_t c :
       std::u32string_view(U"\u0009\u000d \u0085\u00a0\u1680\u2000\u200a\u2028\u202f\u205f\u3000"))
    EXPECT_TRUE(is_unicode_white_space(c)) << std::hex << static_cast<uint32_t>(c);
  for (char32_t c : {0x180E, 0x200B, 0xFEFF}) EXPECT_FALSE(is_unicode_white_space(c));
}

TEST(Utf8, CountsWhiteSpaceAtEitherEnd) {
  EXPECT_EQ(leading_white_space(" \n\u3000x "), 5u);
  EXPECT_EQ(trailing_white_space(" x\u3000\n "), 5u);
  EXPECT_EQ(leading_white_space(" \u00a0"), 3u);
  EXPECT_EQ(trailing_white_space(" \u00a0"), 3u);
  EXPECT_EQ(leading_white_space("\xE2\x80"), 0u);
  EXPECT_EQ(trailing_white_space("x\x80"), 0u);
  EXPECT_EQ(trailing_white_space("\x80\x80\x80\x80\x80"), 0u);
}

}  // namespace
}  // namespace sambay
