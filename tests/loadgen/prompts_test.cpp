#include "loadgen/prompts.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

namespace sambay {
namespace {

using Json = nlohmann::json;

Json body_of(const PromptSource& source, uint64_t number, int turn = 0, std::vector<std::string> answers = {},
             bool cold = false) {
  return Json::parse(source.body(number, turn, answers, cold));
}

PromptSource words(int prompt_tokens, int shared_tokens = 0, LoadApi api = LoadApi::chat) {
  PromptOptions o;
  o.api = api;
  o.model = "m";
  o.prompt_tokens = prompt_tokens;
  o.shared_tokens = shared_tokens;
  PromptSource source(o);
  source.set_cost({.tokens_per_word = 1, .tokens_around = 0});
  return source;
}

size_t word_count(const std::string& text) {
  return static_cast<size_t>(std::count(text.begin(), text.end(), ' ')) + 1;
}

TEST(PromptSource, MakesAsManyWordsAsTheTokensCost) {
  PromptOptions o;
  o.prompt_tokens = 100;
  PromptSource source(o);
  source.set_cost({.tokens_per_word = 2, .tokens_around = 10});
  const Json body = body_of(source, 0);
  ASSERT_EQ(body["messages"].size(), 1u);
  EXPECT_EQ(word_count(body["messages"][0]["content"]), 45u);
  EXPECT_EQ(body["stream"], true);
  EXPECT_EQ(body["stream_options"]["include_usage"], true);
  EXPECT_EQ(body["ignore_eos"], true);
}

TEST(PromptSource, GivesEachNumberItsOwnWordsEveryTime) {
  const PromptSource source = words(50);
  std::set<std::string> seen;
  for (uint64_t number = 0; number < 1000; number++) {
    EXPECT_EQ(source.body(number, 0, {}, false), source.body(number, 0, {}, false));
    seen.insert(source.body(number, 0, {}, false));
    seen.insert(source.body(number, 0, {}, true));
  }
  EXPECT_EQ(seen.size(), 2000u);
}

TEST(PromptSource, SharesTheSystemMessageButNotWithAColdOne) {
  const PromptSource source = words(50, 20);
  const Json a = body_of(source, 1), b = body_of(source, 2), cold = body_of(source, 1, 0, {}, true);
  EXPECT_EQ(a["messages"][0]["role"], "system");
  EXPECT_EQ(word_count(a["messages"][0]["content"]), 20u);
  EXPECT_EQ(word_count(a["messages"][1]["content"]), 30u);
  EXPECT_EQ(a["messages"][0], b["messages"][0]);
  EXPECT_NE(a["messages"][1], b["messages"][1]);
  EXPECT_NE(a["messages"][0], cold["messages"][0]);
}

TEST(PromptSource, ALaterTurnBeginsWithAllThatWasSaid) {
  const PromptSource source = words(50);
  const Json first = body_of(source, 3), second = body_of(source, 3, 1, {"the answer"});
  ASSERT_EQ(second["messages"].size(), 3u);
  EXPECT_EQ(second["messages"][0], first["messages"][0]);
  EXPECT_EQ(second["messages"][1], (Json{{"role", "assistant"}, {"content", "the answer"}}));
  EXPECT_EQ(word_count(second["messages"][2]["content"]), 64u);
}

TEST(PromptSource, TokenIdsAreExactAndGrowAtTheirEnd) {
  PromptOptions o;
  o.api = LoadApi::completions;
  o.prompt_tokens = 100, o.shared_tokens = 40, o.turn_tokens = 8, o.max_tokens = 16, o.token_ids = 500;
  const PromptSource source(o);
  const auto first = body_of(source, 1)["prompt"].get<std::vector<int>>();
  const auto second = body_of(source, 1, 1, {""})["prompt"].get<std::vector<int>>();
  const auto other = body_of(source, 2)["prompt"].get<std::vector<int>>();
  ASSERT_EQ(first.size(), 100u);
  ASSERT_EQ(second.size(), 124u);
  EXPECT_TRUE(std::equal(first.begin(), first.end(), second.begin()));
  EXPECT_TRUE(std::equal(first.begin(), first.begin() + 40, other.begin()));
  EXPECT_NE(std::vector(first.begin() + 40, first.end()), std::vector(other.begin() + 40, other.end()));
  for (const int id : second) EXPECT_TRUE(id >= 0 && id < 500);
}

TEST(WordCost, FollowsFromTwoCounts) {
  const auto cost = WordCost::from(16, 30, 144, 222);
  ASSERT_TRUE(cost);
  EXPECT_DOUBLE_EQ(cost->tokens_per_word, 1.5);
  EXPECT_DOUBLE_EQ(cost->tokens_around, 6);
  EXPECT_EQ(cost->words_for(156), 100);
  EXPECT_EQ(cost->words_for(1), 1);
  EXPECT_FALSE(WordCost::from(16, 0, 144, 0));  // a server that counts nothing
  EXPECT_FALSE(WordCost::from(16, 30, 16, 30));
  EXPECT_FALSE(WordCost::from(16, 300, 144, 30));
}

TEST(ParsePrompts, TakesMessagesAndPromptsInTurn) {
  const auto prompts = parse_prompts(
      "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}], \"max_tokens\": 5}\r\n\n{\"prompt\": [1, "
      "2], \"x\": 1}\n{\"prompt\": "
      "\"b\"}",
      "f");
  ASSERT_TRUE(prompts) << prompts.error().message;
  PromptOptions o;
  o.file = *prompts;
  o.max_tokens = 9;
  const PromptSource source(o);
  EXPECT_EQ(source.api(0), LoadApi::chat);
  EXPECT_EQ(body_of(source, 0)["max_tokens"], 5);
  EXPECT_EQ(source.api(1), LoadApi::completions);
  EXPECT_EQ(body_of(source, 1)["prompt"], Json::parse("[1, 2]"));
  EXPECT_EQ(body_of(source, 1)["max_tokens"], 9);
  EXPECT_EQ(body_of(source, 2)["prompt"], "b");
  EXPECT_EQ(source.body(3, 0, {}, false), source.body(0, 0, {}, false));
}

TEST(ParsePrompts, NamesTheLineThatIsWrong) {
  const std::string good = "{\"prompt\": \"a\"}\n";
  for (const char* line :
       {"x", "[]", "{}", "{\"prompt\": 3}", "{\"prompt\": \"a\", \"messages\": []}", "{\"messages\": []}",
        "{\"messages\": \"a\"}", "{\"prompt\": \"a\", \"max_tokens\": 0}",
        "{\"prompt\": \"a\", \"max_tokens\": \"9\"}", "{\"prompt\": \"a\", \"max_tokens\": 1e9}"}) {
    const auto prompts = parse_prompts(good + line, "file.jsonl");
    ASSERT_FALSE(prompts) << line;
    EXPECT_NE(prompts.error().message.find("file.jsonl: line 2"), std::string::npos)
        << prompts.error().message;
  }
  EXPECT_FALSE(parse_prompts("\n \n", "f"));
}

}  // namespace
}  // namespace sambay
