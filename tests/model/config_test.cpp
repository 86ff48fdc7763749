#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>

#include "formats/gguf_writer.h"
#include "model/sambay_config.h"
#include "support/temp_folder.h"
#include "support/tiny_checkpoint.h"

namespace sambay {
namespace {

using test::TinyConfig;
using ::testing::AllOf;
using ::testing::HasSubstr;

/// As the published checkpoint has it: without the Mamba fields.
constexpr const char* kPublished = R"({
  "architectures": ["Phi4FlashForCausalLM"], "model_type": "phi4flash", "vocab_size": 200064,
  "hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 32, "num_attention_heads": 40,
  "num_key_value_heads": 20, "max_position_embeddings": 262144, "sliding_window": 512, "hidden_act": "silu",
  "layer_norm_eps": 1e-05, "tie_word_embeddings": true, "torch_dtype": "bfloat16", "mb_per_layer": 2,
  "rope_theta": 10000.0, "attention_dropout": 0.0, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0})";

Result<SambaYConfig> parse(const TinyConfig& config) { return parse_sambay_config(config.json(), "x.json"); }

TEST(SambaYConfig, OfPublishedCheckpointGetsTheClassDefaultsForMamba) {
  const auto config = parse_sambay_config(kPublished, "config.json");
  ASSERT_TRUE(config.has_value()) << config.error().message;
  EXPECT_EQ(*config, SambaYConfig{});
  EXPECT_EQ(config->head_dim(), 64);
  EXPECT_EQ(config->inner(), 5120);
  EXPECT_EQ(config->kv_width(), 1280);
  EXPECT_EQ(config->state, 16);
  EXPECT_EQ(config->conv, 4);
  EXPECT_EQ(config->dt_rank, 160);
  EXPECT_EQ(*config, *sambay_preset("phi4-mini-flash"));
}

TEST(SambaYConfig, ReadsEveryField) {
  const auto config = parse(TinyConfig().set("mamba_expand", "3").set("layer_norm_eps", "1e-6"));
  ASSERT_TRUE(config.has_value()) << config.error().message;
  SambaYConfig expected;
  expected.vocab = 40, expected.hidden = 32, expected.layers = 8, expected.intermediate = 48;
  expected.heads = 4, expected.kv_heads = 2, expected.max_context = 128, expected.window = 4;
  expected.state = 4, expected.conv = 3, expected.expand = 3, expected.dt_rank = 2;
  expected.norm_eps = 1e-6f;
  EXPECT_EQ(*config, expected);
}

TEST(SambaYConfig, OfPocketModelIsRead) {
  const auto checkpoint = Checkpoint::open(std::string(SAMBAY_SOURCE_DIR) + "/models/pocket");
  ASSERT_TRUE(checkpoint.has_value()) << checkpoint.error().message;
  const auto config = load_sambay_config(*checkpoint);
  ASSERT_TRUE(config.has_value()) << config.error().message;
  EXPECT_TRUE(validate(*config, "pocket").has_value());
}

TEST(SambaYConfig, RoundsDtRankUp) {
  const auto config = parse(TinyConfig().set("hidden_size", "36").set("num_attention_heads", "4"));
  ASSERT_TRUE(config.has_value()) << config.error().message;
  EXPECT_EQ(config->dt_rank, 3);
}

TEST(SambaYConfig, AcceptsDtRankAsAutoOrAsTheEqualNumber) {
  EXPECT_EQ(parse(TinyConfig().set("mamba_dt_rank", "\"auto\""))->dt_rank, 2);
  EXPECT_EQ(parse(TinyConfig().set("mamba_dt_rank", "2"))->dt_rank, 2);
}

TEST(SambaYConfig, AcceptsWindowAsListPerLayer) {
  const auto config = parse(TinyConfig().set("sliding_window", "[null, 6, null, 6, null, null, null, null]"));
  ASSERT_TRUE(config.has_value()) << config.error().message;
  EXPECT_EQ(config->window, 6);
}

