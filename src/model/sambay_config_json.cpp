// config.json of Hugging Face folders.
#include <fmt/core.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "base/printable.h"
#include "model/sambay_config.h"

namespace sambay {
namespace {

using nlohmann::json;

constexpr size_t kMaxBytes = size_t{4} << 20;  // real ones have two kilobytes

/// The fields of one config.json. The first error stays; later reads return their defaults.
class Fields {
 public:
  Fields(const json& object, std::string_view name) : object_(object), name_(name) {}

  /// nullptr when absent or null.
  const json* find(const char* field) const {
    const auto it = object_.find(field);
    return it == object_.end() || it->is_null() ? nullptr : &*it;
  }

  int integer(const char* field, std::optional<int> fallback = std::nullopt) {
    const json* value = find(field);
    if (value == nullptr && fallback) return *fallback;
    if (value != nullptr && value->is_number_integer()) {
      // Beyond an int is beyond every field's limit, which validate() knows.
      const bool fits = value->is_number_unsigned()
                            ? value->get<uint64_t>() <= INT32_MAX
                            : value->get<int64_t>() >= INT32_MIN && value->get<int64_t>() <= INT32_MAX;
      if (fits) return value->get<int>();
    }
    wrong(field, value, "expected a whole number below 2^31");
    return 0;
  }

  float number(const char* field, float fallback) {
    const json* value = find(field);
    if (value == nullptr) return fallback;
    if (value->is_number()) return value->get<float>();
    wrong(field, value, "expected a number");
    return fallback;
  }

  /// The field may be absent; if it is there, it has to be `wanted`.
  void require(const char* field, const json& wanted, const char* why) {
    const json* value = find(field);
    if (value == nullptr || *value == wanted) return;
    if (value->type() != wanted.type() && !(value->is_number() && wanted.is_number()))
      return wrong(field, value, fmt::format("expected {}", wanted.dump()));
    set(ErrorCode::unsupported, fmt::format("{}: {}: {}; {}", name_, field, shown(*value), why));
  }

  void wrong(const char* field, const json* value, std::string_view wanted) {
    set(ErrorCode::corrupt,
        fmt::format("{}: {}: {}; {}", name_, field, value == nullptr ? "missing" : shown(*value), wanted));
  }
  void unsupported(std::string_view text) { set(ErrorCode::unsupported, fmt::format("{}: {}", name_, text)); }
  const std::optional<Error>& error() const { return error_; }

  static std::string shown(const json& value) {
    if (value.is_structured()) return value.is_array() ? "a list" : "an object";
    return printable(value.dump(-1, ' ', true, json::error_handler_t::replace), 60);
  }

