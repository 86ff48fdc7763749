#include "eval/compare.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "convert/convert.h"
#include "eval/few_problems.h"
#include "eval/teacher_forced.h"
#include "model/sambay_config.h"
#include "support/temp_folder.h"
#include "text/tokenizer_data.h"

namespace sambay {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class CompareModels : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_.write("text.txt",
                  "What is 347 + 589? 347 + 589 = 936, and 936 - 589 is 347 again. How many apples?");
    options_.a.model = options_.b.model = test::pocket();
    options_.text_file = folder_.file("text.txt");
    options_.threads = 1;
  }
  void refuses(ErrorCode code, const std::string& part) {
    const auto report = compare_models(options_);
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().code, code) << report.error().message;
    EXPECT_THAT(report.error().message, HasSubstr(part));
  }
  test::TempFolder folder_;
  CompareOptions options_;
};

TEST_F(CompareModels, OfAModelWithItselfIsExactlyNothing) {
  const auto report = compare_models(options_);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->divergence.kl_quantile(1), 0);
  EXPECT_EQ(report->divergence.kl_mean(), 0);
  EXPECT_EQ(report->divergence.top1_agreement(), 1);
  EXPECT_EQ(report->divergence.top5_agreement(), 1);
  EXPECT_EQ(report->a.perplexity(), report->b.perplexity());
  EXPECT_EQ(report->nll_difference.mean(), 0);
  EXPECT_EQ(report->a.type, "bf16");
  EXPECT_EQ(report->predicted, report->tokens - 1);
}

TEST_F(CompareModels, PerplexityEqualsThatOfTheLogits) {
  options_.a.kv = options_.b.kv = DType::f32;
  const auto report = compare_models(options_);
  ASSERT_TRUE(report) << report.error().message;

  const auto checkpoint = std::make_shared<const Checkpoint>(*Checkpoint::open(test::pocket()));
  const auto ops = *make_cpu_ops({1, ""});
  const auto ids =
      *(*build_tokenizer(*load_tokenizer_data(*checkpoint), "pocket", load_sambay_config(*checkpoint)->vocab))
           ->encode(test::read_file(options_.text_file));
  TeacherForced model = *TeacherForced::open(checkpoint, *ops, DType::f32, static_cast<int>(ids.size()));
  double sum = 0;
  model.begin();
  for (size_t i = 0; i + 1 < ids.size(); i++) {  // one at a time: the same bits
    model.feed(std::span(ids).subspan(i, 1), 1);
    sum += LogitRow(model.row(0)).negative_log(ids[i + 1]);
  }
  const double mean = sum / static_cast<double>(ids.size() - 1);
  EXPECT_NEAR(report->a.nll.mean(), mean, 1e-12 * mean) << "sums of doubles in another order";
  EXPECT_DOUBLE_EQ(report->a.perplexity(), std::exp(report->a.nll.mean()));
  EXPECT_GT(report->a.standard_error(), 0);
}

TEST_F(CompareModels, PiecesStandEachOnTheirOwn) {
  options_.chunk = 10;
  int64_t last = 0;
  options_.progress = [&](int64_t done, int64_t total) {
    EXPECT_GT(done, last);
    EXPECT_LE(done, total);
    last = done;
  };
  const auto pieces = compare_models(options_);
  ASSERT_TRUE(pieces) << pieces.error().message;
  EXPECT_EQ(pieces->predicted, pieces->tokens - (pieces->tokens + 9) / 10);
  options_.limit = 10;
  options_.progress = {};
  const auto first = compare_models(options_);
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(first->predicted, 9);
  options_.chunk = 512;
  const auto same = compare_models(options_);
  EXPECT_EQ(first->a.nll.mean(), same->a.nll.mean());
}

TEST_F(CompareModels, SeesKvTypesTypesAndInstructionSets) {
  options_.b.kv = DType::q8_0;
  const auto kv = compare_models(options_);
  ASSERT_TRUE(kv) << kv.error().message;
  EXPECT_GT(kv->divergence.kl_mean(), 0);
  EXPECT_LT(kv->divergence.kl_mean(), 0.5);  // far below what another model would give: log(vocabulary) is 7
  EXPECT_GE(kv->divergence.kl_quantile(0.99), kv->divergence.kl_quantile(0.5));
  EXPECT_EQ(kv->b.kv, "q8_0");

  options_.b.kv = DType::f16;
  options_.b.type = DType::q8_0;
  options_.b.isa = "scalar";
  const auto type = compare_models(options_);
  ASSERT_TRUE(type) << type.error().message;
  EXPECT_EQ(type->b.type, "q8_0");
  EXPECT_EQ(type->b.isa, "scalar");
  EXPECT_GT(type->divergence.kl_mean(), 0);
  EXPECT_LT(type->divergence.kl_mean(), 0.5);
  EXPECT_GT(type->divergence.top5_agreement(), 0.5);
}

