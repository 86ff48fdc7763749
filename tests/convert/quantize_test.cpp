// Mixes, rules and importance through convert(), on models with rows of 256, 192 and a few values.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <string>

#include "convert/convert.h"
#include "convert/importance.h"
#include "formats/checkpoint.h"
#include "formats/safetensors.h"
#include "support/temp_folder.h"
#include "support/tiny_checkpoint.h"
#include "tools/imatrix.h"

namespace sambay {
namespace {

using test::TempFolder;
using test::TinyCheckpoint;
using test::TinyConfig;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string pocket() { return std::string(SAMBAY_SOURCE_DIR) + "/models/pocket"; }

/// hidden and intermediate 256, inner 512, dt rank 16.
TinyCheckpoint blocks_of_256() {
  return TinyCheckpoint("BF16", 1, TinyConfig().set("hidden_size", "256").set("intermediate_size", "256"));
}

Result<ConvertReport> quantize(const std::string& model, const std::string& out, const char* mix,
                               std::vector<TypeRule> rules = {}, const std::string& importance = "",
                               int threads = 2) {
  ConvertOptions options;
  options.model = model;
  options.out_file = out;
  options.type = *type_mix_from_name(mix);
  options.rules = std::move(rules);
  options.importance_file = importance;
  options.threads = threads;
  return convert(options);
}

const ConvertReport::Tensor& find(const ConvertReport& report, const std::string& name) {
  for (const ConvertReport::Tensor& t : report.tensors)
    if (t.name == name) return t;
  ADD_FAILURE() << name;
  return report.tensors.front();
}

TEST(Quantize, WritesTheTypesOfTheMixAndSaysHowFarOff) {
  const TempFolder in, out;
  blocks_of_256().write(in);
  const auto report = quantize(in.path(), out.file("x.gguf"), "q4_k_m");
  ASSERT_TRUE(report.has_value()) << report.error().message;
  const auto result = Checkpoint::open(out.file("x.gguf"));
  ASSERT_TRUE(result.has_value()) << result.error().message;
  EXPECT_EQ(result->find("token_embd.weight")->type, DType::q6_k);
  EXPECT_EQ(result->find("blk.2.ffn_down.weight")->type, DType::q4_k);
  EXPECT_EQ(result->find("blk.0.ssm_x.weight")->type, DType::q8_0);
  EXPECT_EQ(result->find("blk.0.ssm_dt.weight")->type, DType::bf16);  // rows of 16
  EXPECT_EQ(result->gguf().integer("general.file_type").value(), 15);
  for (const ConvertReport::Tensor& t : report->tensors) {
    // Rounding to steps of 1/15 or 1/63 of a range of some 6 standard deviations, over sqrt(12).
    if (t.type == DType::q4_k) {
      EXPECT_NEAR(t.relative_rms_error(), 6.0 / 15 / std::sqrt(12.0), 0.06) << t.name;
    }
    if (t.type == DType::q6_k) {
      EXPECT_NEAR(t.relative_rms_error(), 6.0 / 63 / std::sqrt(12.0), 0.015) << t.name;
    }
    if (!t.is_matrix) {
      EXPECT_EQ(t.type, DType::f32) << t.name;
    }
  }
  EXPECT_THAT(format_matrices(*report), AllOf(HasSubstr("token_embd.weight"), HasSubstr("q6_k")));
}

TEST(Quantize, SaysWhichTypesStandIn) {
  const TempFolder out;
  const auto report = quantize(pocket(), out.file("x.gguf"), "q4_k_m");  // rows of 192 and 512
  ASSERT_TRUE(report.has_value()) << report.error().message;
  EXPECT_EQ(find(*report, "token_embd.weight").type, DType::q8_0);
  EXPECT_EQ(find(*report, "blk.2.ffn_up.weight").type, DType::q4_0);
  EXPECT_EQ(find(*report, "blk.2.ffn_down.weight").type, DType::q4_k);
  EXPECT_THAT(format_report(*report),
              AllOf(HasSubstr("q4_0 in place of q4_k in"), HasSubstr("no multiple of 256"),
                    HasSubstr("rows are no multiple of 32 values: blk.0.ssm_dt.weight (bf16)")));
}

TEST(Quantize, EveryMixCanBeReadBack) {
  const TempFolder in, out;
  blocks_of_256().write(in);
  for (const TypeMix& mix : all_type_mixes()) {
    const std::string path = out.file(std::string(mix.name) + ".gguf");
    const auto report = quantize(in.path(), path, mix.name);
    ASSERT_TRUE(report.has_value()) << mix.name << ": " << report.error().message;
    const auto result = Checkpoint::open(path);
    ASSERT_TRUE(result.has_value()) << result.error().message;
    EXPECT_EQ(result->gguf().integer("general.file_type").value(), mix.file_type);
    EXPECT_EQ(result->find("blk.2.ffn_up.weight")->type, mix.type) << mix.name;
  }
}

TEST(Quantize, TheSameBytesForAnyNumberOfThreads) {
  const TempFolder out;
  ASSERT_TRUE(quantize(pocket(), out.file("1.gguf"), "q5_k_m", {}, "", 1).has_value());
  ASSERT_TRUE(quantize(pocket(), out.file("3.gguf"), "q5_k_m", {}, "", 3).has_value());
  EXPECT_EQ(test::read_file(out.file("1.gguf")), test::read_file(out.file("3.gguf")));
}

TEST(Quantize, RulesChangeWhatTheyName) {
  const TempFolder out;
  const auto report = quantize(pocket(), out.file("x.gguf"), "q4_0", {{"blk.1.*", DType::f16}});
  ASSERT_TRUE(report.has_value()) << report.error().message;
  EXPECT_EQ(find(*report, "blk.1.attn_qkv.weight").type, DType::f16);
  EXPECT_EQ(find(*report, "blk.3.attn_qkv.weight").type, DType::q4_0);
  const auto unknown = quantize(pocket(), out.file("y.gguf"), "q4_0", {{"blk.99.*", DType::f16}});
  ASSERT_FALSE(unknown.has_value());
  EXPECT_EQ(unknown.error().code, ErrorCode::invalid_argument);
}

TEST(Quantize, NamesTheTensorWithAValueThatIsNotFinite) {
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    TinyCheckpoint tiny = blocks_of_256();
    tiny.tensor("model.layers.2.mlp.fc1.weight").set(70000, bad);
    const TempFolder in, out;
    tiny.write(in);
    const auto report = quantize(in.path(), out.file("x.gguf"), "q4_k_m");
    ASSERT_FALSE(report.has_value());
    EXPECT_EQ(report.error().code, ErrorCode::corrupt);
    EXPECT_THAT(report.error().message,
                AllOf(HasSubstr("model.layers.2.mlp.fc1.weight"), HasSubstr("70000")));
    EXPECT_THAT(out.names(), IsEmpty());
  }
}

TEST(Quantize, SaysThatItsSourceWasQuantizedBefore) {
  const TempFolder out;
  ASSERT_TRUE(quantize(pocket(), out.file("8.gguf"), "q8_0").has_value());
  const auto report = quantize(out.file("8.gguf"), out.file("4.gguf"), "q4_0");
  ASSERT_TRUE(report.has_value()) << report.error().message;
  EXPECT_THAT(format_report(*report), HasSubstr("quantized before"));
}

/// An importance file of the pocket model with one entry changed or added.
class Importance : public ::testing::Test {
 protected:
  std::string write(const std::string& name, const std::vector<float>& values) const {
    const std::string path = folder_.file("imatrix");
    auto writer =
        SafetensorsWriter::create(path, {{name, DType::f32, {static_cast<int64_t>(values.size())}}});
    EXPECT_TRUE(writer->write(std::as_bytes(std::span(values))).has_value());
    EXPECT_TRUE(writer->finish().has_value());
    return path;
  }
  /// Columns of blk.2.ffn_down.weight.
  static size_t columns() {
    const auto source = Checkpoint::open(pocket());
    return static_cast<size_t>(source->find("model.layers.2.mlp.fc2.weight")->shape.back());
  }
  TempFolder folder_;
};

TEST_F(Importance, WeighsTheErrorsOfItsColumns) {
  std::vector<float> importance(columns(), 0.0f);
  for (size_t c = 0; c < importance.size(); c += 4) importance[c] = 5.0f;
  const std::string path = write("blk.2.ffn_down.weight", importance);
  const auto plain = quantize(pocket(), folder_.file("plain.gguf"), "q4_k_m");
  const auto weighted = quantize(pocket(), folder_.file("weighted.gguf"), "q4_k_m", {}, path);
  ASSERT_TRUE(plain.has_value() && weighted.has_value()) << weighted.error().message;
  EXPECT_TRUE(find(*weighted, "blk.2.ffn_down.weight").weighted);
  EXPECT_FALSE(find(*weighted, "blk.4.ffn_down.weight").weighted);
  const auto source = Checkpoint::open(pocket());
  const auto error = [&](const std::string& file) {
    const auto result = Checkpoint::open(folder_.file(file));
    const TensorView &a = *source->find("model.layers.2.mlp.fc2.weight"),
                     &b = *result->find("blk.2.ffn_down.weight");
    std::vector<float> x(static_cast<size_t>(a.element_count())), y(x.size());
    read_as_f32(a, Transform::none, 0, a.element_count(), x.data());
    read_as_f32(b, Transform::none, 0, b.element_count(), y.data());
    double sum = 0;
    for (size_t i = 0; i < x.size(); i += 4) sum += std::pow(static_cast<double>(x[i]) - y[i], 2);
    return sum;
  };
  EXPECT_LT(error("weighted.gguf"), 0.8 * error("plain.gguf"));
}

TEST_F(Importance, RefusesWhatDoesNotFitTheModel) {
  const auto refusal = [&](const std::string& path) {
    const auto report = quantize(pocket(), folder_.file("x.gguf"), "q4_0", {}, path);
    EXPECT_FALSE(report.has_value());
    return report ? "" : report.error().message;
  };
  EXPECT_THAT(refusal(write("blk.99.ffn_down.weight", {1})), HasSubstr("blk.99.ffn_down.weight"));
  EXPECT_THAT(refusal(write("output_norm.weight", {1})), HasSubstr("output_norm.weight"));
  EXPECT_THAT(refusal(write("blk.2.ffn_down.weight", {1, 2})),
              AllOf(HasSubstr("[2]"), HasSubstr("[" + std::to_string(columns()) + "]")));
  for (const float bad : {-1.0f, std::nanf(""), std::numeric_limits<float>::infinity()}) {
    std::vector<float> values(columns(), 1.0f);
    values[7] = bad;
    EXPECT_THAT(refusal(write("blk.2.ffn_down.weight", values)), HasSubstr("column 7"));
  }
  EXPECT_THAT(refusal(folder_.file("missing")), HasSubstr("missing"));
}

TEST_F(Importance, OfATextNamesEveryMatrixAndIsTheMeanSquareOfItsInputs) {
  folder_.write("text", "What is 12 + 30? What is 88 + 77? What is 5 + 6?");
  ImatrixOptions options;
  options.model = pocket();
  options.text_file = folder_.file("text");
  options.out_file = folder_.file("imatrix");
  options.threads = 1;
  const auto report = write_imatrix(options);
  ASSERT_TRUE(report.has_value()) << report.error().message;
  const Checkpoint model = *Checkpoint::open(pocket());
  const std::vector<TensorSpec> specs = sambay_tensors(*load_sambay_config(model));
  const auto importance = load_importance(options.out_file, specs);
  ASSERT_TRUE(importance.has_value()) << importance.error().message;
  for (size_t i = 0; i < specs.size(); i++) {
    EXPECT_EQ((*importance)[i].size(), specs[i].is_matrix ? static_cast<size_t>(specs[i].shape.back()) : 0u);
    double mean = 0;
    for (const float v : (*importance)[i]) mean += v / static_cast<double>((*importance)[i].size());
    if (specs[i].is_matrix) {
      EXPECT_NEAR(mean, 1.0, 1e-3) << specs[i].gguf_name;
    }
  }
  // gate_up and the mixer's input behind the same kind of norm: E[(x w + b)^2] with x of variance 1 has a
  // mean near that of w^2 + b^2, over columns.
  const std::string bytes = test::read_file(options.out_file);
  const auto views = parse_safetensors(std::as_bytes(std::span(bytes)), "imatrix");
  ASSERT_TRUE(views.has_value());
  for (const TensorView& view : *views) {
    if (view.name != "blk.0.ffn_up.weight") continue;
    const int64_t width = view.shape.back();
    const size_t columns = static_cast<size_t>(width);
    std::vector<float> w(columns), b(columns), squares(columns);
    read_as_f32(*model.find("model.layers.0.post_attention_layernorm.weight"), Transform::none, 0, width,
                w.data());
    read_as_f32(*model.find("model.layers.0.post_attention_layernorm.bias"), Transform::none, 0, width,
                b.data());
    read_as_f32(view, Transform::none, 0, width, squares.data());
    double expected = 0, got = 0;
    for (size_t i = 0; i < columns; i++) expected += w[i] * w[i] + b[i] * b[i], got += squares[i];
    EXPECT_GT(got, 0.2 * expected);
    EXPECT_LT(got, 5 * expected);
  }
  options.threads = 2;
  options.out_file = folder_.file("again");
  ASSERT_TRUE(write_imatrix(options).has_value());
  EXPECT_EQ(test::read_file(options.out_file), bytes);  // sums have a fixed order, whoever makes them
  options.chunk = 8;
  options.out_file = folder_.file("in-pieces");
  ASSERT_TRUE(write_imatrix(options).has_value());
  EXPECT_NE(test::read_file(options.out_file), bytes);  // each piece is read without the ones before it
  EXPECT_TRUE(quantize(pocket(), folder_.file("x.gguf"), "q4_k_m", {}, options.out_file).has_value());
}

TEST_F(Importance, RefusesTextsAndOptionsThatGiveNothing) {
  folder_.write("empty", "");
  ImatrixOptions options;
  options.model = pocket();
  options.text_file = folder_.file("empty");
  options.out_file = folder_.file("imatrix");
  EXPECT_THAT(write_imatrix(options).error().message, HasSubstr("empty"));
  options.chunk = 0;
  EXPECT_EQ(write_imatrix(options).error().code, ErrorCode::invalid_argument);
  EXPECT_FALSE(std::filesystem::exists(options.out_file));
}

}  // namespace
}  // namespace sambay