TEST(SambaYConfig, IgnoresFieldsThatDoNotChangeTheNumbers) {
  const auto config = parse(TinyConfig()
                                .set("rope_scaling", R"({"type": "longrope"})")
                                .set("rope_theta", "5")
                                .set("attention_dropout", "0.5")
                                .set("something_new", "[1, 2]")
                                .set("hidden_act", "null")
                                .set("quantization_config", "null")
                                .set("head_dim", "8")
                                .set("lm_head_bias", "false"));
  ASSERT_TRUE(config.has_value()) << config.error().message;
  EXPECT_EQ(*config, *parse(TinyConfig()));
}

TEST(SambaYConfig, SchedulesLayersAsThePaperDoes) {
  const SambaYConfig config;
  int count[6] = {};
  for (int i = 0; i < config.layers; i++) count[static_cast<int>(config.mixer(i))]++;
  EXPECT_EQ(count[static_cast<int>(Mixer::mamba)], 8);
  EXPECT_EQ(count[static_cast<int>(Mixer::window_attention)], 8);
  EXPECT_EQ(count[static_cast<int>(Mixer::gmu)], 7);
  EXPECT_EQ(count[static_cast<int>(Mixer::cross_attention)], 7);
  EXPECT_EQ(config.mixer(0), Mixer::mamba);
  EXPECT_EQ(config.mixer(15), Mixer::window_attention);
  EXPECT_EQ(config.mixer(16), Mixer::memory_mamba);
  EXPECT_EQ(config.mixer(17), Mixer::shared_kv_attention);
  EXPECT_EQ(config.mixer(18), Mixer::gmu);
  EXPECT_EQ(config.mixer(31), Mixer::cross_attention);
}

TEST(SambaYConfig, LambdaInitIsThePapersByAbsoluteLayer) {
  // Five digits as published with the architecture.
  EXPECT_NEAR(SambaYConfig::lambda_init(1), 0.35551, 5e-6);
  EXPECT_NEAR(SambaYConfig::lambda_init(17), 0.79634, 5e-6);
  EXPECT_NEAR(SambaYConfig::lambda_init(31), 0.79995, 5e-6);
}

TEST(SambaYConfig, UnknownPresetNamesTheKnownOne) {
  const auto config = sambay_preset("phi-5");
  ASSERT_FALSE(config.has_value());
  EXPECT_EQ(config.error().code, ErrorCode::invalid_argument);
  EXPECT_THAT(config.error().message, AllOf(HasSubstr("phi-5"), HasSubstr("phi4-mini-flash")));
}

struct BadField {
  const char* label;
  const char* field;
  const char* value;  // "" removes the field
  ErrorCode code;
  const char* says;  // part of the message, which always begins with the file's name
};

class BadConfig : public ::testing::TestWithParam<BadField> {};

TEST_P(BadConfig, IsRefusedWithFieldAndReason) {
  TinyConfig config;
  if (GetParam().value[0] == '\0')
    config.remove(GetParam().field);
  else
    config.set(GetParam().field, GetParam().value);
  const auto parsed = parse(config);
  ASSERT_FALSE(parsed.has_value());
  EXPECT_EQ(parsed.error().code, GetParam().code) << parsed.error().message;
  EXPECT_THAT(parsed.error().message, AllOf(::testing::StartsWith("x.json: "), HasSubstr(GetParam().field),
                                            HasSubstr(GetParam().says)));
  EXPECT_EQ(parsed.error().message.find('\n'), std::string::npos);
}