 private:
  void set(ErrorCode code, std::string message) {
    if (!error_) error_ = Error{code, std::move(message)};
  }
  const json& object_;
  std::string_view name_;
  std::optional<Error> error_;
};

/// The window of a per-layer list: the class expands the number to W on odd layers below L/2, none elsewhere.
int window_of_list(Fields& fields, const json& list, int layers) {
  constexpr const char* kField = "sliding_window";
  if (list.size() != static_cast<size_t>(layers)) {
    fields.wrong(kField, &list,
                 fmt::format("of {} entries; expected one for each of the {} layers", list.size(), layers));
    return 0;
  }
  std::optional<int> window;
  for (int i = 0; i < layers; i++) {
    const json& entry = list[static_cast<size_t>(i)];
    const bool has_window = i % 2 == 1 && i < layers / 2;
    if (entry.is_null() && !has_window) continue;
    if (entry.is_null() || !has_window) {
      fields.unsupported(fmt::format(
          "sliding_window[{}]: {}; expected a window on odd layers below {} and null on all others", i,
          Fields::shown(entry), layers / 2));
      return 0;
    }
    if (!entry.is_number_integer() || entry.get<int64_t>() < 1 || entry.get<int64_t>() > (1 << 30)) {
      fields.wrong(fmt::format("sliding_window[{}]", i).c_str(), &entry,
                   "expected a whole number from 1 to 1073741824");
      return 0;
    }
    if (window && *window != entry.get<int>()) {
      fields.unsupported(fmt::format("sliding_window[{}]: {}; expected the window of the layers before, {}",
                                     i, entry.get<int>(), *window));
      return 0;
    }
    window = entry.get<int>();
  }
  return window.value_or(0);
}

int read_window(Fields& fields, int layers) {
  const json* value = fields.find("sliding_window");
  if (value != nullptr && value->is_array()) return window_of_list(fields, *value, layers);
  if (value == nullptr || !value->is_number_integer()) {
    fields.wrong("sliding_window", value, "expected a whole number or a list with one entry per layer");
    return 0;
  }
  return fields.integer("sliding_window");
}

int read_dt_rank(Fields& fields, int hidden) {
  const int rank = (hidden + 15) / 16;
  const json* value = fields.find("mamba_dt_rank");
  if (value == nullptr || (value->is_string() && value->get_ref<const std::string&>() == "auto")) return rank;
  if (value->is_number_integer()) return fields.integer("mamba_dt_rank");
  fields.wrong("mamba_dt_rank", value, fmt::format("expected \"auto\" or {}", rank));
  return rank;
}

/// What the authors' code could be asked for and this program does not compute.
void refuse_what_we_do_not_compute(Fields& fields) {
  fields.require("hidden_act", "silu", "only \"silu\" is computed");
  fields.require("mb_per_layer", 2, "only 2 is computed (every other layer is recurrent)");
  fields.require("tie_word_embeddings", true, "only models whose output head is the embedding are computed");
  fields.require("lm_head_bias", false, "a model with this bias is not computed");
  fields.require("mlp_bias", false, "a model with this bias is not computed");
  fields.require("mamba_conv_bias", true, "a model without this bias is not computed");
  fields.require("mamba_proj_bias", false, "a model with this bias is not computed");
  if (fields.find("quantization_config") != nullptr)
    fields.unsupported(
        "quantization_config: quantized Hugging Face checkpoints are not read; use the original weights");
}

Result<void> check_model_type(const json& object, std::string_view name) {
  const auto type = object.find("model_type");
  if (type == object.end() || !type->is_string())
    return fail(ErrorCode::corrupt, fmt::format("{}: model_type: {}; expected \"phi4flash\"", name,
                                                type == object.end() ? "missing" : Fields::shown(*type)));
  if (*type != "phi4flash")
    return fail(ErrorCode::unsupported, fmt::format("{}: model_type is {}; this program runs \"phi4flash\"",
                                                    name, Fields::shown(*type)));
  return {};
}

}  // namespace

Result<SambaYConfig> parse_sambay_config(std::string_view text, std::string_view name) {
  if (text.size() > kMaxBytes)
    return fail(ErrorCode::corrupt,
                fmt::format("{}: {} bytes; expected at most {}", name, text.size(), kMaxBytes));
  const json object = json::parse(text, nullptr, false);
  if (object.is_discarded())
    return fail(ErrorCode::corrupt, fmt::format("{}: not JSON; expected a model configuration", name));
  if (!object.is_object())
    return fail(ErrorCode::corrupt,
                fmt::format("{}: {} instead of a JSON object", name, Fields::shown(object)));
  SAMBAY_TRY_VOID(check_model_type(object, name));

  Fields fields(object, name);
  refuse_what_we_do_not_compute(fields);
  SambaYConfig c;
  c.vocab = fields.integer("vocab_size");
  c.max_context = fields.integer("max_position_embeddings");
  c.hidden = fields.integer("hidden_size");
  c.layers = fields.integer("num_hidden_layers");
  c.intermediate = fields.integer("intermediate_size");
  c.heads = fields.integer("num_attention_heads");
  c.kv_heads = fields.integer("num_key_value_heads");
  c.conv = fields.integer("mamba_d_conv", c.conv);
  c.state = fields.integer("mamba_d_state", c.state);
  c.expand = fields.integer("mamba_expand", c.expand);
  c.norm_eps = fields.number("layer_norm_eps", c.norm_eps);
  if (fields.error()) return tl::unexpected(*fields.error());
  // These two depend on other fields, so those are checked first.
  SambaYConfig without = c;
  without.window = 1;
  without.dt_rank = (c.hidden + 15) / 16;
  SAMBAY_TRY_VOID(validate(without, name));
  c.window = read_window(fields, c.layers);
  c.dt_rank = read_dt_rank(fields, c.hidden);
  fields.require("head_dim", c.head_dim(), "only hidden_size / num_attention_heads is computed");
  if (fields.error()) return tl::unexpected(*fields.error());
  SAMBAY_TRY_VOID(validate(c, name));
  return c;
}

}  // namespace sambay
