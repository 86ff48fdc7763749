// Making a quality card: the same problems with the weights in each element type.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "eval/scores.h"
#include "formats/quality_card.h"
#include "model/type_mix.h"

namespace sambay {

struct CardOptions {
  EvalOptions eval;            ///< eval.model: the weights as trained, in f32, f16 or bf16
  std::vector<TypeMix> types;  ///< to evaluate; the model's own is evaluated as it is
  /// Where models of the other types are written, one after the other, in a folder that goes away at the end.
  std::string scratch_beside;                             ///< a file; the folder is made beside it
  std::function<void(const std::string& line)> progress;  ///< may be empty
  std::function<bool()> should_stop;                      ///< may be empty
};

/// Families are those of the model's own type when it is among `types`, else of the first. Errors: those of
/// evaluating and converting; invalid_argument (no types; a model that was quantized before).
Result<QualityCard> make_quality_card(const CardOptions& options, const ProblemSet& set,
                                      std::span<const Problem> problems);

/// The file appears complete or not at all. Errors: io, not_found (no such folder).
Result<void> write_quality_card(const QualityCard& card, const std::string& path);

}  // namespace sambay
