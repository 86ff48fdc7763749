#include "server/request_fields.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

namespace sambay::server {
namespace {

constexpr int kMaxInt = std::numeric_limits<int>::max();
constexpr float kMaxFloat = 1e9f;
constexpr size_t kMaxMessages = 4096, kMaxPrompts = 1024, kMaxBiases = 4096;
constexpr int kLowEffortTokens = 1024, kMediumEffortTokens = 4096;

void read_seed(FieldReader& fields, SamplingOptions& out) {
  int64_t seed = 0;
  if (!fields.read("seed", seed, std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()))
    return;
  out.seed = seed == -1 ? std::nullopt : std::optional(static_cast<uint64_t>(seed));
}

void read_stop(FieldReader& fields, std::vector<std::string>& out) {
  const nlohmann::json* value = fields.find("stop");
  if (!value) return;
  out.clear();
  if (value->is_string()) {
    out.push_back(value->get<std::string>());
  } else if (value->is_array()) {
    for (size_t i = 0; i < value->size(); i++) {
      if (!(*value)[i].is_string())
        return fields.fail(invalid_type(fmt::format("stop[{}]", i), "a string", type_name((*value)[i])));
      out.push_back((*value)[i].get<std::string>());
    }
  } else {
    fields.fail(invalid_type("stop", "a string or an array of strings", type_name(*value)));
  }
}

/// The bias beside a token: a number, or false (never this token), as llama-server takes it.
bool read_bias(FieldReader& fields, const nlohmann::json& value, const std::string& path, float& out) {
  if (value.is_boolean() && !value.get<bool>()) {
    out = -std::numeric_limits<float>::infinity();
    return true;
  }
  if (!value.is_number())
    return fields.fail(invalid_type(path, "a number or false", type_name(value))), false;
  const double bias = value.get<double>();
  if (!(std::abs(bias) <= 100)) return fields.fail(invalid_value(path, "must be -100 to 100")), false;
  out = static_cast<float>(bias);
  return true;
}

bool token_of_key(const std::string& key, TokenId& out) {
  const char* end = key.data() + key.size();
  const auto [stop, status] = std::from_chars(key.data(), end, out);
  return status == std::errc() && stop == end && out >= 0;
}

/// {"15043": -100} (OpenAI) or [[15043, -1.5], [9, false], [" the", -1]] (llama-server). A key that is no
/// number is a text too, as in llama-server.
void read_logit_bias(FieldReader& fields, GenerationFields& out) {
  const nlohmann::json* value = fields.find("logit_bias");
  if (!value) return;
  if (!value->is_object() && !value->is_array())
    return fields.fail(invalid_type("logit_bias", "an object", type_name(*value)));
  if (value->size() > kMaxBiases)
    return fields.fail(invalid_value("logit_bias", fmt::format("at most {} tokens", kMaxBiases)));
  if (value->is_object()) {
    for (const auto& [key, bias] : value->items()) {
      std::pair<TokenId, float> entry;
      if (!read_bias(fields, bias, "logit_bias", entry.second)) return;
      if (token_of_key(key, entry.first))
        out.sampling.logit_bias.push_back(entry);
      else
        out.text_bias.emplace_back(key, entry.second);
    }
    return;
  }
  for (size_t i = 0; i < value->size(); i++) {
    const nlohmann::json& pair = (*value)[i];
    const std::string path = fmt::format("logit_bias[{}]", i);
    if (!pair.is_array() || pair.size() != 2)
      return fields.fail(invalid_type(path, "[token id, bias]", type_name(pair)));
    std::pair<TokenId, float> entry;
    if (!read_bias(fields, pair[1], path + "[1]", entry.second)) return;
    if (pair[0].is_string()) {
      out.text_bias.emplace_back(pair[0].get<std::string>(), entry.second);
      continue;
    }
    if (!read_token(fields, pair[0], path + "[0]", entry.first)) return;
    out.sampling.logit_bias.push_back(entry);
  }
}

void read_sampling(FieldReader& fields, bool strict, SamplingOptions& out) {
  fields.read("temperature", out.temperature, 0, strict ? 2 : kMaxFloat);
  if (fields.read("top_p", out.top_p, 0, 1) && out.top_p == 0)
    out.top_p = std::numeric_limits<float>::min();  // OpenAI's 0: the likeliest token alone
  if (fields.read("top_k", out.top_k, -1, kMaxInt)) out.top_k = std::max(out.top_k, 0);
  fields.read("min_p", out.min_p, 0, 1);
  fields.read("repetition_penalty", out.repeat_penalty, 0.01f, 100);
  fields.read("repeat_penalty", out.repeat_penalty, 0.01f, 100);
  fields.read("repeat_last_n", out.penalty_last_n, -1, kMaxInt);
  fields.read("presence_penalty", out.presence_penalty, -2, 2);
  fields.read("frequency_penalty", out.frequency_penalty, -2, 2);
  read_seed(fields, out);
}

void read_thinking(FieldReader& fields, GenerationFields& out) {
  std::string format, effort;
  if (fields.read("reasoning_format", format)) {
    if (format == "none")
      out.reasoning_format = ReasoningFormat::none;
    else if (format == "deepseek" || format == "auto")
      out.reasoning_format = ReasoningFormat::deepseek;
    else
      fields.fail(invalid_value(fields.path("reasoning_format"), "must be none, deepseek or auto"));
  }
  if (fields.read("reasoning_effort", effort)) {
    if (effort == "low")
      out.thinking_budget = kLowEffortTokens;
    else if (effort == "medium")
      out.thinking_budget = kMediumEffortTokens;
    else if (effort == "high")
      out.thinking_budget = -1;
    else
      fields.fail(invalid_value(fields.path("reasoning_effort"), "must be low, medium or high"));
  }
  fields.read("thinking_budget_tokens", out.thinking_budget, -1, kMaxInt);
}

void read_stream_options(FieldReader& fields, GenerationFields& out) {
  fields.read("stream", out.stream);
  const nlohmann::json* options = fields.find("stream_options");
  if (!options) return;
  if (!options->is_object())
    return fields.fail(invalid_type("stream_options", "an object", type_name(*options)));
  std::optional<ApiError> fault;
  FieldReader inner(*options, "stream_options.", fault);
  inner.read("include_usage", out.include_usage);
  if (fault) fields.fail(*fault);
}

/// The text of one part of a message's content.
bool append_part(FieldReader& fields, const nlohmann::json& part, const std::string& path, std::string& out) {
  if (!part.is_object()) return fields.fail(invalid_type(path, "an object", type_name(part))), false;
  std::optional<ApiError> fault;
  FieldReader inner(part, path + ".", fault);
  std::string type, text;
  if (!inner.read("type", type) && !fault) fault = missing(path + ".type");
  if (!fault && type != "text")
    fault = unsupported(path + ".type", "this model reads text alone; parts must be of type 'text'");
  if (!fault && !inner.read("text", text) && !fault) fault = missing(path + ".text");
  if (fault) return fields.fail(*fault), false;
  out += text;
  return true;
}

/// A string, null, or parts of text.
bool read_content(FieldReader& fields, const nlohmann::json& message, const std::string& path,
                  std::string& out) {
  const auto found = message.find("content");
  if (found == message.end() || found->is_null()) return true;
  if (found->is_string()) {
    out = found->get<std::string>();
    return true;
  }
  if (!found->is_array())
    return fields.fail(invalid_type(path, "a string, null or an array of parts", type_name(*found))), false;
  for (size_t i = 0; i < found->size(); i++)
    if (!append_part(fields, (*found)[i], fmt::format("{}[{}]", path, i), out)) return false;
  return true;
}

bool read_message(FieldReader& fields, const nlohmann::json& value, const std::string& path,
                  ChatMessage& out) {
  if (!value.is_object()) return fields.fail(invalid_type(path, "an object", type_name(value))), false;
  std::optional<ApiError> fault;
  FieldReader inner(value, path + ".", fault);
  if (!inner.read("role", out.role) && !fault) fault = missing(path + ".role");
  std::string ignored;
  inner.read("name", ignored);
  if (out.role == "developer") out.role = "system";
  if (!fault && out.role == "tool") fault = unsupported(path + ".role", "tools are not served yet");
  if (!fault && out.role != "system" && out.role != "user" && out.role != "assistant")
    fault = invalid_value(path + ".role", "must be system, developer, user or assistant");
  const nlohmann::json* calls = inner.find("tool_calls");
  if (!fault && calls && !(calls->is_array() && calls->empty()))
    fault = unsupported(path + ".tool_calls", "tools are not served yet");
  if (fault) return fields.fail(*fault), false;
  if (!inner.find("content") && out.role != "assistant")
    return fields.fail(missing(path + ".content")), false;
  return read_content(fields, value, path + ".content", out.content);
}

std::optional<std::vector<TokenId>> read_tokens(FieldReader& fields, const nlohmann::json& list,
                                                const std::string& path) {
  std::vector<TokenId> ids;
  ids.reserve(list.size());
  for (size_t i = 0; i < list.size(); i++) {
    TokenId id = 0;
    if (!read_token(fields, list[i], fmt::format("{}[{}]", path, i), id)) return std::nullopt;
    ids.push_back(id);
  }
  return ids;
}

std::vector<ChatMessage> read_messages(FieldReader& fields) {
  std::vector<ChatMessage> messages;
  const nlohmann::json* list = fields.find("messages");
  if (!list) return fields.fail(missing("messages")), messages;
  if (!list->is_array()) return fields.fail(invalid_type("messages", "an array", type_name(*list))), messages;
  if (list->empty()) fields.fail(invalid_value("messages", "must hold at least one message"));
  if (list->size() > kMaxMessages)
    return fields.fail(invalid_value("messages", fmt::format("at most {} messages", kMaxMessages))), messages;
  for (size_t i = 0; i < list->size(); i++) {
    messages.emplace_back();
    if (!read_message(fields, (*list)[i], fmt::format("messages[{}]", i), messages.back())) break;
  }
  return messages;
}

/// A string, a list of strings and token ids, or llama-server's {"prompt_string": ...}.
MixedPrompt read_mixed_prompt(FieldReader& fields, const nlohmann::json& value, const std::string& path) {
  MixedPrompt parts;
  if (value.is_string()) {
    parts.emplace_back(value.get<std::string>());
  } else if (value.is_array()) {
    for (size_t i = 0; i < value.size() && fields.good(); i++) {
      TokenId id = 0;
      if (value[i].is_string()) {
        parts.emplace_back(value[i].get<std::string>());
        continue;
      }
      if (!read_token(fields, value[i], fmt::format("{}[{}]", path, i), id)) break;
      auto* ids = parts.empty() ? nullptr : std::get_if<std::vector<TokenId>>(&parts.back());
      if (ids)
        ids->push_back(id);
      else
        parts.emplace_back(std::vector<TokenId>{id});
    }
  } else if (value.is_object()) {
    std::optional<ApiError> fault;
    FieldReader inner(value, path + ".", fault);
    std::string text;
    const nlohmann::json* media = inner.find("multimodal_data");
    if (media && !(media->is_array() && media->empty()))
      fault = unsupported(path + ".multimodal_data", "this model reads text alone");
    if (!inner.read("prompt_string", text) && !fault) fault = missing(path + ".prompt_string");
    if (fault) fields.fail(*fault);
    parts.emplace_back(std::move(text));
  } else {
    fields.fail(invalid_type(path, "a string or a list of strings and token ids", type_name(value)));
  }
  return parts;
}

}  // namespace

bool read_token(FieldReader& fields, const nlohmann::json& value, const std::string& path, TokenId& out) {
  if (!value.is_number_integer())
    return fields.fail(invalid_type(path, "a token id", type_name(value))), false;
  const bool good = value.is_number_unsigned() ? value.get<uint64_t>() <= static_cast<uint64_t>(kMaxInt)
                                               : value.get<int64_t>() >= 0;
  if (!good) return fields.fail(invalid_value(path, "no token has this id")), false;
  out = value.get<TokenId>();
  return true;
}

void refuse_unsupported_fields(FieldReader& fields) {
  const auto filled = [&](const char* name) {
    const nlohmann::json* value = fields.find(name);
    return value && !(value->is_array() && value->empty()) && !(value->is_string() && *value == "");
  };
  for (const char* name : {"tools", "functions"})
    if (filled(name)) fields.fail(unsupported(name, "tools are not served yet"));
  for (const char* name : {"tool_choice", "function_call"}) {
    const nlohmann::json* choice = fields.find(name);
    if (choice && *choice != "none" && *choice != "auto")
      fields.fail(unsupported(name, "tools are not served yet"));
  }
  for (const char* name : {"grammar", "json_schema", "guided_json", "guided_regex", "guided_grammar",
                           "structured_outputs", "guided_choice"})
    if (filled(name)) fields.fail(unsupported(name, "structured answers are not served yet"));
  for (const char* name : {"audio", "web_search_options", "suffix"})
    if (filled(name)) fields.fail(unsupported(name, "this model has no such ability"));

  const nlohmann::json* format = fields.find("response_format");
  if (!format) return;
  if (!format->is_object())
    return fields.fail(invalid_type("response_format", "an object", type_name(*format)));
  const auto type = format->find("type");
  if (type == format->end() || !type->is_string())
    return fields.fail(invalid_value("response_format.type", "must be 'text'"));
  if (*type != "text")
    fields.fail(unsupported("response_format.type", "structured answers are not served yet, only 'text'"));
}

void read_generation_fields(FieldReader& fields, const RequestDefaults& defaults, bool strict_ranges,
                            GenerationFields& out) {
  out.sampling = defaults.sampling;
  out.max_tokens = defaults.max_tokens;
  out.reasoning_format = defaults.reasoning_format;
  out.thinking_budget = defaults.thinking_budget;
  out.ignore_eos = defaults.ignore_eos;
  out.use_cache = defaults.use_cache;
  out.verbose = defaults.verbose;
  refuse_unsupported_fields(fields);
  read_sampling(fields, strict_ranges, out.sampling);
  read_logit_bias(fields, out);
  // From the weakest to the strongest name of the same thing.
  for (const char* name : {"n_predict", "max_tokens", "max_completion_tokens"})
    fields.read(name, out.max_tokens, -1, kMaxInt);
  if (out.max_tokens < 0) out.max_tokens = defaults.max_tokens;
  const int most = defaults.most_tokens;
  if (most >= 0) out.max_tokens = out.max_tokens < 0 ? most : std::min(most, out.max_tokens);
  read_stop(fields, out.stop);
  fields.read("ignore_eos", out.ignore_eos);
  fields.read("n", out.n, 1, kMaxAnswers);
  read_stream_options(fields, out);
  read_thinking(fields, out);
  fields.read("priority", out.priority, -1000, 1000);
  fields.read("deadline_ms", out.deadline_ms, 0, kMaxInt);
  fields.read("cache_prompt", out.use_cache);
  fields.read("id_slot", out.slot, -1, 4096);
  fields.read("timings_per_token", out.timings_per_token);
  fields.read("return_progress", out.return_progress);
  fields.read("verbose", out.verbose);
  std::string ignored;
  fields.read("model", ignored);
  fields.read("user", ignored);
}

Conversation read_conversation(FieldReader& fields, const RequestDefaults& defaults) {
  Conversation out;
  out.messages = read_messages(fields);
  const size_t count = out.messages.size();
  const auto is_assistant = [&](size_t i) { return i < count && out.messages[i].role == "assistant"; };
  bool asks = true, goes_on = false;
  const bool says_asks = fields.read("add_generation_prompt", asks);
  const bool says_goes_on = fields.read("continue_final_message", goes_on);
  if (!says_asks && !says_goes_on) goes_on = defaults.continues_assistant && is_assistant(count - 1);
  if (goes_on && says_asks && asks)
    fields.fail(invalid_value("continue_final_message", "not together with add_generation_prompt"));
  if (goes_on && !is_assistant(count - 1))
    fields.fail(invalid_value("continue_final_message", "the last message must be the assistant's"));
  if (goes_on && is_assistant(count - 2))
    fields.fail(invalid_value("messages", "the assistant cannot have two messages at the end"));
  out.ending = goes_on ? ChatEnding::unfinished : asks ? ChatEnding::generation_prompt : ChatEnding::closed;
  return out;
}

std::vector<MixedPrompt> read_mixed_prompts(FieldReader& fields, const char* name, bool& is_list) {
  const nlohmann::json* value = fields.find(name);
  std::vector<MixedPrompt> out;
  if (!value) return fields.fail(missing(name)), out;
  // A list without numbers is a list of prompts; with numbers it is one prompt of parts.
  is_list = value->is_array() &&
            std::none_of(value->begin(), value->end(), [](const auto& e) { return e.is_number(); });
  if (!is_list) {
    out.push_back(read_mixed_prompt(fields, *value, name));
    return out;
  }
  if (value->empty()) return fields.fail(invalid_value(name, "must not be empty")), out;
  if (value->size() > kMaxPrompts)
    return fields.fail(invalid_value(name, fmt::format("at most {} of them", kMaxPrompts))), out;
  for (size_t i = 0; i < value->size() && fields.good(); i++)
    out.push_back(read_mixed_prompt(fields, (*value)[i], fmt::format("{}[{}]", name, i)));
  return out;
}

std::vector<Prompt> read_prompts(FieldReader& fields, const char* name) {
  const nlohmann::json* value = fields.find(name);
  std::vector<Prompt> prompts;
  if (!value) return fields.fail(missing(name)), prompts;
  if (value->is_string()) {
    prompts.emplace_back(value->get<std::string>());
    return prompts;
  }
  if (!value->is_array())
    return fields.fail(invalid_type(name, "a string, token ids, or a list of either", type_name(*value))),
           prompts;
  if (value->empty()) return fields.fail(invalid_value(name, "must not be empty")), prompts;
  if ((*value)[0].is_number()) {
    if (auto ids = read_tokens(fields, *value, name)) prompts.emplace_back(*std::move(ids));
    return prompts;
  }
  if (value->size() > kMaxPrompts)
    return fields.fail(invalid_value(name, fmt::format("at most {} of them", kMaxPrompts))), prompts;
  for (size_t i = 0; i < value->size(); i++) {
    const nlohmann::json& one = (*value)[i];
    const std::string path = fmt::format("{}[{}]", name, i);
    if (one.is_string()) {
      prompts.emplace_back(one.get<std::string>());
    } else if (one.is_array() && !one.empty()) {
      if (auto ids = read_tokens(fields, one, path)) prompts.emplace_back(*std::move(ids));
    } else {
      return fields.fail(invalid_type(path, "a string or token ids", type_name(one))), prompts;
    }
  }
  return prompts;
}

}  // namespace sambay::server
