#include "tools/info.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "formats/gguf_writer.h"
#include "support/temp_folder.h"
#include "support/tiny_checkpoint.h"

namespace sambay {
namespace {

using test::TempFolder;
using test::TinyCheckpoint;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::string pocket() { return std::string(SAMBAY_SOURCE_DIR) + "/models/pocket"; }

ModelReport report_of(const std::string& model, bool check = false) {
  auto report = describe_model({model, check, {}});
  if (!report) {
    ADD_FAILURE() << report.error().message;
    return {};
  }
  return *std::move(report);
}

TEST(Info, AddsUpTheFile) {
  const ModelReport report = report_of(pocket());
  int64_t bytes = 0, parameters = 0;
  int tensors = 0;
  for (const ModelReport::Group& group : report.groups) {
    tensors += group.tensors;
    parameters += group.parameters;
    for (int64_t of_type : group.bytes) bytes += of_type;
  }
  EXPECT_EQ(static_cast<size_t>(tensors), report.tensors.size());
  EXPECT_EQ(parameters, report.parameters);
  EXPECT_EQ(bytes, report.weight_bytes);
  EXPECT_LT(report.weight_bytes, report.file_bytes);
  EXPECT_EQ(report.file_bytes,
            static_cast<int64_t>(std::filesystem::file_size(pocket() + "/model.safetensors")));
  ASSERT_TRUE(report.tokenizer.has_value()) << report.tokenizer_error;
  EXPECT_LE(report.tokenizer->tokens, report.config.vocab);
  EXPECT_FALSE(report.tokenizer->stop_ids.empty());
  EXPECT_FALSE(report.problems.has_value());
}

TEST(Info, JsonHasEverything) {
  const ModelReport report = report_of(pocket(), true);
  const auto json = nlohmann::json::parse(info_json(report), nullptr, false);
  ASSERT_FALSE(json.is_discarded());
  EXPECT_EQ(json["architecture"], "phi4flash");
  EXPECT_EQ(json["format"], "safetensors");
  EXPECT_EQ(json["parameters"], report.parameters);
  EXPECT_EQ(json["config"]["hidden_size"], report.config.hidden);
  EXPECT_EQ(json["config"]["layer_norm_eps"], 1e-5);
  EXPECT_EQ(json["config"]["layers"].size(), static_cast<size_t>(report.config.layers));
  EXPECT_EQ(json["tensors"].size(), report.tensors.size());
  EXPECT_EQ(json["tensors"][0]["name"], "model.embed_tokens.weight");
  EXPECT_EQ(json["tensors"][0]["shape"], (std::vector<int>{report.config.vocab, report.config.hidden}));
  EXPECT_EQ(json["tokenizer"]["tokens"], report.tokenizer->tokens);
  EXPECT_EQ(json["check"]["ok"], true);
  int64_t bytes = 0;
  for (const auto& kind : json["kinds"]) bytes += kind["bytes"].get<int64_t>();
  EXPECT_EQ(bytes, report.weight_bytes);
}

TEST(Info, TextShowsTheTensorTableOnlyWhenAsked) {
  const ModelReport report = report_of(pocket());
  EXPECT_THAT(format_info(report, false), AllOf(HasSubstr("parameters"), HasSubstr("embedding"),
                                                Not(HasSubstr("model.layers.3.mlp.fc1.weight"))));
  EXPECT_THAT(format_info(report, true), HasSubstr("model.layers.3.mlp.fc1.weight"));
}

TEST(Info, OfAModelWithoutTokenizerSaysSo) {
  const TempFolder folder;
  TinyCheckpoint().write(folder);
  const ModelReport report = report_of(folder.path(), true);
  EXPECT_FALSE(report.tokenizer.has_value());
  EXPECT_THAT(*report.problems, IsEmpty());
  EXPECT_THAT(format_info(report, false),
              AllOf(HasSubstr("tokenizer      none"), HasSubstr("values are finite")));
}

constexpr const char* kCard =
    R"({"made_by": "sambay eval pocket", "problems_seed": 7, "families_of": "bf16",
        "families": {"sub": {"problems": 200, "answer": 0.99, "work": 1, "both": 0.985},
                     "add": {"problems": 100, "answer": 1, "work": 1, "both": 1}},
        "types": {"bf16": {"accuracy": 0.99}, "q8_0": {"accuracy": 0.98, "kl_mean": 2.5e-5, "top1_agreement": 0.9987}}})";

