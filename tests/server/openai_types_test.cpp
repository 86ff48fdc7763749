#include "server/openai_types.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>

namespace sambay::server {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::string kMessages = R"("messages": [{"role": "user", "content": "Hi"}])";

Parsed<ChatRequest> chat(const std::string& more) {
  return parse_chat_request("{" + kMessages + (more.empty() ? "" : ", " + more) + "}", {});
}

/// The field that a request is refused for; "" when it is accepted.
std::string param(const Parsed<ChatRequest>& parsed) {
  if (parsed) return "";
  EXPECT_EQ(parsed.error().status, 400);
  return parsed.error().param;
}

TEST(ChatRequest, ReadsTheFieldsOfOpenAi) {
  const auto r =
      chat(R"("temperature": 0.5, "top_p": 0.9, "max_tokens": 7, "n": 3, "seed": 5, "stop": ["a", "b"],
                         "stream": true, "stream_options": {"include_usage": true}, "logprobs": true,
                         "top_logprobs": 2, "presence_penalty": -1, "frequency_penalty": 2,
                         "logit_bias": {"12": -100}, "reasoning_effort": "low")");
  ASSERT_TRUE(r) << r.error().message;
  EXPECT_FLOAT_EQ(r->common.sampling.temperature, 0.5f);
  EXPECT_FLOAT_EQ(r->common.sampling.top_p, 0.9f);
  EXPECT_EQ(r->common.max_tokens, 7);
  EXPECT_EQ(r->common.n, 3);
  EXPECT_EQ(r->common.sampling.seed, 5u);
  EXPECT_THAT(r->common.stop, ElementsAre("a", "b"));
  EXPECT_TRUE(r->common.stream);
  EXPECT_TRUE(r->common.include_usage);
  EXPECT_EQ(r->top_logprobs, 2);
  EXPECT_THAT(r->common.sampling.logit_bias, ElementsAre(std::pair<TokenId, float>(12, -100)));
  EXPECT_EQ(r->common.thinking_budget, 1024);
}

TEST(ChatRequest, LaterNamesOfTheLimitWin) {
  EXPECT_EQ(chat(R"("n_predict": 1, "max_tokens": 2, "max_completion_tokens": 3)")->common.max_tokens, 3);
  EXPECT_EQ(chat(R"("max_completion_tokens": 3, "max_tokens": 2)")->common.max_tokens, 3);
  EXPECT_EQ(chat(R"("n_predict": 1)")->common.max_tokens, 1);
}

TEST(ChatRequest, NullMeansAbsentAndUnknownFieldsMeanNothing) {
  const auto r = chat(R"("temperature": null, "stop": null, "stream": null, "tools": null, "n": null,
                         "response_format": null, "whatever": {"a": [1]})");
  ASSERT_TRUE(r) << r.error().message;
  EXPECT_FLOAT_EQ(r->common.sampling.temperature, SamplingOptions{}.temperature);
  EXPECT_EQ(r->common.n, 1);
}

TEST(ChatRequest, DefaultsAreTheServers) {
  RequestDefaults defaults;
  defaults.sampling.temperature = 0;
  defaults.max_tokens = 9;
  defaults.most_tokens = 20;
  defaults.thinking_budget = 4;
  const auto r = parse_chat_request("{" + kMessages + "}", defaults);
  EXPECT_EQ(r->common.sampling.temperature, 0);
  EXPECT_EQ(r->common.max_tokens, 9);
  for (const auto& [asked, given] : {std::pair(4, 4), std::pair(400, 20), std::pair(-1, 9)})
    EXPECT_EQ(
        parse_chat_request("{" + kMessages + ", \"max_tokens\": " + std::to_string(asked) + "}", defaults)
            ->common.max_tokens,
        given);
  EXPECT_EQ(r->common.thinking_budget, 4);
}

TEST(ChatRequest, ContentIsAStringNullOrPartsOfText) {
  const auto r = parse_chat_request(
      R"({"messages": [{"role": "developer", "content": "S"},
                       {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
                       {"role": "assistant", "content": null}, {"role": "user", "content": "c"}]})",
      {});
  ASSERT_TRUE(r) << r.error().message;
  EXPECT_EQ(r->conversation.messages[0].role, "system");
  EXPECT_EQ(r->conversation.messages[1].content, "ab");
  EXPECT_EQ(r->conversation.messages[2].content, "");
}

