// `sambay compare`: two models, or one in two ways, over a text: how well each predicts it and how far their
// predictions are apart.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "convert/convert.h"
#include "eval/statistics.h"
#include "model/type_mix.h"
#include "sambay/error.h"
#include "tensor/dtype.h"

namespace sambay {

struct CompareSide {
  std::string model;            ///< "" = the embedded one
  std::optional<TypeMix> type;  ///< convert to this first, in a temporary folder
  DType kv = DType::f16;
  std::string isa;  ///< "" = best supported
};

struct CompareOptions {
  CompareSide a, b;
  std::string text_file;
  int chunk = 512;    ///< tokens of context: the text is cut into pieces of this many, each on its own
  int64_t limit = 0;  ///< tokens of the text at most; 0: all
  int threads = 0;
  int64_t memory_limit = 0;                                   ///< bytes; 0: none
  std::function<bool()> should_stop;                          ///< may be empty; asked every 64 tokens
  std::function<void(int64_t done, int64_t total)> progress;  ///< tokens; may be empty
  std::function<void(const ConvertProgress&)> converting;     ///< before the text; may be empty
};

struct CompareReport {
  struct Side {
    std::string model, type, kv, isa;
    RunningMean nll;  ///< nats per predicted token
    double perplexity() const;
    double standard_error() const;  ///< of the perplexity, to first order
  };
  Side a, b;
  RunningMean nll_difference;  ///< b's minus a's, token by token
  Divergence divergence;       ///< of b from a
  int chunk = 0;
  int64_t tokens = 0, predicted = 0;
};

/// Every token but the first of a piece is predicted from those before it in the piece. Memory is that of the
/// models, of 64 rows of logits of each, of the text's ids, and 4 bytes per token; it is held against the
/// limit before anything is converted. Errors: invalid_argument
/// (an option, a text of fewer than two tokens); unsupported (no tokenizer, or tokenizers that differ, with
/// the first difference); corrupt (logits that are not finite); those of opening, converting and of the text;
/// out_of_memory (the limit); cancelled.
Result<CompareReport> compare_models(const CompareOptions& options);

/// A table for people.
std::string format_comparison(const CompareReport& report);
/// One JSON object, in one line.
std::string comparison_json(const CompareReport& report);

}  // namespace sambay
