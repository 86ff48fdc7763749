#include <gtest/gtest.h>

#include "base/utf8.h"
#include "support/random.h"
#include "support/tokenizers.h"

namespace sambay {
namespace {

using Ids = std::vector<TokenId>;

std::string stream(const Tokenizer& tokenizer, const Ids& ids, bool hide_special = true) {
  Detokenizer detokenizer(tokenizer, hide_special);
  std::string text;
  for (TokenId id : ids) {
    detokenizer.push(id, text);
    EXPECT_EQ(valid_utf8_prefix(text), text.size());
  }
  detokenizer.finish(text);
  return text;
}

/// What the whole text is when nothing is held back.
std::string lossy(const std::string& bytes) {
  std::string text;
  if (append_lossy_utf8(bytes, text) > 0) text += "\uFFFD";
  return text;
}

std::unique_ptr<Tokenizer> tiny() { return test::build(test::tiny_tokenizer_json()); }

TEST(Detokenizer, HoldsBackAnUnfinishedCharacter) {
  const auto tokenizer = tiny();
  Detokenizer detokenizer(*tokenizer);
  std::string text;
  for (TokenId byte : {0xF0, 0x9F, 0x98}) detokenizer.push(byte, text);
  EXPECT_EQ(text, "");
  detokenizer.push(0x80, text);
  EXPECT_EQ(text, "\U0001F600");
  detokenizer.finish(text);
  EXPECT_EQ(text, "\U0001F600");
}

TEST(Detokenizer, FinishTurnsWhatIsHeldBackIntoOneReplacement) {
  const auto tokenizer = tiny();
  EXPECT_EQ(stream(*tokenizer, {'a', 0xF0, 0x9F, 0x98}), "a\uFFFD");
  Detokenizer detokenizer(*tokenizer);
  std::string text;
  detokenizer.push(0xE2, text);
  detokenizer.finish(text);
  detokenizer.finish(text);  // a second time there is nothing left
  EXPECT_EQ(text, "\uFFFD");
}

TEST(Detokenizer, GivesTheSameTextForEveryCutOfABrokenStream) {
  const auto tokenizer = tiny();
  const std::string bytes =
      "the \xF0\x9F\x98\x80\xE2\x82the\xC0\xAF\xF4\x91\x92\x93\xED\xA0\x80 \xE2\x82\xAC\xF1\xBF";
  // Byte by byte and as the encoder cuts it.
  EXPECT_EQ(stream(*tokenizer, Ids(reinterpret_cast<const unsigned char*>(bytes.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()) + bytes.size())),
            lossy(bytes));
  EXPECT_EQ(stream(*tokenizer, *tokenizer->encode(bytes)), lossy(bytes));
  // Split at every byte: the text so far is a prefix, and nothing that is certain is held back.
  for (size_t cut = 0; cut <= bytes.size(); cut++) {
    Detokenizer detokenizer(*tokenizer);
    std::string text;
    for (size_t i = 0; i < cut; i++) detokenizer.push(static_cast<unsigned char>(bytes[i]), text);
    std::string certain;
    append_lossy_utf8(std::string_view(bytes).substr(0, cut), certain);
    EXPECT_EQ(text, certain);
    for (size_t i = cut; i < bytes.size(); i++) detokenizer.push(static_cast<unsigned char>(bytes[i]), text);
    detokenizer.finish(text);
    EXPECT_EQ(text, lossy(bytes)) << cut;
  }
}

TEST(Detokenizer, AnyIdsGiveTheTextOfTheirBytes) {
  const Tokenizer& tokenizer = test::golden_tokenizer();
  test::Random random(1);
  for (int round = 0; round < 200; round++) {
    Ids ids;
    for (int i = 0; i < 40; i++) ids.push_back(random.below(2) ? random.below(200100) : random.below(400));
    EXPECT_EQ(stream(tokenizer, ids, false), lossy(tokenizer.decode(ids)));
    Ids visible;
    for (TokenId id : ids)
      if (!tokenizer.is_special(id)) visible.push_back(id);
    EXPECT_EQ(stream(tokenizer, ids, true), lossy(tokenizer.decode(visible)));
  }
}

TEST(Detokenizer, HidesOnlyControlTokens) {
  const auto tokenizer = tiny();
  const Ids ids{'a', 260, 262, 'b', 261, 266, 1000, -5};
  EXPECT_EQ(stream(*tokenizer, ids), "a<pad>b");
  EXPECT_EQ(stream(*tokenizer, ids, false), "a<|x|><pad>b<|end|>");
}

TEST(Detokenizer, AHiddenTokenDoesNotBreakACharacter) {
  const auto tokenizer = tiny();
  EXPECT_EQ(stream(*tokenizer, {0xE2, 0x82, 260, 0xAC}), "\u20ac");
}

}  // namespace
}  // namespace sambay