constexpr ErrorCode kBad = ErrorCode::corrupt, kOther = ErrorCode::unsupported;
INSTANTIATE_TEST_SUITE_P(
    Field, BadConfig,
    ::testing::Values(
        BadField{"TypeMissing", "model_type", "", kBad, "missing; expected \"phi4flash\""},
        BadField{"TypeIsNumber", "model_type", "4", kBad, "4; expected \"phi4flash\""},
        BadField{"OtherModel", "model_type", "\"llama\"", kOther,
                 "\"llama\"; this program runs \"phi4flash\""},
        BadField{"HiddenMissing", "hidden_size", "", kBad, "missing; expected a whole number"},
        BadField{"HiddenNull", "hidden_size", "null", kBad, "missing; expected a whole number"},
        BadField{"HiddenString", "hidden_size", "\"32\"", kBad, "\"32\"; expected a whole number"},
        BadField{"HiddenFraction", "hidden_size", "32.5", kBad, "32.5; expected a whole number"},
        BadField{"HiddenList", "hidden_size", "[32]", kBad, "a list; expected a whole number"},
        BadField{"HiddenBool", "hidden_size", "true", kBad, "true; expected a whole number"},
        BadField{"HiddenZero", "hidden_size", "0", kBad, "0; expected a whole number from 1 to 1048576"},
        BadField{"HiddenNegative", "hidden_size", "-32", kBad, "-32; expected a whole number from 1"},
        BadField{"HiddenHuge", "hidden_size", "1048580", kBad, "1048580; expected a whole number from 1"},
        BadField{"HiddenBeyondInt", "hidden_size", "99999999999", kBad, "99999999999; expected"},
        BadField{"HiddenBeyondInt64", "hidden_size", "18446744073709551615", kBad, "expected"},
        BadField{"HiddenNotByHeads", "hidden_size", "34", kBad,
                 "34; must be a multiple of num_attention_heads"},
        BadField{"VocabMissing", "vocab_size", "", kBad, "missing"},
        BadField{"VocabHuge", "vocab_size", "16777217", kBad, "from 1 to 16777216"},
        BadField{"LayersMissing", "num_hidden_layers", "", kBad, "missing"},
        BadField{"LayersZero", "num_hidden_layers", "0", kBad, "from 4 to 1024"},
        BadField{"LayersNotByFour", "num_hidden_layers", "10", kBad, "10; must be divisible by 4"},
        BadField{"IntermediateMissing", "intermediate_size", "", kBad, "missing"},
        BadField{"HeadsMissing", "num_attention_heads", "", kBad, "missing"},
        BadField{"HeadsOdd", "num_attention_heads", "5", kBad, "5; differential attention pairs heads"},
        BadField{"HeadsNotByKvHeads", "num_key_value_heads", "8", kBad, "must be a multiple of"},
        BadField{"KvHeadsMissing", "num_key_value_heads", "", kBad, "missing"},
        BadField{"KvHeadsOdd", "num_key_value_heads", "3", kBad, "3; differential attention pairs heads"},
        BadField{"KvHeadsOne", "num_key_value_heads", "1", kBad, "from 2 to"},
        BadField{"ContextMissing", "max_position_embeddings", "", kBad, "missing"},
        BadField{"ContextZero", "max_position_embeddings", "0", kBad, "from 1 to"},
        BadField{"EpsZero", "layer_norm_eps", "0", kBad, "0; expected a number above 0"},
        BadField{"EpsLarge", "layer_norm_eps", "1", kBad, "1; expected a number above 0 and at most 0.1"},
        BadField{"EpsHuge", "layer_norm_eps", "1e99", kBad, "expected a number above 0"},
        BadField{"EpsString", "layer_norm_eps", "\"1e-5\"", kBad, "\"1e-5\"; expected a number"},
        BadField{"StateZero", "mamba_d_state", "0", kBad, "from 1 to 256"},
        BadField{"StateLarge", "mamba_d_state", "257", kBad, "from 1 to 256"},
        BadField{"StateString", "mamba_d_state", "\"a\"", kBad, "expected a whole number"},
        BadField{"ConvOne", "mamba_d_conv", "1", kBad, "from 2 to 8"},
        BadField{"ConvNine", "mamba_d_conv", "9", kBad, "from 2 to 8"},
        BadField{"ExpandZero", "mamba_expand", "0", kBad, "from 1 to 16"},
        BadField{"DtRankOther", "mamba_dt_rank", "5", kBad, "5; the model always uses hidden_size / 16"},
        BadField{"DtRankWord", "mamba_dt_rank", "\"big\"", kBad, "\"big\"; expected \"auto\" or 2"},
        BadField{"WindowMissing", "sliding_window", "", kBad, "missing; expected a whole number or a list"},
        BadField{"WindowNull", "sliding_window", "null", kBad, "missing; expected a whole number or a list"},
        BadField{"WindowZero", "sliding_window", "0", kBad, "from 1 to"},
        BadField{"WindowFraction", "sliding_window", "1.5", kBad, "1.5; expected a whole number or a list"},
        BadField{"WindowShortList", "sliding_window", "[null, 4]", kBad,
                 "2 entries; expected one for each of"},
        BadField{"WindowOnEvenLayer", "sliding_window", "[4, 4, null, 4, null, null, null, null]", kOther,
                 "sliding_window[0]: 4; expected a window on odd layers below 4"},
        BadField{"WindowOnCrossLayer", "sliding_window", "[null, 4, null, 4, null, 4, null, null]", kOther,
                 "sliding_window[5]: 4"},
        BadField{"WindowHole", "sliding_window", "[null, 4, null, null, null, null, null, null]", kOther,
                 "sliding_window[3]: null"},
        BadField{"WindowsDiffer", "sliding_window", "[null, 4, null, 5, null, null, null, null]", kOther,
                 "sliding_window[3]: 5; expected the window of the layers before, 4"},
        BadField{"WindowListOfWords", "sliding_window", "[null, \"4\", null, 4, null, null, null, null]",
                 kBad, "sliding_window[1]: \"4\"; expected a whole number"},
        BadField{"WindowListZero", "sliding_window", "[null, 0, null, 0, null, null, null, null]", kBad,
                 "sliding_window[1]: 0; expected a whole number"},
        BadField{"Gelu", "hidden_act", "\"gelu\"", kOther, "\"gelu\"; only \"silu\" is computed"},
        BadField{"ActIsNumber", "hidden_act", "1", kBad, "1; expected \"silu\""},
        BadField{"EveryThird", "mb_per_layer", "3", kOther, "3; only 2 is computed"},
        BadField{"Untied", "tie_word_embeddings", "false", kOther, "false; only models whose output head is"},
        BadField{"TiedIsNumber", "tie_word_embeddings", "1", kBad, "1; expected true"},
        BadField{"HeadBias", "lm_head_bias", "true", kOther, "true; a model with this bias"},
        BadField{"MlpBias", "mlp_bias", "true", kOther, "true; a model with this bias"},
        BadField{"NoConvBias", "mamba_conv_bias", "false", kOther, "false; a model without this bias"},
        BadField{"ProjBias", "mamba_proj_bias", "true", kOther, "true; a model with this bias"},
        BadField{"OtherHeadDim", "head_dim", "16", kOther, "16; only hidden_size / num_attention_heads"},
        BadField{"Quantized", "quantization_config", "{\"bits\": 4}", kOther, "quantized"}),
    [](const auto& tested) { return std::string(tested.param.label); });

