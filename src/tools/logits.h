// `sambay logits`: the numbers themselves, for comparison with other implementations.
#pragma once

#include <functional>
#include <span>
#include <string>

#include "ops/batch.h"
#include "sambay/error.h"
#include "tensor/dtype.h"

namespace sambay {

struct LogitsOptions {
  std::string model;  ///< "" = the embedded model
  std::string ids_file;
  std::string out_file;  ///< safetensors
  int greedy = 0;        ///< tokens to continue by argmax, ignoring stop tokens
  bool hidden = false;   ///< also intermediate results; not with last
  bool last = false;     ///< logits of the last row only, by the prefill shortcut
  DType kv = DType::f32;
  std::string isa;
  int threads = 0;
  int chunk = 256;           ///< rows per step
  int64_t memory_limit = 0;  ///< bytes; 0: none
};

/// Writes `logits` F32 [T, vocab] ([1, vocab] with last), with greedy `greedy_ids` I32 [N] and
/// `greedy_logits` F32 [N, vocab], with hidden the arrays of tests/golden without their prefix. Errors: those
/// of loading and of the ids; invalid_argument for options that contradict; io. `stop` is asked between
/// steps; true gives `cancelled`.
Result<void> write_logits(const LogitsOptions& options, const std::function<bool()>& stop);

/// Index of the largest value, the lowest among equals.
TokenId argmax(std::span<const float> logits);

}  // namespace sambay