const std::string kBegun =
    R"({"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "So"}])";

TEST(ChatRequest, GoesOnInTheAssistantsMessageThatIsLast) {
  const auto ending = [](const std::string& more, const RequestDefaults& defaults = {}) {
    return parse_chat_request(kBegun + more + "}", defaults)->conversation.ending;
  };
  RequestDefaults off;
  off.continues_assistant = false;
  EXPECT_EQ(ending(""), ChatEnding::unfinished);
  EXPECT_EQ(ending("", off), ChatEnding::generation_prompt);
  EXPECT_EQ(ending(R"(, "continue_final_message": true)", off), ChatEnding::unfinished);
  EXPECT_EQ(ending(R"(, "continue_final_message": true, "add_generation_prompt": false)"),
            ChatEnding::unfinished);
  EXPECT_EQ(ending(R"(, "continue_final_message": false)"), ChatEnding::generation_prompt);
  EXPECT_EQ(ending(R"(, "add_generation_prompt": true)"), ChatEnding::generation_prompt);
  EXPECT_EQ(ending(R"(, "add_generation_prompt": false)"), ChatEnding::closed);
  EXPECT_EQ(chat("")->conversation.ending, ChatEnding::generation_prompt);
}

TEST(ChatRequest, GoesOnInNoOtherMessage) {
  EXPECT_EQ(param(parse_chat_request(
                kBegun + R"(, "continue_final_message": true, "add_generation_prompt": true})", {})),
            "continue_final_message");
  EXPECT_EQ(param(chat(R"("continue_final_message": true)")), "continue_final_message");
  EXPECT_EQ(param(parse_chat_request(R"({"messages": [{"role": "assistant", "content": "a"},
                                                      {"role": "assistant", "content": "b"}]})",
                                     {})),
            "messages");
}

TEST(ChatRequest, BiasesOnTextsAreKeptApart) {
  const auto r = chat(R"("logit_bias": {"12": -1, " the": -2})");
  ASSERT_TRUE(r) << r.error().message;
  EXPECT_THAT(r->common.sampling.logit_bias, ElementsAre(std::pair<TokenId, float>(12, -1)));
  EXPECT_THAT(r->common.text_bias, ElementsAre(std::pair<std::string, float>(" the", -2)));
}

TEST(ChatRequest, NamesTheFieldThatIsWrong) {
  EXPECT_EQ(param(chat(R"("temperature": "hot")")), "temperature");
  EXPECT_EQ(param(chat(R"("temperature": 2.5)")), "temperature");
  EXPECT_EQ(param(chat(R"("temperature": true)")), "temperature");
  EXPECT_EQ(param(chat(R"("top_p": -0.1)")), "top_p");
  EXPECT_EQ(param(chat(R"("max_tokens": 1.5)")), "max_tokens");
  EXPECT_EQ(param(chat(R"("max_tokens": 99999999999999999999)")), "max_tokens");
  EXPECT_EQ(param(chat(R"("n": 0)")), "n");
  EXPECT_EQ(param(chat(R"("stop": [1])")), "stop[0]");
  EXPECT_EQ(param(chat(R"("stream": "yes")")), "stream");
  EXPECT_EQ(param(chat(R"("stream_options": {"include_usage": 1})")), "stream_options.include_usage");
  EXPECT_EQ(param(chat(R"("seed": 18446744073709551615)")), "seed");
  EXPECT_EQ(param(chat(R"("logit_bias": {"x": "1"})")), "logit_bias");
  EXPECT_EQ(param(chat(R"("logit_bias": {"1": 101})")), "logit_bias");
  EXPECT_EQ(param(chat(R"("top_logprobs": 3)")), "top_logprobs");
  EXPECT_EQ(param(chat(R"("logprobs": true, "top_logprobs": 21)")), "top_logprobs");
  EXPECT_EQ(param(chat(R"("reasoning_effort": "extreme")")), "reasoning_effort");
  EXPECT_EQ(param(chat(R"("model": 4)")), "model");
}

