// Encoding and decoding, against gold data and by properties.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "base/utf8.h"
#include "support/random.h"
#include "support/tokenizers.h"
#include "text/pretokenizer.h"

namespace sambay {
namespace {

using Ids = std::vector<TokenId>;
using ::testing::HasSubstr;

void expect_gold(const std::string& file, bool parse_special, size_t count) {
  const Tokenizer& tokenizer = test::golden_tokenizer();
  const auto cases = nlohmann::json::parse(test::read_text(test::golden_tokenizer_path(file)));
  ASSERT_EQ(cases.size(), count);
  for (const auto& gold : cases) {
    const std::string text = test::from_hex(gold["utf8_hex"]);
    const auto ids = tokenizer.encode(text, parse_special);
    ASSERT_TRUE(ids) << ids.error().message;
    EXPECT_EQ(*ids, gold["ids"].get<Ids>()) << gold["name"];
    if (!parse_special) {
      EXPECT_EQ(tokenizer.decode(*ids), text) << gold["name"];
    }
  }
}

TEST(Tokenizer, GivesTheGoldEncodings) { expect_gold("gold_encodings.json", false, 98); }
TEST(Tokenizer, GivesTheGoldChatEncodings) { expect_gold("gold_chat.json", true, 5); }

/// Valid UTF-8 with plenty of what the pattern distinguishes.
std::string random_text(test::Random& random, int characters) {
  constexpr std::u32string_view kCommon =
      U" \n\t\r/'aAeE1sStTlL.,!-\u0301\u00e9\u4f60\u3042\u00a0\u017f\u0967";
  std::string text;
  for (int i = 0; i < characters; i++) {
    char32_t c = kCommon[static_cast<size_t>(random.below(static_cast<int>(kCommon.size())))];
    if (random.below(10) == 0) {
      do c = static_cast<char32_t>(random.below(0x110000));
      while (c >= 0xD800 && c < 0xE000);
    }
    append_utf8(c, text);
  }
  return text;
}

TEST(Tokenizer, EqualsTheDefinitionOfBpeOnRandomText) {
  const auto data = parse_tokenizer_json(test::read_text(test::golden_tokenizer_path("tokenizer.json")), "t");
  ASSERT_TRUE(data);
  const test::SlowBpe slow(*data);
  const auto pretokenizer = Pretokenizer::compile(data->pattern);
  ASSERT_TRUE(pretokenizer);
  test::Random random(1);
  for (int round = 0; round < 50; round++) {
    const std::string text = random_text(random, 200);
    Ids expected;
    WordSplitter splitter(*pretokenizer, text.size());
    for (size_t at = 0; at < text.size();) {
      const size_t end = *splitter.word_end(text, at);
      for (TokenId id : slow.encode(std::string_view(text).substr(at, end - at))) expected.push_back(id);
      at = end;
    }
    ASSERT_EQ(*test::golden_tokenizer().encode(text), expected) << text;
  }
}

TEST(Tokenizer, AnyBytesSurviveEncodingAndDecoding) {
  const Tokenizer& tokenizer = test::golden_tokenizer();
  test::Random random(2);
  for (int round = 0; round < 300; round++) {
    std::string bytes = random_text(random, random.below(100));
    for (int i = random.below(100); i > 0; i--)
      bytes.insert(static_cast<size_t>(random.below(static_cast<int>(bytes.size() + 1))), 1,
                   static_cast<char>(random.below(256)));
    const auto ids = tokenizer.encode(bytes);
    ASSERT_TRUE(ids);
    ASSERT_EQ(tokenizer.decode(*ids), bytes);
  }
}

TEST(Tokenizer, DecodingAnyIdsGivesBytesThatDecodeToThemselves) {
  const Tokenizer& tokenizer = test::golden_tokenizer();
  test::Random random(3);
  for (int round = 0; round < 100; round++) {
    Ids ids;
    std::string bytes;
    for (int i = 0; i < 50; i++) {
      ids.push_back(random.below(200100) - 10);  // padding rows and nonsense too
      bytes += tokenizer.bytes(ids.back());
    }
    ASSERT_EQ(tokenizer.decode(ids), bytes);
    const auto again = tokenizer.encode(bytes);
    ASSERT_TRUE(again);
    ASSERT_EQ(tokenizer.decode(*again), bytes);
  }
}

TEST(Tokenizer, IdsWithoutTokenHaveNoBytes) {
  const Tokenizer& tokenizer = test::golden_tokenizer();
  EXPECT_EQ(tokenizer.size(), 200029);
  for (TokenId id : {-1, INT32_MIN, 199998, 200000, 200029, 200063, INT32_MAX}) {
    EXPECT_EQ(tokenizer.bytes(id), "");
    EXPECT_FALSE(tokenizer.is_special(id));
    EXPECT_FALSE(tokenizer.strips_right(id));
  }
}

TEST(Tokenizer, KnowsItsAddedTokens) {
  const Tokenizer& tokenizer = test::golden_tokenizer();
  EXPECT_EQ(tokenizer.added_token("<|end|>"), 200020);
  EXPECT_EQ(tokenizer.added_token("<|endoftext|>"), 199999);
  EXPECT_EQ(tokenizer.added_token("<|en"), std::nullopt);
  EXPECT_EQ(tokenizer.added_token(""), std::nullopt);
  EXPECT_EQ(tokenizer.added_token("hello"), std::nullopt);
  EXPECT_EQ(tokenizer.bytes(200020), "<|end|>");
  EXPECT_TRUE(tokenizer.is_special(200020));
  EXPECT_TRUE(tokenizer.strips_right(200020));
  EXPECT_FALSE(tokenizer.strips_right(199999));
}

TEST(Tokenizer, NoSpecialTokenArisesFromText) {
  const Tokenizer& tokenizer = test::golden_tokenizer();
  test::Random random(4);
  for (int round = 0; round < 100; round++) {
    std::string text;
    for (int i = 0; i < 20; i++) {
      if (random.below(2)) {
        text += tokenizer.bytes(199999 + random.below(30));
      } else {
        text += random_text(random, 3);
      }
    }
    const auto ids = tokenizer.encode(text);
    ASSERT_TRUE(ids);
    for (TokenId id : *ids) ASSERT_LT(id, 199998) << text;
    ASSERT_EQ(tokenizer.decode(*ids), text);
  }
}

TEST(Tokenizer, WhiteSpaceBesideAddedTokensGoesWhereTheyAskForIt) {
  const auto tokenizer = test::build(test::tiny_tokenizer_json());
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(*tokenizer->encode("a <|x|> b", true), (Ids{'a', ' ', 260, ' ', 'b'}));
  EXPECT_EQ(*tokenizer->encode("a <|end|> \n\tb", true), (Ids{'a', ' ', 261, 'b'}));
  EXPECT_EQ(*tokenizer->encode("a \n<pad> b", true), (Ids{'a', 262, ' ', 'b'}));
  EXPECT_EQ(*tokenizer->encode("<|end|>  <pad>  <|end|>  ", true), (Ids{261, 262, ' ', ' ', 261}));
  EXPECT_EQ(*tokenizer->encode("<|end|>\u3000\u0085x", true), (Ids{261, 'x'}));
  EXPECT_EQ(*tokenizer->encode("<|end|> \xFF", true), (Ids{261, 0xFF}));
  EXPECT_EQ(*tokenizer->encode("<|en<|end|>|>", true), (Ids{'<', '|', 'e', 'n', 261, '|', '>'}));
}

TEST(Tokenizer, TheLongestAddedTokenWins) {
  auto json = test::tiny_tokenizer_json();
  json["added_tokens"].push_back({{"id", 300}, {"content", "<|end|><|x|>"}, {"special", true}});
  const auto tokenizer = test::build(json);
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(*tokenizer->encode("<|end|><|x|><|end|><|x", true), (Ids{300, 261, '<', '|', 'x'}));
}

TEST(Tokenizer, BytesThatAreNotUtf8BecomeOneTokenEachAndWordsDoNotCrossThem) {
  const auto tokenizer = test::build(test::tiny_tokenizer_json());
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(*tokenizer->encode("the\xFFthe"), (Ids{258, 0xFF, 258}));
  EXPECT_EQ(*tokenizer->encode("t\xE2\x82he"), (Ids{'t', 0xE2, 0x82, 257}));
  EXPECT_EQ(*tokenizer->encode("the\xC3"), (Ids{258, 0xC3}));
  EXPECT_EQ(*tokenizer->encode("\xED\xA0\x80"), (Ids{0xED, 0xA0, 0x80}));
}

TEST(Tokenizer, AMissingByteIsAnErrorThatNamesItsOffset) {
  auto json = test::tiny_tokenizer_json();
  json["model"]["vocab"].erase("z");
  json["model"]["vocab"].erase("\u00ff");
  const auto tokenizer = test::build(json);
  ASSERT_TRUE(tokenizer);
  const auto ids = tokenizer->encode("the the z");
  ASSERT_FALSE(ids);
  EXPECT_EQ(ids.error().code, ErrorCode::invalid_argument);
  EXPECT_THAT(ids.error().message, HasSubstr("byte 0x7a at offset 8"));
  EXPECT_THAT(tokenizer->encode("the \xFF").error().message, HasSubstr("byte 0xff at offset 4"));
}

TEST(Tokenizer, APatternThatGivesUpIsAnErrorThatNamesTheOffset) {
  auto json = test::tiny_tokenizer_json();
  test::tiny_pattern(json) = "b|(?:a|aa)+$";
  const auto tokenizer = test::build(json);
  ASSERT_TRUE(tokenizer);
  const auto ids = tokenizer->encode("bb" + std::string(60, 'a') + "c");
  ASSERT_FALSE(ids);
  EXPECT_EQ(ids.error().code, ErrorCode::invalid_argument);
  EXPECT_THAT(ids.error().message, HasSubstr("at byte 2: the tokenizer's pattern gives up"));
}

TEST(Tokenizer, IgnoreMergesTakesAWholeWordThatIsAToken) {
  auto json = test::tiny_tokenizer_json();
  json["model"]["vocab"]["hello"] = 270;                      // no merge makes it
  EXPECT_EQ(test::build(json)->encode("hello")->size(), 4u);  // he l l o
  json["model"]["ignore_merges"] = true;
  const auto tokenizer = test::build(json);
  EXPECT_EQ(*tokenizer->encode("hello"), (Ids{270}));
  // A word that is the text of an added token is still plain text.
  test::tiny_pattern(json) = "<\\|x\\|>|.";
  EXPECT_EQ(test::build(json)->encode("<|x|>")->size(), 5u);
}

// A word that occurs again must get the ids it got before, wherever the cache put them.
TEST(Tokenizer, RepeatedWordsEqualWordsEncodedAlone) {
  const Tokenizer& tokenizer = test::golden_tokenizer();
  test::Random random(5);
  std::vector<std::string> words;
  for (int i = 0; i < 3000; i++) words.push_back(" w" + std::to_string(random.below(100000)) + "th");
  std::string text;
  Ids expected;
  for (int i = 0; i < 20000; i++) {
    const std::string& word = words[static_cast<size_t>(random.below(3000))];
    text += word;
    const Ids alone = *tokenizer.encode(word);
    expected.insert(expected.end(), alone.begin(), alone.end());
  }
  EXPECT_EQ(*tokenizer.encode(text), expected);
}

TEST(Tokenizer, ThreadsShareOneTokenizer) {
  const Tokenizer& tokenizer = test::golden_tokenizer();
  const auto work = [&](uint64_t seed) {
    test::Random random(seed);
    Ids all;
    for (int round = 0; round < 50; round++) {
      const Ids ids = *tokenizer.encode(random_text(random, 200), true);
      all.insert(all.end(), ids.begin(), ids.end());
    }
    return all;
  };
  std::vector<Ids> found(4);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < found.size(); i++) threads.emplace_back([&, i] { found[i] = work(i); });
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 0; i < found.size(); i++) EXPECT_EQ(found[i], work(i));
}