TEST(SambaYConfig, TextThatIsNoObjectIsRefused) {
  for (const char* text : {"", "{", "[1]", "null", "\"x\"", "{\"model_type\": \"phi4flash\"", "\xff\xfe"}) {
    const auto config = parse_sambay_config(text, "x.json");
    ASSERT_FALSE(config.has_value()) << text;
    EXPECT_EQ(config.error().code, ErrorCode::corrupt) << text;
    EXPECT_THAT(config.error().message, ::testing::StartsWith("x.json: "));
  }
}

TEST(SambaYConfig, ErrorsShowOutsideTextPrintable) {
  const auto config =
      parse(TinyConfig().set("model_type", "\"\\u001b[31m\\n\xc3\xa9" + std::string(500, 'x') + "\""));
  ASSERT_FALSE(config.has_value());
  EXPECT_LT(config.error().message.size(), 200u);
  for (char c : config.error().message) EXPECT_TRUE(c >= 0x20 && c < 0x7f) << static_cast<int>(c);
}

TEST(SambaYConfig, OversizedTextIsRefusedUnread) {
  const auto config = parse_sambay_config("{" + std::string(size_t{5} << 20, ' ') + "}", "x.json");
  ASSERT_FALSE(config.has_value());
  EXPECT_THAT(config.error().message, HasSubstr("expected at most"));
}

// --- the same from GGUF ---------------------------------------------------------------------------------

Result<SambaYConfig> read_back(const std::vector<GgufEntry>& entries) {
  GgufHeader header = make_gguf_header(entries, {{"t", DType::f32, {8}}});
  header.bytes.resize(static_cast<size_t>(header.file_bytes));
  const auto reader = GgufReader::parse(header.bytes, "x.gguf");
  if (!reader) return tl::unexpected(reader.error());
  return read_sambay_config(*reader, "x.gguf");
}

