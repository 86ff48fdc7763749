#include "server/llama_settings.h"

#include <cmath>

namespace sambay::server {

OrderedJson sampling_json(const SamplingOptions& s) {
  OrderedJson bias = OrderedJson::array();
  for (const auto& [token, value] : s.logit_bias)
    bias.push_back(
        {{"token", token}, {"bias", std::isfinite(value) ? OrderedJson(value) : OrderedJson(nullptr)}});
  return {{"seed", s.seed ? OrderedJson(*s.seed) : OrderedJson(-1)},
          {"temperature", s.temperature},
          {"top_k", s.top_k},
          {"top_p", s.top_p},
          {"min_p", s.min_p},
          {"repeat_last_n", s.penalty_last_n},
          {"repeat_penalty", s.repeat_penalty},
          {"presence_penalty", s.presence_penalty},
          {"frequency_penalty", s.frequency_penalty},
          {"logit_bias", std::move(bias)},
          {"samplers", {"penalties", "temperature", "top_k", "top_p", "min_p"}},
          {"dynatemp_range", 0},
          {"dynatemp_exponent", 1},
          {"top_n_sigma", -1},
          {"xtc_probability", 0},
          {"xtc_threshold", 0.1},
          {"typical_p", 1},
          {"dry_multiplier", 0},
          {"dry_base", 1.75},
          {"dry_allowed_length", 2},
          {"dry_penalty_last_n", 0},
          {"mirostat", 0},
          {"mirostat_tau", 5},
          {"mirostat_eta", 0.1},
          {"adaptive_target", -1},
          {"adaptive_decay", 0.9}};
}

OrderedJson settings_json(const GenerationFields& fields, const std::vector<TokenId>& stop_ids) {
  OrderedJson json = sampling_json(fields.sampling);
  if (fields.ignore_eos)
    for (const TokenId id : stop_ids) json["logit_bias"].push_back({{"token", id}, {"bias", nullptr}});
  json["n_predict"] = fields.max_tokens;
  json["max_tokens"] = fields.max_tokens;
  json["n_keep"] = 0;
  json["stop"] = fields.stop;
  json["ignore_eos"] = fields.ignore_eos;
  json["stream"] = fields.stream;
  json["timings_per_token"] = fields.timings_per_token;
  json["reasoning_format"] = fields.reasoning_format == ReasoningFormat::none ? "none" : "deepseek";
  return json;
}

}  // namespace sambay::server
