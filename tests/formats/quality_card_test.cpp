#include "formats/quality_card.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sambay {
namespace {

using ::testing::HasSubstr;

constexpr const char* kCard =
    R"({"made_by":"me","problems_seed":7,"families_of":"bf16",)"
    R"("families":{"sub":{"problems":200,"answer":0.99,"work":1.0,"both":0.985},)"
    R"("add":{"problems":100,"answer":1.0,"work":1.0,"both":1.0}},)"
    R"("types":{"bf16":{"accuracy":0.99},"q8_0":{"accuracy":0.98,"kl_mean":2.5e-05,"top1_agreement":0.9987,)"
    R"("families":{"sub":0.97,"add":1.0}}}})";

std::string changed(std::string_view from, std::string_view to) {
  std::string text = kCard;
  EXPECT_NE(text.find(from), std::string::npos) << from;
  return text.replace(text.find(from), from.size(), to);
}

TEST(QualityCard, ReadsWhatItWritesInTheOrderOfTheFile) {
  const auto card = parse_quality_card(kCard, "card.json");
  ASSERT_TRUE(card) << card.error().message;
  EXPECT_EQ(card->families[0].name, "sub");
  EXPECT_EQ(card->families[0].both, 0.985);
  EXPECT_EQ(card->types[0].kl_mean, std::nullopt);
  EXPECT_EQ(card->types[1].kl_mean, 2.5e-5);
  EXPECT_EQ(card->types[1].families.size(), 2u);
  EXPECT_EQ(quality_card_json(*card, false), std::string(kCard) + "\n");
  const std::string spread = quality_card_json(*card, true);
  EXPECT_EQ(quality_card_json(*parse_quality_card(spread, ""), false), std::string(kCard) + "\n");
}

TEST(QualityCard, IgnoresMembersItDoesNotKnow) {
  EXPECT_TRUE(parse_quality_card(changed("\"problems_seed\"", "\"x\":[1],\"problems_seed\""), "card.json"));
}

TEST(QualityCard, ErrorsNameTheMember) {
  const auto refuses = [](const std::string& text, const char* why) {
    const auto card = parse_quality_card(text, "card.json");
    ASSERT_FALSE(card) << text;
    EXPECT_EQ(card.error().code, ErrorCode::corrupt);
    EXPECT_THAT(card.error().message, HasSubstr(why));
    EXPECT_EQ(card.error().message.find('\n'), std::string::npos);
  };
  refuses("", "card.json: not JSON");
  refuses("[]", "card.json: not a JSON object");
  refuses("{}", "card.json: made_by: must be");
  refuses(std::string(70'000, ' '), "70000 bytes");
  refuses(changed(":7,", ":-7,"), "problems_seed: must be a whole number");
  refuses(changed("\"bf16\",", "3,"), "families_of: must be");
  refuses(changed("200", "2.5"), "families.sub.problems: must be a whole number");
  refuses(changed("0.99,", "1.01,"), "families.sub.answer: must be a number from 0 to 1");
  refuses(changed("0.985", "\"much\""), "families.sub.both: must be a number");
  refuses(changed("{\"accuracy\":0.99}", "0.99"), "types.bf16: must be an object");
  refuses(changed("\"accuracy\":0.98", "\"accurate\":0.98"), "types.q8_0.accuracy: must be");
  refuses(changed("2.5e-05", "-1"), "types.q8_0.kl_mean: must be");
  refuses(changed("{\"sub\":0.97", "{\"sub\":97"), "types.q8_0.families.sub: must be");
  refuses(changed("\"sub\":{", "\"\\u001b\":{"), "families: '\\x1b' is no name");
}

}  // namespace
}  // namespace sambay
