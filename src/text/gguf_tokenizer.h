// Reading a tokenizer out of GGUF keys; writing is tokenizer_to_gguf() of tokenizer_data.h.
#pragma once

#include "formats/gguf_reader.h"
#include "sambay/error.h"
#include "text/tokenizer_data.h"

namespace sambay {

/// Errors: not_found (no tokenizer), corrupt, unsupported; all name the key.
Result<TokenizerData> read_gguf_tokenizer(const GgufReader& gguf);

}  // namespace sambay
