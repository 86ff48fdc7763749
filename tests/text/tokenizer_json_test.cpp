// tokenizer.json: what is read, and one clear error for everything that is not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "support/tokenizers.h"
#include "text/patterns.h"

namespace sambay {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

TokenizerData parse(const std::string& text) {
  auto data = parse_tokenizer_json(text, "t.json");
  EXPECT_TRUE(data) << data.error().message;
  return data ? *data : TokenizerData{};
}

void expect_equal(const TokenizerData& a, const TokenizerData& b) {
  EXPECT_EQ(a.tokens, b.tokens);
  ASSERT_EQ(a.merges.size(), b.merges.size());
  for (size_t i = 0; i < a.merges.size(); i++)
    ASSERT_TRUE(a.merges[i].left == b.merges[i].left && a.merges[i].right == b.merges[i].right &&
                a.merges[i].merged == b.merges[i].merged)
        << i;
  EXPECT_EQ(a.added.size(), b.added.size());
  EXPECT_EQ(a.pattern, b.pattern);
}

json golden() { return json::parse(test::read_text(test::golden_tokenizer_path("tokenizer.json"))); }

TEST(TokenizerJson, ReadsTheGoldenFile) {
  const TokenizerData data = parse(test::read_text(test::golden_tokenizer_path("tokenizer.json")));
  EXPECT_EQ(data.tokens.size(), 200029u);
  EXPECT_EQ(data.merges.size(), 199742u);
  EXPECT_EQ(data.added.size(), 12u);
  EXPECT_EQ(data.pattern, kO200kPattern);
  EXPECT_EQ(data.tokens[220], " ");
  EXPECT_EQ(data.tokens[199998], "");
  EXPECT_TRUE(data.added[3].rstrip && data.added[3].special);
}

TEST(TokenizerJson, MergesAsPairsAreMergesAsStrings) {
  json file = golden();
  const TokenizerData strings = parse(file.dump());
  for (auto& merge : file["model"]["merges"]) {
    const std::string text = merge;
    const size_t space = text.find(' ');
    merge = {text.substr(0, space), text.substr(space + 1)};
  }
  expect_equal(parse(file.dump()), strings);
}

TEST(TokenizerJson, IndentationAndOrderOfMembersDoNotMatter) {
  const json file = golden();
  // json sorts members, so "model" comes before "pre_tokenizer" and "merges" before "vocab" here.
  expect_equal(parse(file.dump(2)), parse(test::read_text(test::golden_tokenizer_path("tokenizer.json"))));
}

TEST(TokenizerJson, EveryWayToSayThatMatchesAreWordsIsOne) {
  json file = test::tiny_tokenizer_json();
  json& split = file["pre_tokenizer"]["pretokenizers"][0];
  const TokenizerData isolated = parse(file.dump());
  split["behavior"] = "Removed", split["invert"] = true;
  expect_equal(parse(file.dump()), isolated);
  file["pre_tokenizer"] = {{"type", "ByteLevel"}, {"add_prefix_space", false}};
  EXPECT_EQ(parse(file.dump()).pattern, kGpt2Pattern);
}

struct Refusal {
  const char* name;
  std::function<void(json&)> bend;
  ErrorCode code;
  const char* message;
};

void PrintTo(const Refusal& refusal, std::ostream* out) { *out << refusal.name; }

json& split_of(json& file) { return file["pre_tokenizer"]["pretokenizers"][0]; }

const Refusal kRefusals[] = {
    {"OtherModel", [](json& f) { f["model"]["type"] = "Unigram"; }, ErrorCode::unsupported,
     "t.json: model: type \"Unigram\"; only BPE is known"},
    {"NoModelType", [](json& f) { f["model"].erase("type"); }, ErrorCode::corrupt, "model: type must be"},
    {"NoModel", [](json& f) { f.erase("model"); }, ErrorCode::corrupt, "model: must be an object"},
    {"ModelIsList", [](json& f) { f["model"] = json::array(); }, ErrorCode::corrupt,
     "model: must be an object"},
    {"WordPrefix", [](json& f) { f["model"]["continuing_subword_prefix"] = "##"; }, ErrorCode::unsupported,
     "model: continuing_subword_prefix"},
    {"ByteFallback", [](json& f) { f["model"]["byte_fallback"] = true; }, ErrorCode::unsupported,
     "byte_fallback"},
    {"Dropout", [](json& f) { f["model"]["dropout"] = 0.1; }, ErrorCode::unsupported, "dropout"},
    {"IgnoreMergesIsNumber", [](json& f) { f["model"]["ignore_merges"] = 1; }, ErrorCode::corrupt,
     "model: ignore_merges must be a boolean"},
    {"Normalizer", [](json& f) { f["normalizer"] = {{"type", "NFC"}}; }, ErrorCode::unsupported,
     "normalizer: type \"NFC\""},
    {"Decoder", [](json& f) { f["decoder"] = {{"type", "WordPiece"}}; }, ErrorCode::unsupported,
     "decoder: type \"WordPiece\""},
    {"PostProcessor", [](json& f) { f["post_processor"] = {{"type", "TemplateProcessing"}}; },
     ErrorCode::unsupported, "post_processor: type \"TemplateProcessing\""},
    {"NoPreTokenizer", [](json& f) { f["pre_tokenizer"] = nullptr; }, ErrorCode::unsupported,
     "pre_tokenizer: "},
    {"OtherPreTokenizer", [](json& f) { f["pre_tokenizer"] = {{"type", "Whitespace"}}; },
     ErrorCode::unsupported, "pre_tokenizer: type \"Whitespace\""},
    {"PrefixSpace", [](json& f) { f["pre_tokenizer"]["pretokenizers"][1]["add_prefix_space"] = true; },
     ErrorCode::unsupported, "pre_tokenizer: pretokenizers[1]: add_prefix_space"},
    {"TwoSplits", [](json& f) { f["pre_tokenizer"]["pretokenizers"][1]["use_regex"] = true; },
     ErrorCode::unsupported, "pretokenizers[1]: splits a second time"},
    {"NoByteLevel", [](json& f) { f["pre_tokenizer"]["pretokenizers"].erase(1); }, ErrorCode::unsupported,
     "pre_tokenizer: must be ByteLevel"},
    {"Behavior", [](json& f) { split_of(f)["behavior"] = "MergedWithNext"; }, ErrorCode::unsupported,
     "pretokenizers[0]: behavior MergedWithNext"},
    {"RemovedWithoutInvert", [](json& f) { split_of(f)["behavior"] = "Removed"; }, ErrorCode::unsupported,
     "pretokenizers[0]: behavior Removed"},
    {"PatternIsString", [](json& f) { split_of(f)["pattern"] = {{"String", "x"}}; }, ErrorCode::unsupported,
     "pretokenizers[0]: pattern"},
    {"AddedIdNegative", [](json& f) { f["added_tokens"][2]["id"] = -1; }, ErrorCode::corrupt,
     "added_tokens[2]: id must be"},
    {"AddedIdHuge", [](json& f) { f["added_tokens"][2]["id"] = kMaxTokenIds; }, ErrorCode::corrupt,
     "added_tokens[2]: id must be"},
    {"AddedIdTwice", [](json& f) { f["added_tokens"][2]["id"] = 260; }, ErrorCode::corrupt,
     "260 is used twice"},
    {"AddedEmpty", [](json& f) { f["added_tokens"][0]["content"] = ""; }, ErrorCode::corrupt,
     "added_tokens[0]: content"},
    {"AddedSingleWord", [](json& f) { f["added_tokens"][0]["single_word"] = true; }, ErrorCode::unsupported,
     "added_tokens[0]: single_word"},
    {"AddedFlagIsString", [](json& f) { f["added_tokens"][0]["rstrip"] = "yes"; }, ErrorCode::corrupt,
     "added_tokens[0]: rstrip must be a boolean"},
    {"AddedIsString", [](json& f) { f["added_tokens"][0] = "x"; }, ErrorCode::corrupt,
     "added_tokens[0]: must be"},
    {"AddedNotAList", [](json& f) { f["added_tokens"] = 1; }, ErrorCode::corrupt, "added_tokens must be"},
    {"AddedOtherIdInVocab", [](json& f) { f["added_tokens"][0]["content"] = "the"; }, ErrorCode::corrupt,
     "has id 260 here and 258 in model.vocab"},
    {"AddedIdOfAnotherToken", [](json& f) { f["added_tokens"][0]["id"] = 258; }, ErrorCode::corrupt,
     "model.vocab[\"the\"]: id 258 is added token \"<|x|>\" too"},
    {"NoVocab", [](json& f) { f["model"].erase("vocab"); }, ErrorCode::corrupt, "model.vocab is missing"},
    {"VocabIsList", [](json& f) { f["model"]["vocab"] = {"a"}; }, ErrorCode::corrupt,
     "model.vocab: must be an object"},
    {"VocabIsNumber", [](json& f) { f["model"]["vocab"] = 1; }, ErrorCode::corrupt,
     "model.vocab: must be an object"},
    {"VocabIdHuge", [](json& f) { f["model"]["vocab"]["q"] = 1u << 31; }, ErrorCode::corrupt,
     "model.vocab[\"q\"]: id 2147483648 is too large"},
    {"VocabIdNegative", [](json& f) { f["model"]["vocab"]["q"] = -3; }, ErrorCode::corrupt,
     "model.vocab[\"q\"]: -3"},
    {"VocabIdFraction", [](json& f) { f["model"]["vocab"]["q"] = 1.5; }, ErrorCode::corrupt,
     "model.vocab[\"q\"]: a fraction"},
    {"VocabIdString", [](json& f) { f["model"]["vocab"]["q"] = "1"; }, ErrorCode::corrupt,
     "model.vocab[\"q\"]: a string"},
    {"VocabIdTwice", [](json& f) { f["model"]["vocab"]["q"] = 258; }, ErrorCode::corrupt,
     "258 is another token's"},
    {"VocabEmptyToken", [](json& f) { f["model"]["vocab"][""] = 266; }, ErrorCode::corrupt,
     "model.vocab[\"\"]: a token must not be empty"},
    {"VocabNotInAlphabet", [](json& f) { f["model"]["vocab"]["a b"] = 266; }, ErrorCode::corrupt,
     "model.vocab[\"a b\"]: has a character that stands for no byte"},
    {"NoMerges", [](json& f) { f["model"].erase("merges"); }, ErrorCode::corrupt, "model.merges is missing"},
    {"MergesIsObject", [](json& f) { f["model"]["merges"] = json::object(); }, ErrorCode::corrupt,
     "model.merges: must be an array"},
    {"MergeOfMissingToken", [](json& f) { f["model"]["merges"].push_back("qq a"); }, ErrorCode::corrupt,
     "model.merges[4]: token \"qq\" is not in model.vocab"},
    {"MergeMakesMissingToken", [](json& f) { f["model"]["merges"].push_back("q a"); }, ErrorCode::corrupt,
     "model.merges[4]: token \"qa\" is not in model.vocab"},
    {"MergeWithoutSpace", [](json& f) { f["model"]["merges"].push_back("qa"); }, ErrorCode::corrupt,
     "model.merges[4]: \"qa\" is not two tokens"},
    {"MergeOfThree", [](json& f) { f["model"]["merges"].push_back("t h e"); }, ErrorCode::corrupt,
     "model.merges[4]: \"t h e\" is not two tokens"},
    {"MergeIsNumber", [](json& f) { f["model"]["merges"].push_back(3); }, ErrorCode::corrupt,
     "model.merges[4]: a number"},
    {"MergePairOfOne", [](json& f) { f["model"]["merges"].push_back(json::array({"t"})); },
     ErrorCode::corrupt, "model.merges[4]: 1 strings in a pair"},
    {"MergePairOfThree", [](json& f) { f["model"]["merges"].push_back(json::array({"t", "h", "e"})); },
     ErrorCode::corrupt, "model.merges[4]: 3 strings in a pair"},
    {"MergePairNested", [](json& f) { f["model"]["merges"].push_back(json::parse(R"([["t"]])")); },
     ErrorCode::corrupt, "model.merges[4]: an array"},
};

class TokenizerJsonRefuses : public ::testing::TestWithParam<Refusal> {};

TEST_P(TokenizerJsonRefuses, WithOneLineThatSaysWhere) {
  json file = test::tiny_tokenizer_json();
  GetParam().bend(file);
  const auto data = parse_tokenizer_json(file.dump(), "t.json");
  ASSERT_FALSE(data);
  EXPECT_EQ(data.error().code, GetParam().code);
  EXPECT_THAT(data.error().message, HasSubstr(GetParam().message));
  EXPECT_EQ(data.error().message.find('\n'), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(All, TokenizerJsonRefuses, ::testing::ValuesIn(kRefusals),
                         [](const auto& refusal) { return std::string(refusal.param.name); });

void expect_error(const std::string& text, const char* message) {
  const auto data = parse_tokenizer_json(text, "t.json");
  ASSERT_FALSE(data);
  EXPECT_EQ(data.error().code, ErrorCode::corrupt);
  EXPECT_THAT(data.error().message, HasSubstr(message));
}

TEST(TokenizerJson, RefusesAMemberThatAppearsTwice) {
  expect_error(R"({"model": {"type": "BPE", "type": "BPE"}})", "t.json: model.type: appears twice");
  expect_error(R"({"model": {"vocab": {}, "vocab": {}}})", "model.vocab: appears twice");
  expect_error(R"({"model": {"merges": [], "merges": []}})", "model.merges: appears twice");
  expect_error(R"({"added_tokens": [{}, {"id": 1, "id": 1}]})", "added_tokens[1].id: appears twice");
  std::string file = test::tiny_tokenizer_json().dump();
  file.insert(file.find("\"the\":258"), "\"the\":258,");
  expect_error(file, "model.vocab[\"the\"]: appears twice");
}

TEST(TokenizerJson, RefusesWhatIsNotJson) {
  expect_error("", "t.json: not valid JSON at byte");
  expect_error("{\"a\": \"\xFF\"}", "not valid JSON at byte");
  expect_error("{\"a\": 1e999}", "not valid JSON at byte");
  expect_error("[]", "top level must be an object");
  expect_error("{}", "model: must be an object");
  expect_error(std::string(100000, '['), "nested deeper than 32");
  expect_error("{\"model\": {\"vocab\": {\"a\": [", "model.vocab[\"a\"]: an array");
}

TEST(TokenizerJson, RefusesTruncationAtAnyByte) {
  const std::string file = test::tiny_tokenizer_json().dump();
  ASSERT_TRUE(parse_tokenizer_json(file, "t"));
  for (size_t length = 0; length < file.size(); length++) {
    const auto data = parse_tokenizer_json(std::string_view(file).substr(0, length), "t");
    ASSERT_FALSE(data) << length;
    ASSERT_EQ(data.error().code, ErrorCode::corrupt);
  }
}

}  // namespace
}  // namespace sambay
