#include "model/type_mix.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace sambay {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

/// The published shapes, whose rows are multiples of 256 but for dt_proj's 160.
SambaYConfig published() {
  SambaYConfig config;
  config.vocab = 200064;
  config.hidden = 2560;
  config.layers = 32;
  config.intermediate = 10240;
  config.heads = 40;
  config.kv_heads = 20;
  config.window = 512;
  config.max_context = 65536;
  config.dt_rank = 160;
  return config;
}

DType type_of(const std::string& name, const TypeMix& mix, const std::vector<TypeRule>& rules = {}) {
  const SambaYConfig config = published();
  for (const TensorSpec& spec : sambay_tensors(config))
    if (spec.gguf_name == name)
      return fitting_type(wanted_type(spec, config, mix, rules), spec.shape.back(), DType::bf16);
  ADD_FAILURE() << name;
  return DType::i32;
}

TEST(TypeMix, Q4KMSpendsBitsWhereErrorsReachFurthest) {
  const TypeMix mix = *type_mix_from_name("q4_k_m");
  EXPECT_EQ(type_of("token_embd.weight", mix), DType::q6_k);
  EXPECT_EQ(type_of("blk.0.ffn_up.weight", mix), DType::q4_k);
  EXPECT_EQ(type_of("blk.3.ffn_down.weight", mix), DType::q6_k);  // the first eighth of 32 layers
  EXPECT_EQ(type_of("blk.4.ffn_down.weight", mix), DType::q4_k);
  EXPECT_EQ(type_of("blk.27.ffn_down.weight", mix), DType::q4_k);
  EXPECT_EQ(type_of("blk.28.ffn_down.weight", mix), DType::q6_k);  // and the last
  EXPECT_EQ(type_of("blk.1.attn_qkv.weight", mix), DType::q6_k);
  EXPECT_EQ(type_of("blk.17.attn_qkv.weight", mix), DType::q6_k);
  EXPECT_EQ(type_of("blk.19.attn_q.weight", mix), DType::q4_k);  // a cross layer has no values of its own
  EXPECT_EQ(type_of("blk.16.ssm_in.weight", mix), DType::q6_k);  // makes the memory of every GMU
  EXPECT_EQ(type_of("blk.14.ssm_in.weight", mix), DType::q4_k);
  EXPECT_EQ(type_of("blk.0.ssm_x.weight", mix), DType::q8_0);
  EXPECT_EQ(type_of("blk.0.ssm_dt.weight", mix), DType::q8_0);
  for (const char* name : {"output_norm.weight", "blk.0.ssm_a", "blk.0.ssm_d", "blk.0.ssm_conv1d.weight",
                           "blk.0.ssm_dt.bias", "blk.1.attn_lambda_q1", "blk.1.attn_sub_norm.weight"})
    EXPECT_EQ(type_of(name, mix), DType::f32) << name;
}

TEST(TypeMix, PlainMixesAreOneType) {
  for (const DType type : {DType::f32, DType::f16, DType::bf16, DType::q8_0}) {
    const TypeMix mix = *type_mix_from_name(dtype_info(type).name);
    for (const char* name :
         {"token_embd.weight", "blk.0.ffn_up.weight", "blk.0.ssm_x.weight", "blk.1.attn_qkv.weight"})
      EXPECT_EQ(type_of(name, mix), type) << mix.name << " " << name;
  }
  EXPECT_EQ(type_of("token_embd.weight", *type_mix_from_name("q6_k")), DType::q8_0);
}

TEST(TypeMix, OfOneTypeHasItsNumber) {
  EXPECT_EQ(TypeMix(DType::bf16).file_type, 32u);
  EXPECT_EQ(TypeMix(DType::q8_0).file_type, 7u);
  EXPECT_EQ(TypeMix(DType::q4_0).file_type, 2u);
  EXPECT_EQ(TypeMix(DType::q6_k).file_type, 18u);
  EXPECT_STREQ(TypeMix(DType::q6_k).name, "q6_k");
  EXPECT_EQ(type_of("token_embd.weight", DType::q6_k), DType::q6_k);
}

TEST(TypeMix, EveryNameIsKnownOnce) {
  for (const TypeMix& mix : all_type_mixes()) EXPECT_STREQ(type_mix_from_name(mix.name)->name, mix.name);
  EXPECT_FALSE(type_mix_from_name("q4_k_l").has_value());
}

