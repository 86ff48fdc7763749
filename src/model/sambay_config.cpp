#include "model/sambay_config.h"

#include <fmt/core.h>

#include <cmath>

#include "base/printable.h"

namespace sambay {
namespace {

constexpr const char* kArchitecture = "phi4flash";

struct Range {
  const char* field;  // as in config.json
  int SambaYConfig::* member;
  int low, high;
  const char* gguf_key;
};

// The upper limits leave every product of two dimensions far inside an int64 and every dimension, doubled
// ones too, inside an int. Those of conv and state are what the kernels keep on the stack.
constexpr Range kRanges[] = {
    {"vocab_size", &SambaYConfig::vocab, 1, 1 << 24, "phi4flash.vocab_size"},
    {"max_position_embeddings", &SambaYConfig::max_context, 1, 1 << 30, "phi4flash.context_length"},
    {"hidden_size", &SambaYConfig::hidden, 1, 1 << 20, "phi4flash.embedding_length"},
    {"num_hidden_layers", &SambaYConfig::layers, 4, 1024, "phi4flash.block_count"},
    {"intermediate_size", &SambaYConfig::intermediate, 1, 1 << 24, "phi4flash.feed_forward_length"},
    {"num_attention_heads", &SambaYConfig::heads, 2, 1 << 14, "phi4flash.attention.head_count"},
    {"num_key_value_heads", &SambaYConfig::kv_heads, 2, 1 << 14, "phi4flash.attention.head_count_kv"},
    {"sliding_window", &SambaYConfig::window, 1, 1 << 30, "phi4flash.attention.sliding_window"},
    {"mamba_d_conv", &SambaYConfig::conv, 2, 8, "phi4flash.ssm.conv_kernel"},
    {"mamba_d_state", &SambaYConfig::state, 1, 256, "phi4flash.ssm.state_size"},
    {"mamba_expand", &SambaYConfig::expand, 1, 16, nullptr},
    {"mamba_dt_rank", &SambaYConfig::dt_rank, 1, 1 << 16, "phi4flash.ssm.time_step_rank"},
};

tl::unexpected<Error> bad(std::string_view name, std::string_view text) {
  return fail(ErrorCode::corrupt, fmt::format("{}: {}", name, text));
}

Result<void> check_relations(const SambaYConfig& c, std::string_view name) {
  if (c.layers % 4 != 0)
    return bad(name, fmt::format("num_hidden_layers: {}; must be divisible by 4", c.layers));
  if (c.heads % 2 != 0)
    return bad(name, fmt::format("num_attention_heads: {}; differential attention pairs heads, so it must "
                                 "be even",
                                 c.heads));
  if (c.kv_heads % 2 != 0)
    return bad(name, fmt::format("num_key_value_heads: {}; differential attention pairs heads, so it must "
                                 "be even",
                                 c.kv_heads));
  if (c.heads % c.kv_heads != 0)
    return bad(name, fmt::format("num_attention_heads: {}; must be a multiple of num_key_value_heads ({})",
                                 c.heads, c.kv_heads));
  if (c.hidden % c.heads != 0)
    return bad(name, fmt::format("hidden_size: {}; must be a multiple of num_attention_heads ({})", c.hidden,
                                 c.heads));
  if (c.dt_rank != (c.hidden + 15) / 16)
    return bad(name, fmt::format("mamba_dt_rank: {}; the model always uses hidden_size / 16 rounded up ({})",
                                 c.dt_rank, (c.hidden + 15) / 16));
  return {};
}

Result<void> check_gguf_text(const GgufReader& gguf, std::string_view key, std::string_view wanted,
                             std::string_view name) {
  if (!gguf.has(key)) return bad(name, fmt::format("key {} is missing; expected \"{}\"", key, wanted));
  const auto value = gguf.string(key);
  if (!value) return tl::unexpected(value.error());
  if (*value != wanted)
    return fail(ErrorCode::unsupported, fmt::format("{}: {} is \"{}\"; this program reads \"{}\"", name, key,
                                                    printable(*value), wanted));
  return {};
}

Result<void> check_gguf_kind(const GgufReader& gguf, std::string_view name) {
  SAMBAY_TRY_VOID(check_gguf_text(gguf, "general.architecture", kArchitecture, name));
  if (!gguf.has("phi4flash.layout"))
    return fail(ErrorCode::unsupported,
                fmt::format("{}: key phi4flash.layout is missing; other converters reorder the rows of Q and "
                            "K, so only files that say \"hf\" are read (make one with `sambay convert`)",
                            name));
  return check_gguf_text(gguf, "phi4flash.layout", "hf", name);
}

Result<void> read_gguf_int(const GgufReader& gguf, const char* key, int64_t low, int64_t high,
                           std::string_view name, int& out) {
  if (!gguf.has(key))
    return bad(name, fmt::format("key {} is missing; expected a whole number from {} to {}", key, low, high));
  const auto value = gguf.integer(key);
  if (!value) return tl::unexpected(value.error());
  if (*value < low || *value > high)
    return bad(name, fmt::format("{}: {}; expected a whole number from {} to {}", key, *value, low, high));
  out = static_cast<int>(*value);
  return {};
}

}  // namespace

float SambaYConfig::lambda_init(int layer) { return static_cast<float>(0.8 - 0.6 * std::exp(-0.3 * layer)); }

Result<void> validate(const SambaYConfig& config, std::string_view name) {
  for (const Range& range : kRanges) {
    const int value = config.*range.member;
    if (value < range.low || value > range.high)
      return bad(name, fmt::format("{}: {}; expected a whole number from {} to {}", range.field, value,
                                   range.low, range.high));
  }
  if (!(config.norm_eps > 0 && config.norm_eps <= 0.1f))
    return bad(name,
               fmt::format("layer_norm_eps: {}; expected a number above 0 and at most 0.1", config.norm_eps));
  return check_relations(config, name);
}

Result<SambaYConfig> read_sambay_config(const GgufReader& gguf, std::string_view name) {
  SAMBAY_TRY_VOID(check_gguf_kind(gguf, name));
  SambaYConfig config;
  for (const Range& range : kRanges) {
    if (range.gguf_key == nullptr) continue;
    SAMBAY_TRY_VOID(read_gguf_int(gguf, range.gguf_key, range.low, range.high, name, config.*range.member));
  }
  int inner = 0;
  SAMBAY_TRY_VOID(read_gguf_int(gguf, "phi4flash.ssm.inner_size", 1, int64_t{16} << 20, name, inner));
  if (inner % config.hidden != 0)
    return bad(name, fmt::format("phi4flash.ssm.inner_size: {}; must be a multiple of "
                                 "phi4flash.embedding_length ({})",
                                 inner, config.hidden));
  config.expand = inner / config.hidden;
  constexpr const char* kEps = "phi4flash.attention.layer_norm_epsilon";
  if (!gguf.has(kEps)) return bad(name, fmt::format("key {} is missing; expected a number", kEps));
  const auto eps = gguf.number(kEps);
  if (!eps) return tl::unexpected(eps.error());
  config.norm_eps = static_cast<float>(*eps);
  SAMBAY_TRY_VOID(validate(config, name));
  return config;
}

std::vector<GgufEntry> sambay_config_to_gguf(const SambaYConfig& config) {
  std::vector<GgufEntry> entries = {{"general.architecture", std::string(kArchitecture)},
                                    {"phi4flash.layout", std::string("hf")}};
  for (const Range& range : kRanges) {
    if (range.gguf_key != nullptr)
      entries.push_back({range.gguf_key, static_cast<uint32_t>(config.*range.member)});
  }
  entries.push_back({"phi4flash.ssm.inner_size", static_cast<uint32_t>(config.inner())});
  entries.push_back({"phi4flash.attention.layer_norm_epsilon", config.norm_eps});
  return entries;
}

Result<SambaYConfig> load_sambay_config(const Checkpoint& checkpoint) {
  if (checkpoint.kind() == CheckpointKind::gguf)
    return read_sambay_config(checkpoint.gguf(), checkpoint.name());
  return parse_sambay_config(checkpoint.text().config, checkpoint.name() + ": config.json");
}

Result<SambaYConfig> sambay_preset(std::string_view name) {
  if (name == "phi4-mini-flash") return SambaYConfig{};
  if (name == "small") {
    SambaYConfig small;
    small.layers = 8, small.hidden = 512, small.heads = 8, small.kv_heads = 8, small.intermediate = 2048;
    small.vocab = 32768, small.dt_rank = small.hidden / 16;
    return small;
  }
  return fail(ErrorCode::invalid_argument,
              fmt::format("unknown model shape \"{}\"; there are \"phi4-mini-flash\" and \"small\"",
                          printable(name)));
}

}  // namespace sambay
