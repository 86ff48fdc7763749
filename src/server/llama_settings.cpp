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
          {"logit_bias", std::move(bias)}};
}

}  // namespace sambay::server