TEST_F(CompareModels, HoldsTheLimitAgainstTheConvertedModelBeforeItConverts) {
  int pieces = 0;
  options_.converting = [&](const ConvertProgress&) { pieces++; };
  options_.b.type = DType::q8_0;
  options_.memory_limit = 2 << 20;
  refuses(ErrorCode::out_of_memory, "--memory 2.00 MiB: needs");
  EXPECT_EQ(pieces, 0);
  options_.memory_limit = int64_t{1} << 30;
  ASSERT_TRUE(compare_models(options_));
  EXPECT_GT(pieces, 0);
}

/// MiB that comparing the two would need.
double needed(CompareOptions options, const std::string& a, const std::string& b) {
  options.a.model = a, options.b.model = b;
  options.memory_limit = 1 << 20;
  const auto refused = compare_models(options);
  const std::string message = refused ? "needs 0" : refused.error().message;
  return std::stod(message.substr(message.find("needs ") + 6));
}

TEST_F(CompareModels, CountsPanelsOfOneFileForBothSidesAndItsPagesOnce) {
  for (const DType type : {DType::bf16, DType::q8_0}) {
    ConvertOptions to;
    to.model = test::pocket();
    to.type = type;
    to.out_file = folder_.file("a.gguf");
    ASSERT_TRUE(convert(to));
    folder_.write("b.gguf", test::read_file(to.out_file));
    const double one = needed(options_, folder_.file("a.gguf"), folder_.file("a.gguf"));
    const double two = needed(options_, folder_.file("a.gguf"), folder_.file("b.gguf"));
    if (type == DType::bf16)
      EXPECT_LT(one, two - 10);  // the matrices take 11 MiB
    else
      EXPECT_NEAR(one, two, 0.5);  // headers, the vocabulary in them, and the scan's vectors in bf16
  }
}

TEST_F(CompareModels, AdvisesAShorterPieceThatFits) {
  options_.chunk = 1 << 20;
  options_.memory_limit = 200 << 20;  // the models take some 30 MiB, a million positions gigabytes
  const auto refused = compare_models(options_);
  ASSERT_FALSE(refused);
  const std::string& message = refused.error().message;
  const size_t at = message.find("fits with -c ");
  ASSERT_NE(at, std::string::npos) << message;
  options_.chunk = std::stoi(message.substr(at + 13));
  EXPECT_TRUE(compare_models(options_)) << message;
}

TEST_F(CompareModels, RefusesOtherTokenizersNamingTheFirstDifference) {
  const test::TempFolder changed;
  for (const char* name :
       {"config.json", "model.safetensors", "tokenizer_config.json", "generation_config.json"})
    changed.write(name, test::read_file(test::pocket() + "/" + name));
  std::string tokenizer = test::read_file(test::pocket() + "/tokenizer.json");
  const size_t at = tokenizer.find("<|user|>");
  ASSERT_NE(at, std::string::npos);
  for (size_t i = at; i != std::string::npos; i = tokenizer.find("<|user|>", i))
    tokenizer.replace(i, 8, "<|uSer|>");
  changed.write("tokenizer.json", tokenizer);
  options_.b.model = changed.path();
  refuses(ErrorCode::unsupported, "must have the same tokenizer: token ");
  refuses(ErrorCode::unsupported, "\"<|user|>\" here and \"<|uSer|>\" there");
}

TEST_F(CompareModels, RefusesWhatCannotBe) {
  options_.chunk = 1;
  refuses(ErrorCode::invalid_argument, "-c 1: must be 2 to");
  options_.chunk = 512;
  options_.limit = -5;
  refuses(ErrorCode::invalid_argument, "--limit -5");
  options_.limit = 0;
  folder_.write("short.txt", "7");
  options_.text_file = folder_.file("short.txt");
  refuses(ErrorCode::invalid_argument, "has 1 tokens; at least two");
  options_.text_file = folder_.file("missing.txt");
  refuses(ErrorCode::not_found, "missing.txt");
  options_.text_file = folder_.file("text.txt");
  options_.should_stop = [] { return true; };
  refuses(ErrorCode::cancelled, "interrupted");
  options_.should_stop = {};
  options_.b.isa = "mmx";
  refuses(ErrorCode::invalid_argument, "mmx");
  options_.b.isa = "";
  options_.a.model = SAMBAY_TEST_DATA "/golden/a_f32";
  refuses(ErrorCode::unsupported, "A: ");
}

TEST(ComparisonJson, HasTheDocumentedMembers) {
  CompareReport report;
  report.a.model = "a", report.b.model = "b";
  report.a.nll.add(std::log(2.0));
  report.b.nll.add(std::log(4.0));
  report.nll_difference.add(std::log(2.0));
  const auto json = nlohmann::json::parse(comparison_json(report));
  EXPECT_DOUBLE_EQ(json["a"]["perplexity"]["value"], 2);
  EXPECT_DOUBLE_EQ(json["b"]["perplexity"]["value"], 4);
  EXPECT_DOUBLE_EQ(json["perplexity_ratio"]["value"], 2);
  for (const char* member : {"mean", "standard_error", "median", "p99", "max"})
    EXPECT_EQ(json["kl"][member], 0);
  EXPECT_EQ(json["top1_agreement"], 1);
  EXPECT_EQ(json["top5_agreement"], 1);
}

}  // namespace
}  // namespace sambay
