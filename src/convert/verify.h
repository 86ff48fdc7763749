// Reading a written GGUF back and comparing it with what should be in it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/gguf_writer.h"
#include "model/sambay_config.h"
#include "sambay/error.h"
#include "text/tokenizer_data.h"

namespace sambay {

struct GgufExpectation {
  SambaYConfig config;
  std::vector<GgufTensor> tensors;
  std::vector<uint64_t> checksums;  ///< of each tensor's bytes
  std::optional<TokenizerData> tokenizer;
  std::optional<std::string> card;  ///< the text of the quality card
};

struct VerifyCallbacks {
  std::function<bool()> should_stop;
  std::function<void(int64_t done_bytes, std::string_view tensor)> progress;
};

/// The size of the file when everything in it is as expected. Errors: io (what was read differs from what was
/// written), those of opening, cancelled.
Result<int64_t> verify_gguf(const std::string& path, const GgufExpectation& expected,
                            const VerifyCallbacks& callbacks);

}  // namespace sambay