TEST(Info, ShowsTheQualityCard) {
  const TempFolder folder;
  TinyCheckpoint().write(folder);
  EXPECT_FALSE(report_of(folder.path()).card);
  folder.write("card.json", kCard);
  const ModelReport report = report_of(folder.path());
  ASSERT_TRUE(report.card) << report.card_error;
  EXPECT_THAT(
      format_info(report, false),
      AllOf(HasSubstr("quality card   made by sambay eval pocket, problems of seed 7, families with bf16"),
            HasSubstr("  sub                 200    99.0 %   100.0 %    98.5 %\n"),
            HasSubstr("  q8_0             98.0 %       2.5e-05           99.87 %\n")));
  const auto json = nlohmann::json::parse(info_json(report), nullptr, false);
  EXPECT_EQ(json["card"], nlohmann::json::parse(kCard));
}

TEST(Info, IgnoresAMalformedQualityCardAndSaysSo) {
  const TempFolder folder;
  TinyCheckpoint().write(folder);
  folder.write("card.json", R"({"made_by": 3})");
  const ModelReport report = report_of(folder.path());
  EXPECT_FALSE(report.card);
  EXPECT_THAT(format_info(report, false), AllOf(HasSubstr("quality card   ignored: "), HasSubstr("made_by")));
  EXPECT_THAT(info_json(report), HasSubstr("card.json: made_by: must be a text"));
}

TEST(InfoCheck, NamesEachTensorWithValuesThatAreNotFinite) {
  for (const char* type : {"F32", "F16", "BF16"}) {
    const TempFolder folder;
    TinyCheckpoint tiny(type);
    tiny.tensor("model.layers.1.mlp.fc1.weight").set(77, std::nanf(""));
    tiny.tensor("model.layers.1.mlp.fc1.weight").set(99, -std::numeric_limits<float>::infinity());
    tiny.tensor("model.final_layernorm.bias").set(0, std::numeric_limits<float>::infinity());
    tiny.write(folder);
    const ModelReport report = report_of(folder.path(), true);
    ASSERT_TRUE(report.problems.has_value());
    EXPECT_THAT(*report.problems, ElementsAre(AllOf(HasSubstr("model.final_layernorm.bias"),
                                                    HasSubstr("1 of 32"), HasSubstr("element 0 (inf)")),
                                              AllOf(HasSubstr("model.layers.1.mlp.fc1.weight"),
                                                    HasSubstr("2 of 3072"), HasSubstr("element 77 (nan)"))));
    EXPECT_THAT(format_info(report, false), HasSubstr("problem: tensor model.final_layernorm.bias"));
    EXPECT_THAT(info_json(report), HasSubstr("\"ok\": false"));
  }
}