class LongRun : public ::testing::TestWithParam<const char*> {};

TEST_P(LongRun, OfOneCharacterIsEncodedWhole) {
  const std::string_view character = GetParam();
  std::string text;
  while (text.size() < size_t{16} << 20) text += character;
  const auto ids = test::golden_tokenizer().encode(text);
  ASSERT_TRUE(ids) << ids.error().message;
  EXPECT_LE(ids->size(), text.size());
  EXPECT_TRUE(test::golden_tokenizer().decode(*ids) == text);  // 16 MiB are no failure message
}

INSTANTIATE_TEST_SUITE_P(SixteenMebibytes, LongRun,
                         ::testing::Values("a", "A", " ", "\n", "1", "!", "\u0301", "\u4f60", "\xFF"));

TEST(TokenizerOpen, RefusesWhatIsNoTokenizer) {
  EXPECT_EQ(Tokenizer::open("/nonexistent/tokenizer.json").error().code, ErrorCode::not_found);
  const auto gold = Tokenizer::open(test::golden_tokenizer_path("gold_chat.json"));
  ASSERT_FALSE(gold);
  EXPECT_EQ(gold.error().code, ErrorCode::corrupt);
  EXPECT_THAT(gold.error().message, HasSubstr("gold_chat.json: top level must be an object"));
}

TEST(TokenizerOpen, OpensTheModelInTheRepository) {
  const auto tokenizer = Tokenizer::open(SAMBAY_SOURCE_DIR "/models/pocket");
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  const std::string text = "What is 347 + 589?\n";
  EXPECT_EQ((*tokenizer)->decode(*(*tokenizer)->encode(text)), text);
  EXPECT_TRUE((*tokenizer)->added_token("<|end|>"));
}

}  // namespace
}  // namespace sambay
