// What llama-server's clients read about sampling. For .cpp files, as json_text.h.
#pragma once

#include <vector>

#include "sambay/sambay.h"
#include "server/json_text.h"
#include "server/openai_types.h"

namespace sambay::server {

/// The sampling part of generation_settings. Samplers that do not exist here stand there as switched off.
OrderedJson sampling_json(const SamplingOptions& sampling);
/// generation_settings of a request; `stop_ids`: the tokens that ignore_eos forbids.
OrderedJson settings_json(const GenerationFields& fields, const std::vector<TokenId>& stop_ids);

}  // namespace sambay::server
