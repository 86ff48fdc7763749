// Reading a written GGUF back and comparing it with what should be in it.
#pragma once

#include <xxhash.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/gguf_writer.h"
#include "model/sambay_config.h"
#include "sambay/error.h"
#include "text/tokenizer_data.h"

namespace sambay {

/// XXH3 of bytes that come in pieces.
class Checksum {
 public:
  Checksum() : state_(XXH3_createState(), XXH3_freeState) { XXH3_64bits_reset(state_.get()); }
  void add(std::span<const std::byte> bytes) { XXH3_64bits_update(state_.get(), bytes.data(), bytes.size()); }
  uint64_t value() const { return XXH3_64bits_digest(state_.get()); }

 private:
  std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> state_;
};

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