TEST(ChatRequest, NamesTheMessageThatIsWrong) {
  const auto refused = [](const char* messages) {
    return param(parse_chat_request(std::string(R"({"messages": )") + messages + "}", {}));
  };
  EXPECT_EQ(param(parse_chat_request("{}", {})), "messages");
  EXPECT_EQ(refused("[]"), "messages");
  EXPECT_EQ(refused("{}"), "messages");
  EXPECT_EQ(refused("[1]"), "messages[0]");
  EXPECT_EQ(refused(R"([{"content": "x"}])"), "messages[0].role");
  EXPECT_EQ(refused(R"([{"role": "robot", "content": "x"}])"), "messages[0].role");
  EXPECT_EQ(refused(R"([{"role": "user"}])"), "messages[0].content");
  EXPECT_EQ(refused(R"([{"role": "user", "content": 5}])"), "messages[0].content");
  EXPECT_EQ(refused(R"([{"role": "user", "content": [{"type": "image_url"}]}])"),
            "messages[0].content[0].type");
  EXPECT_EQ(refused(R"([{"role": "user", "content": [{"type": "text"}]}])"), "messages[0].content[0].text");
}

TEST(ChatRequest, RefusesWhatIsNotServedYet) {
  for (const char* field : {R"("tools": [{"type": "function"}])", R"("tool_choice": "required")",
                            R"("response_format": {"type": "json_object"})", R"("grammar": "root ::= x")",
                            R"("functions": [{}])"}) {
    const auto r = chat(field);
    ASSERT_FALSE(r) << field;
    EXPECT_EQ(r.error().status, 400);
    EXPECT_EQ(r.error().code, "unsupported_parameter") << field;
  }
  EXPECT_TRUE(chat(R"("tools": [], "tool_choice": "none", "response_format": {"type": "text"})"));
}

TEST(ChatRequest, RefusesBodiesThatAreNoObjects) {
  for (const std::string body :
       {"", "  ", "[]", "3", "{", "{\"messages\": \"\xff\"}", "{\"a\": \"\\ud800\"}"})
    EXPECT_EQ(parse_chat_request(body, {}).error().code, "invalid_json") << body;
  const std::string deep(100, '[');
  EXPECT_THAT(parse_chat_request("{\"a\": " + deep, {}).error().message, HasSubstr("nested"));
}

TEST(CompletionRequest, PromptsAreTextsOrTokenIds) {
  const auto prompts = [](const char* prompt) {
    return parse_completion_request(std::string(R"({"prompt": )") + prompt + "}", {});
  };
  EXPECT_EQ(std::get<std::string>(prompts(R"("a")")->prompts.at(0)), "a");
  EXPECT_EQ(prompts(R"(["a", "b"])")->prompts.size(), 2u);
  EXPECT_THAT(std::get<1>(prompts("[1, 2]")->prompts.at(0)), ElementsAre(1, 2));
  EXPECT_EQ(prompts("[[1, 2], [3]]")->prompts.size(), 2u);
  EXPECT_EQ(prompts("[1, \"a\"]").error().param, "prompt[1]");
  EXPECT_EQ(prompts("[-1]").error().param, "prompt[0]");
  EXPECT_EQ(prompts("[1.5]").error().param, "prompt[0]");
  EXPECT_EQ(prompts("[]").error().param, "prompt");
  EXPECT_EQ(prompts("null").error().param, "prompt");
  EXPECT_EQ(prompts("{}").error().param, "prompt");
}

