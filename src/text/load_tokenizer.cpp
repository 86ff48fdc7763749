// From the files beside a model (or its GGUF keys) to tokenizer data, stop tokens and sampling defaults.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "text/gguf_tokenizer.h"
#include "text/tokenizer_data.h"

namespace sambay {
namespace {

using nlohmann::json;

constexpr std::string_view kEndOfTurn = "<|end|>";

tl::unexpected<Error> corrupt(std::string message) { return fail(ErrorCode::corrupt, std::move(message)); }

/// A side file as an object; an empty one when the folder lacks it.
Result<json> parse_side_file(const std::optional<std::string>& text, const char* name) {
  if (!text) return json::object();
  json value = json::parse(*text, nullptr, false);
  if (!value.is_object()) return corrupt(fmt::format("{}: not a JSON object", name));
  return value;
}

/// generation_config's eos_token_id: a number, a list of numbers, or nothing.
Result<std::vector<TokenId>> read_eos_ids(const json& generation) {
  std::vector<TokenId> ids;
  const auto value = generation.find("eos_token_id");
  if (value == generation.end() || value->is_null()) return ids;
  const json list = value->is_array() ? *value : json::array({*value});
  for (const json& item : list) {
    if (!item.is_number_unsigned() || item.get<uint64_t>() >= kMaxTokenIds)
      return corrupt("generation_config.json: eos_token_id must be a token id or a list of them");
    const auto id = item.get<TokenId>();
    if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
  }
  return ids;
}

std::optional<TokenId> find_added(const TokenizerData& data, std::string_view content) {
  for (const AddedToken& token : data.added)
    if (token.content == content) return token.id;
  return std::nullopt;
}

/// A token that tokenizer_config.json names: "<|end|>" or {"content": "<|end|>", ...}. One that is no added
/// token is as good as absent.
std::optional<TokenId> named_token(const json& config, const char* key, const TokenizerData& data) {
  auto value = config.find(key);
  if (value == config.end()) return std::nullopt;
  if (value->is_object()) {
    const json& object = *value;
    value = object.find("content");
    if (value == object.end()) return std::nullopt;
  }
  if (!value->is_string()) return std::nullopt;
  return find_added(data, value->get_ref<const std::string&>());
}

/// chat_template.jinja, else tokenizer_config's chat_template: a string, or a list of named ones of which
/// "default" is taken.
Result<std::optional<std::string>> read_chat_template(const CheckpointText& files, const json& config) {
  if (files.chat_template) return files.chat_template;
  const auto value = config.find("chat_template");
  if (value == config.end() || value->is_null()) return std::optional<std::string>();
  if (value->is_string()) return std::optional(value->get<std::string>());
  for (const json& item : *value) {
    if (!item.is_object() || !item.contains("name") || item["name"] != "default") continue;
    if (item.contains("template") && item["template"].is_string())
      return std::optional(item["template"].get<std::string>());
  }
  return corrupt(
      "tokenizer_config.json: chat_template must be a string or a list with a template named \"default\"");
}

/// What ends an answer: generation_config's ids, else the end of text and the end of turn. A configuration
/// with a single id forgets the end of turn, with which the template ends every message.
Result<std::vector<TokenId>> find_stop_ids(const json& generation, const TokenizerData& data) {
  auto ids = read_eos_ids(generation);
  if (!ids) return ids;
  const bool named = !ids->empty();
  if (!named && data.eos_id) ids->push_back(*data.eos_id);
  const std::optional<TokenId> end = find_added(data, kEndOfTurn);
  const bool in_template = data.chat_template && data.chat_template->find(kEndOfTurn) != std::string::npos;
  if (end && ids->size() <= 1 && (!named || in_template) &&
      std::find(ids->begin(), ids->end(), *end) == ids->end())
    ids->insert(ids->begin(), *end);
  return ids;
}

Result<TokenizerData> load_from_folder(const CheckpointText& files) {
  if (!files.tokenizer) return fail(ErrorCode::not_found, "has no tokenizer.json");
  auto parsed = parse_tokenizer_json(*files.tokenizer, "tokenizer.json");
  if (!parsed) return parsed;
  TokenizerData data = *std::move(parsed);
  const auto config = parse_side_file(files.tokenizer_config, "tokenizer_config.json");
  if (!config) return tl::unexpected(config.error());
  const auto generation = parse_side_file(files.generation_config, "generation_config.json");
  if (!generation) return tl::unexpected(generation.error());
  auto chat_template = read_chat_template(files, *config);
  if (!chat_template) return tl::unexpected(chat_template.error());
  data.chat_template = *std::move(chat_template);
  data.bos_id = named_token(*config, "bos_token", data);
  data.eos_id = named_token(*config, "eos_token", data);
  data.pad_id = named_token(*config, "pad_token", data);
  auto stop_ids = find_stop_ids(*generation, data);
  if (!stop_ids) return tl::unexpected(stop_ids.error());
  data.stop_ids = *std::move(stop_ids);
  if (!data.eos_id && !data.stop_ids.empty()) data.eos_id = data.stop_ids.back();
  return data;
}

/// Fills the defaults from whatever number(key) finds; values out of SamplingOptions' range count as absent.
template <class Number>
GenerationDefaults read_defaults(Number&& number, const char* temperature, const char* top_p,
                                 const char* min_p, const char* top_k) {
  const auto in_range = [&](const char* key, double low, double high) -> std::optional<float> {
    const std::optional<double> value = number(key);
    if (!value || !(*value >= low && *value <= high)) return std::nullopt;  // NaN too
    return static_cast<float>(*value);
  };
  GenerationDefaults defaults;
  defaults.temperature = in_range(temperature, 0, 1e4);
  defaults.top_p = in_range(top_p, 1e-6, 1);
  defaults.min_p = in_range(min_p, 0, 1);
  if (const auto k = in_range(top_k, 0, 1 << 24)) defaults.top_k = static_cast<int>(*k);
  return defaults;
}

}  // namespace

Result<TokenizerData> load_tokenizer_data(const Checkpoint& checkpoint) {
  auto data = checkpoint.kind() == CheckpointKind::gguf ? read_gguf_tokenizer(checkpoint.gguf())
                                                        : load_from_folder(checkpoint.text());
  if (!data) return tl::unexpected(std::move(data).error().during(checkpoint.name()));
  return data;
}

GenerationDefaults load_generation_defaults(const Checkpoint& checkpoint) {
  if (checkpoint.kind() == CheckpointKind::gguf) {
    const auto number = [&](const char* key) -> std::optional<double> {
      const auto value = checkpoint.gguf().number(key);
      return value ? std::optional(*value) : std::nullopt;
    };
    return read_defaults(number, "general.sampling.temp", "general.sampling.top_p", "general.sampling.min_p",
                         "general.sampling.top_k");
  }
  const std::optional<std::string>& text = checkpoint.text().generation_config;
  const json config = text ? json::parse(*text, nullptr, false) : json::object();
  if (!config.is_object()) return {};
  const auto number = [&](const char* key) -> std::optional<double> {
    const auto value = config.find(key);
    return value != config.end() && value->is_number() ? std::optional(value->get<double>()) : std::nullopt;
  };
  GenerationDefaults defaults = read_defaults(number, "temperature", "top_p", "min_p", "top_k");
  if (config.contains("do_sample") && config["do_sample"] == false) defaults.temperature = 0.0f;
  return defaults;
}

std::vector<GgufEntry> generation_defaults_to_gguf(const GenerationDefaults& defaults) {
  std::vector<GgufEntry> entries;
  if (defaults.temperature) entries.push_back({"general.sampling.temp", *defaults.temperature});
  if (defaults.top_p) entries.push_back({"general.sampling.top_p", *defaults.top_p});
  if (defaults.top_k) entries.push_back({"general.sampling.top_k", static_cast<int32_t>(*defaults.top_k)});
  if (defaults.min_p) entries.push_back({"general.sampling.min_p", *defaults.min_p});
  return entries;
}

}  // namespace sambay
