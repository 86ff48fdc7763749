#include "model/tensor_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <string>

#include "formats/gguf_writer.h"
#include "support/golden.h"
#include "support/temp_folder.h"
#include "support/tiny_checkpoint.h"
#include "tensor/quant_q8_0.h"

namespace sambay {
namespace {

using test::TempFolder;
using test::TinyCheckpoint;
using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(TensorTable, OfRealShapesHas434TensorsAndAllParameters) {
  const auto specs = sambay_tensors(*sambay_preset("phi4-mini-flash"));
  EXPECT_EQ(specs.size(), 434u);
  int64_t parameters = 0;
  for (const TensorSpec& spec : specs) parameters += spec.element_count();
  EXPECT_EQ(parameters, 3'852'562'944);
}

TEST(TensorTable, OfRealShapesAddsUpByGroupAsTheModelCardOfTheArchitectureSays) {
  int64_t parameters[kTensorGroupCount] = {};
  for (const TensorSpec& spec : sambay_tensors(SambaYConfig{}))
    parameters[static_cast<size_t>(tensor_group(spec.role))] += spec.element_count();
  const auto of = [&](TensorGroup group) { return parameters[static_cast<size_t>(group)]; };
  EXPECT_EQ(of(TensorGroup::embedding), int64_t{200064} * 2560);
  EXPECT_EQ(of(TensorGroup::mlp), int64_t{32} * 3 * 10240 * 2560);
  // in_proj, conv with bias, x_proj, dt_proj with bias, A_log, D, out_proj
  EXPECT_EQ(of(TensorGroup::mamba),
            9 * (int64_t{10240} * 2560 + 5120 * 5 + 192 * 5120 + 5120 * 161 + 5120 * 17 + 2560 * 5120));
  EXPECT_EQ(of(TensorGroup::gmu), int64_t{7} * 2 * 5120 * 2560);
  EXPECT_EQ(of(TensorGroup::attention), 8 * int64_t{5120 * 2561} + 5120 * 2561 + 7 * int64_t{2560 * 2561} +
                                            16 * int64_t{2560 * 2561 + 4 * 64 + 128});
  EXPECT_EQ(of(TensorGroup::norms), (32 * 2 + 1) * 2 * 2560);
}

TEST(TensorTable, NamesAndShapesAreThoseOfIndependentCheckpoints) {
  for (const char* folder : {"a_f32", "a_bf16", "c_bf16", "d_calm_bf16"}) {
    const auto checkpoint = Checkpoint::open(test::golden_path(folder));
    ASSERT_TRUE(checkpoint.has_value()) << checkpoint.error().message;
    const auto specs = sambay_tensors(*load_sambay_config(*checkpoint));
    const auto views = match_tensors(*checkpoint, specs);
    ASSERT_TRUE(views.has_value()) << views.error().message;
    EXPECT_EQ(views->size(), checkpoint->tensors().size());
    for (size_t i = 0; i < specs.size(); i++) {
      EXPECT_EQ((*views)[i]->name, specs[i].hf_name);
      EXPECT_EQ((*views)[i]->shape, specs[i].hf_shape);
    }
  }
}

TEST(TensorTable, NamesAreUniqueAndRolesIdentify) {
  std::set<std::string> hf, gguf;
  std::set<std::pair<Role, int>> roles;
  const auto specs = sambay_tensors(SambaYConfig{});
  for (const TensorSpec& spec : specs) {
    EXPECT_TRUE(hf.insert(spec.hf_name).second) << spec.hf_name;
    EXPECT_TRUE(gguf.insert(spec.gguf_name).second) << spec.gguf_name;
    EXPECT_TRUE(roles.insert({spec.role, spec.layer}).second) << spec.hf_name;
    EXPECT_LT(spec.gguf_name.size(), 64u) << "ggml's limit";
  }
}

TEST(TensorTable, MatricesAreTwoDimensionalAndUntransformed) {
  for (const TensorSpec& spec : sambay_tensors(SambaYConfig{})) {
    if (!spec.is_matrix) continue;
    EXPECT_EQ(spec.shape.size(), 2u) << spec.hf_name;
    EXPECT_EQ(spec.transform, Transform::none) << spec.hf_name;
  }
}

TEST(TensorTable, ConvolutionIsSqueezedAndStateMatrixExponentiated) {
  for (const TensorSpec& spec : sambay_tensors(SambaYConfig{})) {
    if (spec.hf_name == "model.layers.2.attn.conv1d.weight") {
      EXPECT_EQ(spec.hf_shape, (std::vector<int64_t>{5120, 1, 4}));
      EXPECT_EQ(spec.shape, (std::vector<int64_t>{5120, 4}));
      EXPECT_EQ(spec.transform, Transform::squeeze);
      EXPECT_EQ(spec.gguf_name, "blk.2.ssm_conv1d.weight");
    }
    EXPECT_EQ(spec.transform == Transform::neg_exp, spec.role == Role::a);
    EXPECT_EQ(spec.transform == Transform::squeeze, spec.role == Role::conv);
  }
}

// --- match_tensors --------------------------------------------------------------------------------------

Result<size_t> match(const TinyCheckpoint& tiny) {
  const TempFolder folder;
  tiny.write(folder);
  const auto checkpoint = Checkpoint::open(folder.path());
  if (!checkpoint) return tl::unexpected(checkpoint.error());
  const auto views = match_tensors(*checkpoint, sambay_tensors(*load_sambay_config(*checkpoint)));
  if (!views) return tl::unexpected(views.error());
  return views->size();
}

std::string refusal(const TinyCheckpoint& tiny, ErrorCode code) {
  const auto views = match(tiny);
  EXPECT_FALSE(views.has_value());
  if (views) return "";
  EXPECT_EQ(views.error().code, code) << views.error().message;
  return views.error().message;
}

TEST(MatchTensors, AcceptsEachPlainType) {
  for (const char* type : {"F32", "F16", "BF16"}) {
    const auto views = match(TinyCheckpoint(type));
    ASSERT_TRUE(views.has_value()) << views.error().message;
  }
}

TEST(MatchTensors, AcceptsATypePerTensor) {
  TinyCheckpoint tiny("BF16");
  test::Random random(3);
  tiny.remove("model.layers.0.attn.A_log");
  tiny.add("model.layers.0.attn.A_log", "F32", {64, 4}, random);
  tiny.remove("model.layers.1.mlp.fc1.weight");
  tiny.add("model.layers.1.mlp.fc1.weight", "F16", {96, 32}, random);
  EXPECT_TRUE(match(tiny).has_value());
}

TEST(MatchTensors, NamesAMissingTensorAndItsShape) {
  TinyCheckpoint tiny;
  tiny.remove("model.layers.2.attn.conv1d.weight");
  EXPECT_THAT(refusal(tiny, ErrorCode::not_found),
              AllOf(HasSubstr("model.layers.2.attn.conv1d.weight is missing"), HasSubstr("[64, 1, 3]")));
}

TEST(MatchTensors, NamesAWrongShapeAndTheRightOne) {
  TinyCheckpoint tiny;
  tiny.tensor("model.layers.0.mlp.fc2.weight").shape = {48, 32};
  EXPECT_THAT(refusal(tiny, ErrorCode::corrupt), AllOf(HasSubstr("model.layers.0.mlp.fc2.weight"),
                                                       HasSubstr("[48, 32]"), HasSubstr("[32, 48]")));
}

TEST(MatchTensors, NamesAnIntegerTensorAndTheTypesThatFit) {
  TinyCheckpoint tiny;
  tiny.tensor("model.final_layernorm.bias").type = "I32";
  EXPECT_THAT(refusal(tiny, ErrorCode::corrupt),
              AllOf(HasSubstr("model.final_layernorm.bias has type i32"), HasSubstr("f32, f16 or bf16")));
}

TEST(MatchTensors, NamesAnExtraTensor) {
  TinyCheckpoint tiny;
  test::Random random(3);
  tiny.add("model.layers.8.input_layernorm.weight", "F32", {32}, random);
  EXPECT_THAT(refusal(tiny, ErrorCode::corrupt),
              HasSubstr("model.layers.8.input_layernorm.weight is not part of this model"));
}

TEST(MatchTensors, AcceptsAnEqualHeadOfTheSameOrAnotherType) {
  TinyCheckpoint tiny("BF16");
  tiny.tensors.push_back(tiny.tensor("model.embed_tokens.weight"));
  tiny.tensors.back().name = "lm_head.weight";
  EXPECT_TRUE(match(tiny).has_value());

  test::TinyTensor& head = tiny.tensor("lm_head.weight");
  const std::string narrow = head.bytes;
  head.type = "F32";
  head.bytes.assign(narrow.size() * 2, '\0');
  for (size_t i = 0; i < narrow.size() / 2; i++) {
    uint16_t half;
    std::memcpy(&half, narrow.data() + i * 2, 2);
    head.set(i, bf16_to_f32(half));
  }
  EXPECT_TRUE(match(tiny).has_value());
}

TEST(MatchTensors, RefusesAnUnequalHeadAtItsFirstElement) {
  TinyCheckpoint tiny;
  tiny.tensors.push_back(tiny.tensor("model.embed_tokens.weight"));
  tiny.tensors.back().name = "lm_head.weight";
  tiny.tensors.back().set(77, 5.0f);
  EXPECT_THAT(refusal(tiny, ErrorCode::unsupported),
              AllOf(HasSubstr("lm_head.weight"), HasSubstr("element 77")));
}

TEST(MatchTensors, RefusesAHeadOfAnotherShape) {
  TinyCheckpoint tiny;
  test::Random random(3);
  tiny.add("lm_head.weight", "F32", {41, 32}, random);
  EXPECT_THAT(refusal(tiny, ErrorCode::corrupt), AllOf(HasSubstr("lm_head.weight"), HasSubstr("[41, 32]")));
}

/// The tiny model as a GGUF whose tensors are zeros, with the types that `type_of` says.
template <class TypeOf>
std::vector<std::byte> zero_gguf(const SambaYConfig& config, TypeOf type_of) {
  std::vector<GgufTensor> tensors;
  for (const TensorSpec& spec : sambay_tensors(config))
    tensors.push_back({spec.gguf_name, type_of(spec), spec.shape});
  GgufHeader header = make_gguf_header(sambay_config_to_gguf(config), tensors);
  header.bytes.resize(static_cast<size_t>(header.file_bytes));
  return header.bytes;
}

TEST(MatchTensors, AcceptsQuantizedMatricesInGguf) {
  SambaYConfig config =
      *parse_sambay_config(test::TinyConfig().set("intermediate_size", "64").json(), "tiny");
  const auto bytes = zero_gguf(config, [](const TensorSpec& spec) {
    return spec.is_matrix && spec.shape[1] % 32 == 0 ? DType::q8_0 : DType::f32;
  });
  const auto checkpoint = Checkpoint::from_gguf_memory(bytes, "x.gguf");
  ASSERT_TRUE(checkpoint.has_value()) << checkpoint.error().message;
  const auto views = match_tensors(*checkpoint, sambay_tensors(config));
  ASSERT_TRUE(views.has_value()) << views.error().message;
}

TEST(MatchTensors, RefusesAQuantizedVectorInGguf) {
  const SambaYConfig config = *parse_sambay_config(test::TinyConfig().json(), "tiny");
  const auto bytes = zero_gguf(config, [](const TensorSpec& spec) {
    return spec.gguf_name == "output_norm.weight" ? DType::q8_0 : DType::f32;
  });
  const auto checkpoint = Checkpoint::from_gguf_memory(bytes, "x.gguf");
  ASSERT_TRUE(checkpoint.has_value()) << checkpoint.error().message;
  const auto views = match_tensors(*checkpoint, sambay_tensors(config));
  ASSERT_FALSE(views.has_value());
  EXPECT_THAT(views.error().message, AllOf(HasSubstr("output_norm.weight has type q8_0"), HasSubstr("f32")));
}

// --- read_as_f32 ----------------------------------------------------------------------------------------

TEST(ReadAsF32, DecodesAPieceOfEachType) {
  std::vector<float> values(96);
  for (size_t i = 0; i < values.size(); i++)
    values[i] = static_cast<float>(i) - 40.0f;  // exact in every type
  for (const DTypeInfo& type : all_dtypes()) {
    if (!type.is_weight || type.is_block()) continue;
    std::vector<std::byte> bytes(static_cast<size_t>(dtype_bytes(type.type, 96)));
    type.encode(values.data(), bytes.data(), 96);
    const TensorView view{"t", type.type, {3, 32}, bytes};
    std::vector<float> piece(32);
    read_as_f32(view, Transform::squeeze, 32, 32, piece.data());
    EXPECT_EQ(piece, std::vector<float>(values.begin() + 32, values.begin() + 64)) << type.name;
  }
}

TEST(ReadAsF32, DecodesAPieceOfQuantizedBlocks) {
  std::vector<float> values(96);
  for (size_t i = 0; i < values.size(); i++) values[i] = i == 32 ? 127.0f : static_cast<float>(i % 32);
  std::vector<std::byte> bytes(static_cast<size_t>(dtype_bytes(DType::q8_0, 96)));
  encode_q8_0(values.data(), bytes.data(), 96);
  std::vector<float> piece(32);
  read_as_f32({"t", DType::q8_0, {3, 32}, bytes}, Transform::none, 32, 32, piece.data());
  // The block's largest magnitude is 127, so its scale is 1 and whole numbers are exact.
  EXPECT_EQ(piece, std::vector<float>(values.begin() + 32, values.begin() + 64));
}

TEST(ReadAsF32, AppliesMinusExpRoundedOnce) {
  const std::vector<float> logs = {0.0f, 1.0f, -2.5f, std::log(16.0f), -200.0f};
  std::vector<std::byte> bytes(logs.size() * 4);
  std::memcpy(bytes.data(), logs.data(), bytes.size());
  std::vector<float> out(logs.size());
  read_as_f32({"A_log", DType::f32, {5}, bytes}, Transform::neg_exp, 0, 5, out.data());
  for (size_t i = 0; i < logs.size(); i++)
    EXPECT_EQ(out[i], static_cast<float>(-std::exp(static_cast<double>(logs[i]))));
  EXPECT_EQ(out[0], -1.0f);
}

}  // namespace
}  // namespace sambay