TEST(LlamaCompletionRequest, PromptsMixTextsAndTokens) {
  const auto mixed = parse_llama_completion_request(R"({"prompt": [12, "a", 34]})", {});
  ASSERT_TRUE(mixed);
  EXPECT_FALSE(mixed->is_list);
  EXPECT_EQ(mixed->prompts.at(0).size(), 3u);
  const auto list = parse_llama_completion_request(R"({"prompt": ["a", [1, "b"]], "temperature": 5})", {});
  ASSERT_TRUE(list) << list.error().message;
  EXPECT_TRUE(list->is_list);
  EXPECT_EQ(list->prompts.size(), 2u);
}

TEST(LlamaCompletionRequest, PromptsMayBeObjectsWithoutMedia) {
  const auto r = parse_llama_completion_request(R"({"prompt": [{"prompt_string": "a"}, [1, 2, "b"]]})", {});
  ASSERT_TRUE(r) << r.error().message;
  EXPECT_EQ(std::get<std::string>(r->prompts.at(0).at(0)), "a");
  EXPECT_THAT(std::get<1>(r->prompts.at(1).at(0)), ElementsAre(1, 2));
  const auto param_of = [](const char* prompt) {
    return parse_llama_completion_request(std::string(R"({"prompt": )") + prompt + "}", {}).error().param;
  };
  EXPECT_EQ(param_of("{}"), "prompt.prompt_string");
  EXPECT_EQ(param_of(R"({"prompt_string": "a", "multimodal_data": ["AAAA"]})"), "prompt.multimodal_data");
  EXPECT_EQ(param_of("[]"), "prompt");
}

TEST(LlamaCompletionRequest, DefaultsAreTheServers) {
  RequestDefaults defaults;
  defaults.ignore_eos = true;
  defaults.use_cache = false;
  const auto r = parse_llama_completion_request(R"({"prompt": "a"})", defaults);
  EXPECT_TRUE(r->common.ignore_eos);
  EXPECT_FALSE(r->common.use_cache);
  EXPECT_FALSE(
      parse_llama_completion_request(R"({"prompt": "a", "ignore_eos": false})", defaults)->common.ignore_eos);
}

TEST(LlamaCompletionRequest, FalseForbidsAToken) {
  const auto r =
      parse_llama_completion_request(R"({"prompt": "a", "logit_bias": [[3, false], [4, 1.5]]})", {});
  ASSERT_TRUE(r);
  EXPECT_TRUE(std::isinf(r->common.sampling.logit_bias.at(0).second));
  EXPECT_FLOAT_EQ(r->common.sampling.logit_bias.at(1).second, 1.5f);
}

TEST(SlotFileRequest, TakesPlainNamesAlone) {
  EXPECT_EQ(*parse_slot_file_request(R"({"filename": "a-1_b.bin"})"), "a-1_b.bin");
  for (const char* name : {"", "../x", "a/b", ".hidden", "a b", "a\\u0000b"})
    EXPECT_EQ(parse_slot_file_request(std::string(R"({"filename": ")") + name + "\"}").error().param,
              "filename")
        << name;
}

TEST(EmbeddingRequest, InputsMixTextsAndTokens) {
  EXPECT_EQ(parse_embedding_request(R"({"input": [12, "a", 34]})")->input.size(), 1u);
  EXPECT_EQ(parse_embedding_request(R"({"input": ["a", [12, "b"]]})")->input.size(), 2u);
  EXPECT_EQ(parse_embedding_request(R"({"input": []})").error().param, "input");
}

TEST(EmbeddingRequest, KnowsItsEncodings) {
  EXPECT_TRUE(parse_embedding_request(R"({"input": "a", "encoding_format": "base64"})")->base64);
  EXPECT_EQ(parse_embedding_request(R"({"input": "a", "encoding_format": "hex"})").error().param,
            "encoding_format");
  EXPECT_EQ(parse_embedding_request("{}").error().param, "input");
}

}  // namespace
}  // namespace sambay::server
