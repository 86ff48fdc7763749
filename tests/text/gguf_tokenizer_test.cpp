// Tokenizers through GGUF files and back.
#include "text/gguf_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <functional>

#include "formats/gguf_writer.h"
#include "support/tokenizers.h"
#include "text/patterns.h"

namespace sambay {
namespace {

using ::testing::HasSubstr;
using Entries = std::vector<GgufEntry>;

/// The bytes of a GGUF file with these keys and one small tensor.
std::string gguf_bytes(const Entries& entries) {
  const std::string path = testing::TempDir() + "sambay_tokenizer_" + std::to_string(::getpid()) + ".gguf";
  auto writer = GgufWriter::create(path, entries, {{"x", DType::f32, {8}}});
  EXPECT_TRUE(writer) << writer.error().message;
  const std::array<std::byte, 32> zeros{};
  EXPECT_TRUE(writer->write(zeros));
  EXPECT_TRUE(writer->commit());
  std::string bytes = test::read_text(path);
  std::filesystem::remove(path);
  return bytes;
}

Result<TokenizerData> read(const Entries& entries) {
  const std::string bytes = gguf_bytes(entries);
  const auto gguf = GgufReader::parse(std::as_bytes(std::span(bytes)), "t.gguf");
  EXPECT_TRUE(gguf) << gguf.error().message;
  return read_gguf_tokenizer(*gguf);
}

GgufValue& value_of(Entries& entries, std::string_view key) {
  const auto found =
      std::find_if(entries.begin(), entries.end(), [&](const GgufEntry& e) { return e.key == key; });
  if (found == entries.end()) return entries.emplace_back(GgufEntry{std::string(key), {}}).value;
  return found->value;
}

void erase_key(Entries& entries, std::string_view key) {
  std::erase_if(entries, [&](const GgufEntry& e) { return e.key == key; });
}

TokenizerData tiny() {
  TokenizerData data = *parse_tokenizer_json(test::tiny_tokenizer_json().dump(), "t");
  data.chat_template = "{{ x }}";
  data.stop_ids = {261, 267};
  data.eos_id = 267;
  data.pad_id = 260;
  return data;
}

void expect_equal(const TokenizerData& a, const TokenizerData& b) {
  EXPECT_EQ(a.tokens, b.tokens);
  ASSERT_EQ(a.merges.size(), b.merges.size());
  for (size_t i = 0; i < a.merges.size(); i++)
    ASSERT_TRUE(a.merges[i].left == b.merges[i].left && a.merges[i].right == b.merges[i].right &&
                a.merges[i].merged == b.merges[i].merged)
        << i;
  ASSERT_EQ(a.added.size(), b.added.size());
  for (size_t i = 0; i < a.added.size(); i++) {
    EXPECT_EQ(a.added[i].id, b.added[i].id);
    EXPECT_EQ(a.added[i].content, b.added[i].content);
    EXPECT_EQ(a.added[i].special, b.added[i].special);
    EXPECT_EQ(a.added[i].rstrip, b.added[i].rstrip);
    EXPECT_EQ(a.added[i].lstrip, b.added[i].lstrip);
  }
  EXPECT_EQ(a.pattern, b.pattern);
  EXPECT_EQ(a.ignore_merges, b.ignore_merges);
  EXPECT_EQ(a.chat_template, b.chat_template);
  EXPECT_EQ(a.stop_ids, b.stop_ids);
  EXPECT_EQ(a.bos_id, b.bos_id);
  EXPECT_EQ(a.eos_id, b.eos_id);
  EXPECT_EQ(a.pad_id, b.pad_id);
}

TEST(GgufTokenizer, EverythingSurvivesTheRoundTrip) {
  TokenizerData data = tiny();
  data.ignore_merges = true;
  const auto back = read(tokenizer_to_gguf(data, 0));
  ASSERT_TRUE(back) << back.error().message;
  expect_equal(*back, data);
}

TEST(GgufTokenizer, TheGoldenOneSurvivesAndIsPaddedToTheModelsVocabulary) {
  const TokenizerData data =
      *parse_tokenizer_json(test::read_text(test::golden_tokenizer_path("tokenizer.json")), "t");
  Entries entries = tokenizer_to_gguf(data, 200064);
  const auto& tokens = std::get<std::vector<std::string>>(value_of(entries, "tokenizer.ggml.tokens"));
  const auto& types = std::get<std::vector<int32_t>>(value_of(entries, "tokenizer.ggml.token_type"));
  ASSERT_EQ(tokens.size(), 200064u);
  EXPECT_EQ(tokens[200063], "[PAD200063]");
  EXPECT_EQ(types[200063], 5);
  EXPECT_EQ(tokens[199998], "[PAD199998]");
  EXPECT_EQ(tokens[200020], "<|end|>");
  EXPECT_EQ(types[200020], 3);
  EXPECT_EQ(tokens[13225], "Hello");
  EXPECT_EQ(std::get<std::string>(value_of(entries, "tokenizer.ggml.pre")), "gpt-4o");

  auto back = read(entries);
  ASSERT_TRUE(back) << back.error().message;
  const auto tokenizer = build_tokenizer(*back, "t.gguf", 200064);
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  EXPECT_EQ((*tokenizer)->size(), 200029);
  for (const auto& gold :
       nlohmann::json::parse(test::read_text(test::golden_tokenizer_path("gold_encodings.json"))))
    EXPECT_EQ(*(*tokenizer)->encode(test::from_hex(gold["utf8_hex"])),
              gold["ids"].get<std::vector<TokenId>>());
  back->tokens.resize(data.tokens.size());
  expect_equal(*back, data);
}

// What other programs write: no keys of ours.
TEST(GgufTokenizer, ReadsMergesAsTextAndThePatternByName) {
  TokenizerData data = tiny();
  data.pattern = kO200kPattern;
  Entries entries = tokenizer_to_gguf(data, 300);
  std::erase_if(entries, [](const GgufEntry& e) { return e.key.starts_with("sambay."); });
  const auto back = read(entries);
  ASSERT_TRUE(back) << back.error().message;
  TokenizerData expected = data;
  expected.tokens.resize(300);
  for (AddedToken& token : expected.added) token.lstrip = token.rstrip = false;
  expect_equal(*back, expected);
}

TEST(GgufTokenizer, UnknownPatternNameIsRefused) {
  Entries entries = tokenizer_to_gguf(tiny(), 0);
  erase_key(entries, "sambay.tokenizer.pattern");
  const auto back = read(entries);
  ASSERT_FALSE(back);
  EXPECT_EQ(back.error().code, ErrorCode::unsupported);
  EXPECT_THAT(back.error().message, HasSubstr("tokenizer.ggml.pre: \"sambay\""));
}

TEST(GgufTokenizer, AFileWithoutTokenizerSaysSo) {
  const auto back = read({{"general.architecture", std::string("phi4flash")}});
  ASSERT_FALSE(back);
  EXPECT_EQ(back.error().code, ErrorCode::not_found);
}

struct Refusal {
  const char* name;
  std::function<void(Entries&)> bend;
  ErrorCode code;
  const char* message;
};

void PrintTo(const Refusal& refusal, std::ostream* out) { *out << refusal.name; }

using Strings = std::vector<std::string>;
using Ints = std::vector<int32_t>;

const Refusal kRefusals[] = {
    {"OtherModel", [](Entries& e) { value_of(e, "tokenizer.ggml.model") = std::string("llama"); },
     ErrorCode::unsupported, "tokenizer.ggml.model: \"llama\""},
    {"AddBos", [](Entries& e) { value_of(e, "tokenizer.ggml.add_bos_token") = true; }, ErrorCode::unsupported,
     "add_bos_token is true"},
    {"NoTokens", [](Entries& e) { erase_key(e, "tokenizer.ggml.tokens"); }, ErrorCode::not_found,
     "tokenizer.ggml.tokens"},
    {"NoTypes", [](Entries& e) { erase_key(e, "tokenizer.ggml.token_type"); }, ErrorCode::not_found,
     "tokenizer.ggml.token_type"},
    {"TooFewTypes", [](Entries& e) { std::get<Ints>(value_of(e, "tokenizer.ggml.token_type")).pop_back(); },
     ErrorCode::corrupt, "267 types for 268 tokens"},
    {"UnknownType", [](Entries& e) { std::get<Ints>(value_of(e, "tokenizer.ggml.token_type"))[7] = 9; },
     ErrorCode::corrupt, "tokenizer.ggml.token_type[7]: 9"},
    {"NotInAlphabet", [](Entries& e) { std::get<Strings>(value_of(e, "tokenizer.ggml.tokens"))[7] = "a b"; },
     ErrorCode::corrupt, "tokenizer.ggml.tokens[7]: \"a b\""},
    {"MergeIdsCutOff",
     [](Entries& e) { std::get<Ints>(value_of(e, "sambay.tokenizer.merge_ids")).pop_back(); },
     ErrorCode::corrupt, "merge_ids: 11 is no multiple of 3"},
    {"MergeIdOutOfRange",
     [](Entries& e) { std::get<Ints>(value_of(e, "sambay.tokenizer.merge_ids"))[4] = 268; },
     ErrorCode::corrupt, "merge_ids[4]: 268 is no token id"},
    {"MergeTextBroken",
     [](Entries& e) {
       erase_key(e, "sambay.tokenizer.merge_ids");
       std::get<Strings>(value_of(e, "tokenizer.ggml.merges"))[1] = "he";
     },
     ErrorCode::corrupt, "tokenizer.ggml.merges[1]: \"he\""},
    {"MergeTextOfMissingToken",
     [](Entries& e) {
       erase_key(e, "sambay.tokenizer.merge_ids");
       std::get<Strings>(value_of(e, "tokenizer.ggml.merges"))[1] = "q a";
     },
     ErrorCode::corrupt, "tokenizer.ggml.merges[1]: \"q a\""},
    {"TokenTwice",
     [](Entries& e) {
       erase_key(e, "sambay.tokenizer.merge_ids");
       std::get<Strings>(value_of(e, "tokenizer.ggml.tokens"))[256] = "he";
     },
     ErrorCode::corrupt, "tokenizer.ggml.tokens[257]: \"he\" appears twice"},
    {"StopIdOutOfRange", [](Entries& e) { std::get<Ints>(value_of(e, "sambay.tokenizer.stop_ids"))[0] = -1; },
     ErrorCode::corrupt, "stop_ids: -1"},
    {"EosOutOfRange", [](Entries& e) { value_of(e, "tokenizer.ggml.eos_token_id") = uint32_t{4000}; },
     ErrorCode::corrupt, "eos_token_id: 4000"},
    {"RstripOfAWord", [](Entries& e) { std::get<Ints>(value_of(e, "sambay.tokenizer.rstrip_ids"))[0] = 258; },
     ErrorCode::corrupt, "rstrip_ids: 258 is no token of type 3 or 4"},
    {"PatternIsNumber", [](Entries& e) { value_of(e, "sambay.tokenizer.pattern") = uint32_t{1}; },
     ErrorCode::corrupt, "sambay.tokenizer.pattern"},
    {"TemplateIsNumber", [](Entries& e) { value_of(e, "tokenizer.chat_template") = uint32_t{1}; },
     ErrorCode::corrupt, "tokenizer.chat_template"},
};

class GgufTokenizerRefuses : public ::testing::TestWithParam<Refusal> {};

TEST_P(GgufTokenizerRefuses, AndNamesTheKey) {
  Entries entries = tokenizer_to_gguf(tiny(), 0);
  GetParam().bend(entries);
  const auto back = read(entries);
  ASSERT_FALSE(back);
  EXPECT_EQ(back.error().code, GetParam().code) << back.error().message;
  EXPECT_THAT(back.error().message, HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(All, GgufTokenizerRefuses, ::testing::ValuesIn(kRefusals),
                         [](const auto& refusal) { return std::string(refusal.param.name); });

}  // namespace
}  // namespace sambay
