// Log probabilities of a row of logits.
#pragma once

#include <span>

#include "sambay/sambay.h"

namespace sambay {

/// Of `token` and of the `top` likeliest tokens: log softmax of the logits as they are, summed in double in
/// order of the ids. logits [vocab] hold no NaN; token is one of them.
TokenLogprobs log_probabilities(std::span<const float> logits, TokenId token, int top);

}  // namespace sambay
