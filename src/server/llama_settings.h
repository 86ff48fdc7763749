// What llama-server's clients read about sampling. For .cpp files, as json_text.h.
#pragma once

#include "sambay/sambay.h"
#include "server/json_text.h"

namespace sambay::server {

/// generation_settings, as far as they exist here.
OrderedJson sampling_json(const SamplingOptions& sampling);

}  // namespace sambay::server
