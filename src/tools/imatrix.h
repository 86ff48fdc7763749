// `sambay imatrix`: how large the inputs of every matrix are, column by column, over a text.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "sambay/error.h"

namespace sambay {

struct ImatrixOptions {
  std::string model;  ///< "" = the embedded model
  std::string text_file;
  std::string out_file;
  int chunk = 512;    ///< tokens that are read together, each piece on its own; at least 1
  int64_t limit = 0;  ///< only the first tokens of the text; 0: all
  int threads = 0;
  int64_t memory_limit = 0;  ///< bytes; 0: none
  std::string isa;
  std::function<bool()> should_stop;                          ///< asked between steps; may be empty
  std::function<void(int64_t done, int64_t total)> progress;  ///< in tokens; may be empty
};

struct ImatrixReport {
  int64_t tokens = 0;
  int matrices = 0;
};

/// Writes safetensors: for every matrix, by its name in a GGUF, an F32 vector of the mean squares of its
/// input columns, and `tokens`, I32 [1]. Sums are kept in double. Errors: those of loading; unsupported (a
/// model without a tokenizer); invalid_argument (options, an empty text); io; cancelled.
Result<ImatrixReport> write_imatrix(const ImatrixOptions& options);

}  // namespace sambay