TEST(InfoCheck, FindsWhatLiesInTheLastPieceOfALargeTensor) {
  const TempFolder folder;
  TinyCheckpoint tiny("BF16");
  tiny.config.set("vocab_size", "20000");  // 640,000 values: two whole pieces and a part
  tiny.remove("model.embed_tokens.weight");
  test::Random random(2);
  tiny.add("model.embed_tokens.weight", "BF16", {20000, 32}, random).set(639'999, std::nanf(""));
  tiny.write(folder);
  EXPECT_THAT(*report_of(folder.path(), true).problems, ElementsAre(HasSubstr("element 639999 (nan)")));
}

TEST(InfoCheck, FindsAnExponentThatOverflows) {
  const TempFolder folder;
  TinyCheckpoint tiny;
  tiny.tensor("model.layers.2.attn.A_log").set(3, 90.0f);
  tiny.write(folder);
  EXPECT_THAT(*report_of(folder.path(), true).problems,
              ElementsAre(AllOf(HasSubstr("A_log"), HasSubstr("element 3 (-inf after -exp)"))));
}

TEST(InfoCheck, FindsATokenizerThatIsLargerThanTheVocabulary) {
  const TempFolder folder;
  TinyCheckpoint().write(folder);  // 40 rows
  std::filesystem::copy(pocket() + "/tokenizer.json", folder.file("tokenizer.json"));
  const ModelReport report = report_of(folder.path(), true);
  EXPECT_THAT(*report.problems, ElementsAre(HasSubstr("tokenizer: ")));
  EXPECT_THAT(format_info(report, false), HasSubstr("unusable"));
}

TEST(InfoCheck, FindsABlockScaleThatIsNotFinite) {
  const SambaYConfig config = *parse_sambay_config(test::TinyConfig().json(), "tiny");
  std::vector<GgufTensor> tensors;
  for (const TensorSpec& spec : sambay_tensors(config))
    tensors.push_back({spec.gguf_name, spec.role == Role::embedding ? DType::q8_0 : DType::f32, spec.shape});
  GgufHeader header = make_gguf_header(sambay_config_to_gguf(config), tensors);
  const auto scale_at = static_cast<size_t>(header.tensor_offsets[0]) + 2 * 34;  // third block
  header.bytes.resize(static_cast<size_t>(header.file_bytes));
  header.bytes[scale_at + 1] = std::byte{0x7c};  // f16 infinity
  header.bytes[scale_at + 2] = std::byte{1};     // its first value; 0 * inf is NaN
  const TempFolder folder;
  folder.write("x.gguf", {reinterpret_cast<const char*>(header.bytes.data()), header.bytes.size()});
  EXPECT_THAT(*report_of(folder.file("x.gguf"), true).problems,
              ElementsAre(AllOf(HasSubstr("token_embd.weight: 32 of 1280"), HasSubstr("element 64 (inf)"))));
}

TEST(InfoCheck, StopsWhenAsked) {
  const auto report = describe_model({pocket(), true, [] { return true; }});
  ASSERT_FALSE(report.has_value());
  EXPECT_EQ(report.error().code, ErrorCode::cancelled);
}

TEST(Info, OfAGgufListsItsMetadata) {
  const SambaYConfig config = *parse_sambay_config(test::TinyConfig().json(), "tiny");
  std::vector<GgufTensor> tensors;
  for (const TensorSpec& spec : sambay_tensors(config))
    tensors.push_back({spec.gguf_name, DType::f32, spec.shape});
  std::vector<GgufEntry> entries = sambay_config_to_gguf(config);
  entries.push_back({"general.name", std::string("a\x1b[31m name")});
  GgufHeader header = make_gguf_header(entries, tensors);
  header.bytes.resize(static_cast<size_t>(header.file_bytes));
  const TempFolder folder;
  folder.write("x.gguf", {reinterpret_cast<const char*>(header.bytes.data()), header.bytes.size()});
  const ModelReport report = report_of(folder.file("x.gguf"));
  EXPECT_EQ(report.metadata.size(), entries.size());
  EXPECT_THAT(format_info(report, false), AllOf(HasSubstr("phi4flash.layout"), Not(HasSubstr("\x1b"))));
  const auto json = nlohmann::json::parse(info_json(report), nullptr, false);
  EXPECT_EQ(json["format"], "gguf");
  EXPECT_TRUE(json["metadata"].contains("general.architecture"));
}

TEST(Info, OfAnotherModelNamesItsType) {
  const TempFolder folder;
  TinyCheckpoint tiny;
  tiny.config.set("model_type", "\"llama\"");
  tiny.write(folder);
  const auto report = describe_model({folder.path(), false, {}});
  ASSERT_FALSE(report.has_value());
  EXPECT_EQ(report.error().code, ErrorCode::unsupported);
  EXPECT_THAT(report.error().message, HasSubstr("\"llama\""));
}

}  // namespace
}  // namespace sambay