TEST(SambaYConfigInGguf, RoundTripKeepsEveryField) {
  for (const auto& config : {SambaYConfig{}, *parse(TinyConfig().set("mamba_expand", "3"))}) {
    const auto back = read_back(sambay_config_to_gguf(config));
    ASSERT_TRUE(back.has_value()) << back.error().message;
    EXPECT_EQ(*back, config);
  }
}

TEST(SambaYConfigInGguf, EveryKeyIsNeeded) {
  const auto entries = sambay_config_to_gguf(SambaYConfig{});
  EXPECT_EQ(entries.size(), 15u);
  for (size_t i = 0; i < entries.size(); i++) {
    auto without = entries;
    without.erase(without.begin() + static_cast<std::ptrdiff_t>(i));
    const auto config = read_back(without);
    ASSERT_FALSE(config.has_value()) << entries[i].key;
    EXPECT_THAT(config.error().message,
                AllOf(HasSubstr("x.gguf"), HasSubstr(entries[i].key), HasSubstr("missing")));
  }
}

TEST(SambaYConfigInGguf, WrongTypesAreRefusedWithTheKey) {
  const auto entries = sambay_config_to_gguf(SambaYConfig{});
  for (size_t i = 0; i < entries.size(); i++) {
    auto wrong = entries;
    if (std::holds_alternative<std::string>(wrong[i].value))
      wrong[i].value = uint32_t{1};
    else
      wrong[i].value = std::string("1");
    const auto config = read_back(wrong);
    ASSERT_FALSE(config.has_value()) << entries[i].key;
    EXPECT_EQ(config.error().code, ErrorCode::corrupt) << config.error().message;
    EXPECT_THAT(config.error().message, HasSubstr(entries[i].key));
  }
}

std::string message_with(const std::string& key, const GgufValue& value, ErrorCode code) {
  auto entries = sambay_config_to_gguf(SambaYConfig{});
  for (GgufEntry& entry : entries)
    if (entry.key == key) entry.value = value;
  const auto config = read_back(entries);
  EXPECT_FALSE(config.has_value()) << key;
  if (config) return "";
  EXPECT_EQ(config.error().code, code) << config.error().message;
  return config.error().message;
}

TEST(SambaYConfigInGguf, OtherArchitecturesAndLayoutsAreNamed) {
  EXPECT_THAT(message_with("general.architecture", std::string("llama"), kOther),
              AllOf(HasSubstr("llama"), HasSubstr("phi4flash")));
  EXPECT_THAT(message_with("phi4flash.layout", std::string("permuted"), kOther),
              AllOf(HasSubstr("permuted"), HasSubstr("hf")));
}

TEST(SambaYConfigInGguf, FileWithoutLayoutIsExplained) {
  auto entries = sambay_config_to_gguf(SambaYConfig{});
  std::erase_if(entries, [](const GgufEntry& e) { return e.key == "phi4flash.layout"; });
  const auto config = read_back(entries);
  ASSERT_FALSE(config.has_value());
  EXPECT_EQ(config.error().code, ErrorCode::unsupported);
  EXPECT_THAT(config.error().message, AllOf(HasSubstr("reorder the rows of Q and K"), HasSubstr("convert")));
}

TEST(SambaYConfigInGguf, ImpossibleValuesAreRefused) {
  EXPECT_THAT(message_with("phi4flash.block_count", uint32_t{33}, kBad),
              HasSubstr("33; must be divisible by 4"));
  EXPECT_THAT(message_with("phi4flash.embedding_length", uint32_t{0}, kBad), HasSubstr("0; expected"));
  EXPECT_THAT(message_with("phi4flash.embedding_length", int32_t{-2560}, kBad), HasSubstr("-2560; expected"));
  EXPECT_THAT(message_with("phi4flash.vocab_size", uint64_t{1} << 40, kBad), HasSubstr("1099511627776"));
  EXPECT_THAT(message_with("phi4flash.ssm.inner_size", uint32_t{5000}, kBad),
              HasSubstr("must be a multiple of"));
  EXPECT_THAT(message_with("phi4flash.ssm.time_step_rank", uint32_t{5}, kBad),
              HasSubstr("5; the model always"));
  EXPECT_THAT(message_with("phi4flash.attention.layer_norm_epsilon", std::nanf(""), kBad),
              HasSubstr("above 0"));
}

}  // namespace
}  // namespace sambay
