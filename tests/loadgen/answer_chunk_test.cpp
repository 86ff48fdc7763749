#include "loadgen/answer_chunk.h"

#include <gtest/gtest.h>

namespace sambay {
namespace {

AnswerChunk chunk_of(std::string_view json) {
  const auto chunk = parse_answer_chunk(json);
  EXPECT_TRUE(chunk) << json;
  return chunk.value_or(AnswerChunk());
}

TEST(AnswerChunk, TakesContentAndThinkingAsOutputAndContentAloneAsText) {
  const AnswerChunk text =
      chunk_of(R"({"choices": [{"index": 0, "delta": {"content": "4"}, "finish_reason": null}]})");
  EXPECT_TRUE(text.has_output);
  EXPECT_EQ(text.content, "4");
  EXPECT_FALSE(text.is_last);
  for (const char* field : {"reasoning_content", "reasoning"}) {
    const AnswerChunk thought =
        chunk_of(std::string(R"({"choices": [{"delta": {")") + field + R"(": "hm"}}]})");
    EXPECT_TRUE(thought.has_output) << field;
    EXPECT_EQ(thought.content, "") << field;
  }
}

TEST(AnswerChunk, ARoleAloneIsNoOutput) {
  EXPECT_FALSE(chunk_of(R"({"choices": [{"delta": {"role": "assistant", "content": null}}]})").has_output);
  EXPECT_FALSE(chunk_of(R"({"choices": [{"delta": {"role": "assistant", "content": ""}}]})").has_output);
}

TEST(AnswerChunk, AnEmptyTextOfACompletionIsATokenUnlessItEnds) {
  EXPECT_TRUE(chunk_of(R"({"choices": [{"text": "", "finish_reason": null}]})").has_output);
  const AnswerChunk last = chunk_of(R"({"choices": [{"text": "", "finish_reason": "length"}]})");
  EXPECT_FALSE(last.has_output);
  EXPECT_TRUE(last.is_last);
}

TEST(AnswerChunk, ReadsUsage) {
  const AnswerChunk chunk = chunk_of(
      R"({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 7}}})");
  ASSERT_TRUE(chunk.usage);
  EXPECT_EQ(chunk.usage->prompt, 9);
  EXPECT_EQ(chunk.usage->cached, 7);
  EXPECT_EQ(chunk.usage->completion, 5);
  EXPECT_FALSE(chunk_of(R"({"choices": [], "usage": null})").usage);
  EXPECT_EQ(chunk_of(R"({"usage": {"prompt_tokens": 1e30, "completion_tokens": -1}})").usage->prompt, 0);
}

TEST(AnswerChunk, ReadsErrorsInBothForms) {
  EXPECT_EQ(chunk_of(R"({"error": {"message": "stopping", "code": "x"}})").error, "stopping");
  EXPECT_EQ(chunk_of(R"({"error": "stopping"})").error, "stopping");
  EXPECT_NE(chunk_of(R"({"error": {}})").error, "");
  EXPECT_EQ(chunk_of(R"({"choices": []})").error, "");
}

TEST(AnswerChunk, RefusesWhatIsNoChunk) {
  for (const char* json : {"", "x", "[]", "3", "{\"choices\": 3}", "{\"choices\": {}}", "{"})
    EXPECT_FALSE(parse_answer_chunk(json)) << json;
}

TEST(ModelList, NamesTheFirst) {
  EXPECT_EQ(*parse_model_list(R"({"object": "list", "data": [{"id": "a"}, {"id": "b"}]})"), "a");
  for (const char* json :
       {"", "[]", "{}", R"({"data": []})", R"({"data": [{"id": 3}]})", R"({"data": ["a"]})"})
    EXPECT_FALSE(parse_model_list(json)) << json;
}

}  // namespace
}  // namespace sambay
