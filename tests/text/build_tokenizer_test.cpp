// What build_tokenizer() refuses, whatever file the data came from.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/tokenizers.h"

namespace sambay {
namespace {

using ::testing::HasSubstr;

TokenizerData tiny() { return *parse_tokenizer_json(test::tiny_tokenizer_json().dump(), "t"); }

void expect_error(TokenizerData data, ErrorCode code, const char* message, int vocab = 0) {
  const auto tokenizer = build_tokenizer(std::move(data), "t.json", vocab);
  ASSERT_FALSE(tokenizer) << message;
  EXPECT_EQ(tokenizer.error().code, code) << tokenizer.error().message;
  EXPECT_THAT(tokenizer.error().message, HasSubstr(message));
  EXPECT_THAT(tokenizer.error().message, ::testing::StartsWith("t.json: "));
}

TEST(BuildTokenizer, RefusesATokenBeyondTheModelsVocabulary) {
  EXPECT_TRUE(build_tokenizer(tiny(), "t", 268));
  expect_error(tiny(), ErrorCode::corrupt,
               "token id 267 (\"<|endoftext|>\") is beyond the model's vocabulary of 267", 267);
  TokenizerData padded = tiny();
  padded.tokens.resize(1000);  // rows without token do not count
  EXPECT_TRUE(build_tokenizer(padded, "t", 268));
}

TEST(BuildTokenizer, TellsTokensFromRowsOfTheModel) {
  const auto padded = build_tokenizer(tiny(), "t", 300);
  EXPECT_EQ((*padded)->size(), 268);
  EXPECT_EQ((*padded)->vocab(), 300);
  EXPECT_EQ((*build_tokenizer(tiny(), "t"))->vocab(), 268);
}

TEST(BuildTokenizer, RefusesAnEmptyVocabulary) { expect_error({}, ErrorCode::corrupt, "has no tokens"); }

TEST(BuildTokenizer, RefusesMergesThatContradictTheVocabulary) {
  TokenizerData data = tiny();
  data.merges[0].merged = 257;
  expect_error(data, ErrorCode::corrupt, "merge 0 makes \"he\", which is not \"t\" and \"h\"");
  data = tiny();
  data.merges[1].left = -1;
  expect_error(data, ErrorCode::corrupt, "merge 1 refers to id -1, which is no token");
  data = tiny();
  data.merges[1].right = 266;
  expect_error(data, ErrorCode::corrupt, "merge 1 refers to id 266, which is no token");
  data = tiny();
  data.merges[1].merged = 1 << 30;
  expect_error(data, ErrorCode::corrupt, "merge 1 refers to id");
  data = tiny();
  data.merges.push_back(data.merges[0]);
  expect_error(data, ErrorCode::corrupt, "merge 4 (\"t\" and \"h\") is there already");
}

// Else text that spells a control token would become one.
TEST(BuildTokenizer, RefusesMergesThatMakeASpecialToken) {
  auto json = test::tiny_tokenizer_json();
  json["added_tokens"][0] = {{"id", 258}, {"content", "the"}, {"special", true}};
  expect_error(*parse_tokenizer_json(json.dump(), "t"), ErrorCode::corrupt,
               "makes the special token \"the\" out of plain text");
  json["added_tokens"][0]["special"] = false;
  EXPECT_TRUE(build_tokenizer(*parse_tokenizer_json(json.dump(), "t"), "t"));
}

TEST(BuildTokenizer, AnAddedTokenOfOneByteIsNotThatByte) {
  auto json = test::tiny_tokenizer_json();
  json["model"]["vocab"].erase("z");
  json["added_tokens"].push_back({{"id", 266}, {"content", "z"}, {"special", true}});
  const auto tokenizer = test::build(json);
  ASSERT_TRUE(tokenizer);
  EXPECT_FALSE(tokenizer->encode("z"));
  EXPECT_EQ(tokenizer->encode("z", true)->at(0), 266);
}

TEST(BuildTokenizer, RefusesAddedTokensThatContradictTheVocabulary) {
  TokenizerData data = tiny();
  data.added[0].content = "other";
  expect_error(data, ErrorCode::corrupt, "added token \"other\" (id 260) is not the token of its id");
  data = tiny();
  data.added[0].id = 5000;
  expect_error(data, ErrorCode::corrupt, "is not the token of its id");
  data = tiny();
  data.added[0].content = data.tokens[260] = "<|end|>";
  expect_error(data, ErrorCode::corrupt, "added token \"<|end|>\" has two ids");
  data = tiny();
  data.added[0].content = data.tokens[260] = std::string(kMaxAddedTokenBytes + 1, 'x');
  expect_error(data, ErrorCode::corrupt, "is 1025 bytes long");
}

TEST(BuildTokenizer, RefusesTwoTokensForOneByte) {
  TokenizerData data = tiny();
  data.tokens[266] = "a";
  expect_error(data, ErrorCode::corrupt, "tokens 97 and 266 are the same byte");
}

TEST(BuildTokenizer, RefusesStopAndOtherIdsWithoutToken) {
  TokenizerData data = tiny();
  data.stop_ids = {261, 266};
  expect_error(data, ErrorCode::corrupt, "stop token id 266 is no token");
  data = tiny();
  data.eos_id = 100000;
  expect_error(data, ErrorCode::corrupt, "eos token id 100000 is no token");
}

TEST(BuildTokenizer, RefusesAPatternThatDoesNotCompile) {
  TokenizerData data = tiny();
  data.pattern = "(unclosed";
  expect_error(data, ErrorCode::unsupported, "pattern does not compile: missing closing parenthesis");
}

}  // namespace
}  // namespace sambay