TEST(TypeRules, TheLastThatFitsCountsBeforeTheMix) {
  const TypeMix mix = *type_mix_from_name("q4_k_m");
  const std::vector<TypeRule> rules = {*parse_type_rule("blk.*.ffn_down.weight=q5_k"),
                                       *parse_type_rule("blk.1?.ffn_*=q8_0"),
                                       *parse_type_rule("*norm*=q8_0")};
  EXPECT_EQ(type_of("blk.0.ffn_down.weight", mix, rules), DType::q5_k);
  EXPECT_EQ(type_of("blk.12.ffn_down.weight", mix, rules), DType::q8_0);
  EXPECT_EQ(type_of("blk.12.ffn_up.weight", mix, rules), DType::q8_0);
  EXPECT_EQ(type_of("blk.2.ffn_up.weight", mix, rules), DType::q4_k);
  EXPECT_EQ(type_of("blk.0.attn_norm.weight", mix, rules), DType::f32) << "rules are for matrices";
}

TEST(TypeRules, RefusesWhatIsNoRule) {
  for (const char* text :
       {"", "=", "=q4_k", "blk", "blk=", "blk=q4_k_m", "blk=i32", "blk=Q4_K", "blk= q4_k"}) {
    const auto rule = parse_type_rule(text);
    ASSERT_FALSE(rule.has_value()) << text;
    EXPECT_EQ(rule.error().code, ErrorCode::invalid_argument);
    EXPECT_THAT(rule.error().message, HasSubstr("rule '" + std::string(text) + "'"));
  }
  EXPECT_THAT(parse_type_rule("a=q9").error().message, AllOf(HasSubstr("q4_k"), HasSubstr("iq4_nl")));
}

TEST(TypeRules, RefusesARuleThatNoMatrixMatches) {
  const std::vector<TensorSpec> specs = sambay_tensors(published());
  EXPECT_TRUE(check_type_rules({{"blk.31.*", DType::q4_0}}, specs).has_value());
  const auto unknown = check_type_rules({{"*", DType::q4_0}, {"blk.32.*", DType::q4_0}}, specs);
  ASSERT_FALSE(unknown.has_value());
  EXPECT_THAT(unknown.error().message, AllOf(HasSubstr("blk.32.*=q4_0"), HasSubstr("token_embd.weight")));
  EXPECT_FALSE(check_type_rules({{"output_norm.weight", DType::q4_0}}, specs).has_value());
}

TEST(MatchesPattern, StarsAndQuestionMarks) {
  EXPECT_TRUE(matches_pattern("", ""));
  EXPECT_TRUE(matches_pattern("*", ""));
  EXPECT_TRUE(matches_pattern("a*b*c", "axxbxbxc"));
  EXPECT_TRUE(matches_pattern("*.weight", "blk.0.ffn_up.weight"));
  EXPECT_TRUE(matches_pattern("a?c", "abc"));
  EXPECT_FALSE(matches_pattern("a?c", "ac"));
  EXPECT_FALSE(matches_pattern("a*b", "abc"));
  EXPECT_FALSE(matches_pattern("abc", "ab"));
  EXPECT_FALSE(matches_pattern("", "a"));
  // Many stars take no more than pattern times name steps.
  EXPECT_FALSE(matches_pattern(std::string(2000, '*') + "b", std::string(20000, 'a')));
}

TEST(FittingType, TakesShorterBlocksThenTheSourcesType) {
  EXPECT_EQ(fitting_type(DType::q4_k, 512, DType::bf16), DType::q4_k);
  EXPECT_EQ(fitting_type(DType::q4_k, 160, DType::bf16), DType::q4_0);
  EXPECT_EQ(fitting_type(DType::q5_k, 160, DType::bf16), DType::q5_0);
  EXPECT_EQ(fitting_type(DType::q6_k, 160, DType::bf16), DType::q8_0);
  EXPECT_EQ(fitting_type(DType::q3_k, 160, DType::bf16), DType::q4_0);
  EXPECT_EQ(fitting_type(DType::q4_k, 100, DType::bf16), DType::bf16);
  EXPECT_EQ(fitting_type(DType::q8_0, 8, DType::f16), DType::f16);
  EXPECT_EQ(fitting_type(DType::f16, 7, DType::f32), DType::f16);
}

}  // namespace
}  // namespace sambay
