#include "text/byte_alphabet.h"

#include <gtest/gtest.h>

#include "base/utf8.h"

namespace sambay {
namespace {

TEST(ByteAlphabet, EveryByteSurvives) {
  std::string all;
  for (int b = 0; b < 256; b++) all += static_cast<char>(b);
  std::string back;
  ASSERT_TRUE(from_byte_alphabet(to_byte_alphabet(all), back));
  EXPECT_EQ(back, all);
}

TEST(ByteAlphabet, SpellsBytesAsGpt2Does) {
  EXPECT_EQ(to_byte_alphabet(" a\n"), "\u0120a\u010a");
  EXPECT_EQ(to_byte_alphabet(std::string(1, '\0')), "\u0100");
  EXPECT_EQ(to_byte_alphabet("\xAD"), "\u0143");  // the last of the 68
  EXPECT_EQ(to_byte_alphabet("\xFF"), "\u00ff");
}

TEST(ByteAlphabet, RefusesEveryOtherCharacter) {
  int accepted = 0;
  for (char32_t c = 0; c < 0x110000; c++) {
    if (c >= 0xD800 && c < 0xE000) continue;
    std::string text, out;
    append_utf8(c, text);
    accepted += from_byte_alphabet(text, out);
  }
  EXPECT_EQ(accepted, 256);
  std::string out;
  EXPECT_FALSE(from_byte_alphabet("\xC4", out));      // cut off
  EXPECT_FALSE(from_byte_alphabet("\xC4\x41", out));  // not UTF-8
  EXPECT_FALSE(from_byte_alphabet("\xC1\x81", out));  // overlong "A"
}

}  // namespace
}  // namespace sambay
