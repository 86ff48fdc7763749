#include "tools/problems.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "support/temp_folder.h"

namespace sambay {
namespace {

using ::testing::HasSubstr;

constexpr const char* kHeader = R"({"seed": 7, "split": "test", "count": 1})";
constexpr const char* kSum =
    R"({"family":"add","messages":[{"role":"user","content":"3+4"}],"thinking":"3+4=7","answer":"7","key":"add:3+4"})";

std::string fault(std::string_view text) {
  const auto set = parse_problems(text, "p.jsonl");
  if (set) return "";
  EXPECT_EQ(set.error().code, ErrorCode::corrupt);
  EXPECT_EQ(set.error().message.find('\n'), std::string::npos);
  return set.error().message;
}

TEST(Problems, AreReadWithAndWithoutHeader) {
  const auto set = parse_problems(std::string(kHeader) + "\n\n" + kSum + "\r\n" + kSum, "p.jsonl");
  ASSERT_TRUE(set) << set.error().message;
  EXPECT_EQ(set->seed, 7u);
  EXPECT_EQ(set->split, "test");
  ASSERT_EQ(set->problems.size(), 2u);
  const Problem& problem = set->problems[1];
  EXPECT_EQ(problem.family, "add");
  EXPECT_EQ(problem.key, "add:3+4");
  EXPECT_EQ(problem.thinking, "3+4=7");
  EXPECT_EQ(problem.answer, "7");
  ASSERT_EQ(problem.messages.size(), 1u);
  EXPECT_EQ(problem.messages[0].content, "3+4");
  EXPECT_FALSE(parse_problems(kSum, "p.jsonl")->seed);
}

TEST(Problems, AreReadWithoutExpectedWorkAndWithSeveralAnswers) {
  const auto set =
      parse_problems(R"({"family":"unit","messages":[{"role":"user","content":"How many m are 2 km?"}],)"
                     R"("answer":["2000 m","2000"],"key":"k"})",
                     "p.jsonl");
  ASSERT_TRUE(set) << set.error().message;
  const Problem& problem = set->problems[0];
  EXPECT_FALSE(problem.thinking);
  EXPECT_EQ(problem.answer, "2000 m");
  EXPECT_TRUE(problem.accepts("2000 m"));
  EXPECT_TRUE(problem.accepts("2000"));
  EXPECT_FALSE(problem.accepts("2000 "));
  EXPECT_FALSE(problem.accepts(""));
}

TEST(Problems, OfOurOwnWordsAreReadAndHaveKeysOfTheirOwn) {
  const auto set = read_problems(SAMBAY_SOURCE_DIR "/train/own_words.jsonl");
  ASSERT_TRUE(set) << set.error().message;
  std::set<std::string> keys;
  for (const Problem& problem : set->problems)
    EXPECT_TRUE(keys.insert(problem.key).second) << problem.key << " stands there twice";
}

TEST(Problems, KeepToolsAndThinkingOfEarlierMessages) {
  const auto set = parse_problems(
      R"({"family":"tool","messages":[{"role":"system","content":"Help.","tools":"[{\"name\": \"clock\"}]"},)"
      R"({"role":"user","content":"Time?"},{"role":"assistant","content":"<|tool_call|>[]<|/tool_call|>",)"
      R"("thinking":" clock"},{"role":"tool","content":"12:00"}],"thinking":"","answer":"12:00","key":"k"})",
      "p.jsonl");
  ASSERT_TRUE(set) << set.error().message;
  const auto& messages = set->problems[0].messages;
  EXPECT_EQ(messages[0].tools, R"([{"name": "clock"}])");
  EXPECT_EQ(messages[2].content, "<think> clock</think><|tool_call|>[]<|/tool_call|>");
  EXPECT_EQ(messages[3].role, "tool");
}

TEST(Problems, ErrorsNameLineAndMember) {
  const std::string good = std::string(kSum) + "\n";
  const auto changed = [](const char* from, const char* to) {
    std::string text = kSum;
    EXPECT_NE(text.find(from), std::string::npos);
    return text.replace(text.find(from), std::string(from).size(), to);
  };
  EXPECT_THAT(fault(""), HasSubstr("p.jsonl: there are no problems"));
  EXPECT_THAT(fault(kHeader), HasSubstr("there are no problems"));
  EXPECT_THAT(fault(good + "{"), HasSubstr("p.jsonl, line 2: not JSON"));
  EXPECT_THAT(fault(good + "[1]"), HasSubstr("line 2: a JSON array"));
  EXPECT_THAT(fault(good + "\n" + kHeader), HasSubstr("line 3: family: is missing"));
  EXPECT_THAT(fault(R"({"seed":-1})"), HasSubstr("line 1: seed: "));
  EXPECT_THAT(fault(R"({"split":1})"), HasSubstr("split: is a JSON number"));
  EXPECT_THAT(fault(changed("\"add\"", "3")), HasSubstr("family: is a JSON number"));
  EXPECT_THAT(fault(changed("\"add\"", "\"\"")), HasSubstr("family: must be"));
  EXPECT_THAT(fault(changed("\"add\"", "\"a\\u001bb\"")), HasSubstr("family: must be"));
  EXPECT_THAT(fault(changed("\"7\"", "\"\"")), HasSubstr("answer: is empty"));
  EXPECT_THAT(fault(changed("\"7\"", "7")), HasSubstr("answer: is a JSON number"));
  EXPECT_THAT(fault(changed("\"answer\"", "\"reply\"")), HasSubstr("answer: is missing"));
  EXPECT_THAT(fault(changed("\"7\"", "[]")), HasSubstr("answer: must be a string or an array of 1 to 16"));
  EXPECT_THAT(fault(changed("\"7\"", "[\"7\",7]")), HasSubstr("answer[1]: is a JSON number"));
  EXPECT_THAT(fault(changed("\"7\"", "[\"7\",\"\"]")), HasSubstr("answer[1]: is empty"));
  EXPECT_THAT(fault(changed("\"3+4=7\"", "7")), HasSubstr("thinking: is a JSON number"));
  EXPECT_THAT(fault(changed("\"key\"", "\"kee\"")), HasSubstr("key: is missing"));
  EXPECT_THAT(fault(changed("[{", "{\"x\":[{").replace(0, 0, "")), HasSubstr("not JSON"));
  EXPECT_THAT(fault(changed("[{\"role\":\"user\",\"content\":\"3+4\"}]", "[]")),
              HasSubstr("messages: must be"));
  EXPECT_THAT(fault(changed("{\"role\"", "7,{\"role\"")), HasSubstr("messages[0]: must be an object"));
  EXPECT_THAT(fault(changed("\"content\":\"3+4\"", "\"content\":null")),
              HasSubstr("messages[0].content: is a JSON null"));
  EXPECT_THAT(fault(changed("\"user\"", "\"wizard\"")), HasSubstr("messages[0].role: 'wizard'"));
  EXPECT_THAT(fault(changed("\"user\"", "\"assistant\"")), HasSubstr("must be user or tool"));
  EXPECT_THAT(fault(changed("\"3+4\"}", "\"3+4\",\"tools\":\"[{}]\"}")),
              HasSubstr("messages[0].tools: only"));
  EXPECT_THAT(fault(changed("\"3+4\"}", "\"3+4\",\"thinking\":\"\"}")),
              HasSubstr("messages[0].thinking: only"));
  EXPECT_THAT(
      fault(changed("[{\"role\"", "[{\"role\":\"system\",\"content\":\"\",\"tools\":\"[1]\"},{\"role\"")),
      HasSubstr("messages[0].tools: element 0"));
}

TEST(Problems, OfAFileNameTheFile) {
  const test::TempFolder folder;
  folder.write("p.jsonl", kSum);
  EXPECT_TRUE(read_problems(folder.file("p.jsonl")));
  EXPECT_EQ(read_problems(folder.file("none")).error().code, ErrorCode::not_found);
  folder.write("empty", "");
  EXPECT_THAT(read_problems(folder.file("empty")).error().message, HasSubstr("empty: there are no problems"));
}

}  // namespace
}  // namespace sambay
