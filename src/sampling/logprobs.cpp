#include "sampling/logprobs.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

namespace sambay {

TokenLogprobs log_probabilities(std::span<const float> logits, TokenId token, int top) {
  const double largest = static_cast<double>(*std::max_element(logits.begin(), logits.end()));
  double sum = 0;
  for (const float x : logits) sum += std::exp(static_cast<double>(x) - largest);
  const double log_sum = largest + std::log(sum);
  const auto entry = [&](TokenId id) {
    return TokenLogprob{id,
                        static_cast<float>(static_cast<double>(logits[static_cast<size_t>(id)]) - log_sum)};
  };
  TokenLogprobs out{entry(token), {}};
  // A heap of the best so far: one pass, and few tokens get past its top.
  const auto better = [&](TokenId a, TokenId b) {
    const float x = logits[static_cast<size_t>(a)], y = logits[static_cast<size_t>(b)];
    return x > y || (x == y && a < b);
  };
  std::vector<TokenId> best;
  for (TokenId id = 0; id < static_cast<TokenId>(logits.size()) && top > 0; id++) {
    if (static_cast<int>(best.size()) == top) {
      if (!better(id, best.front())) continue;
      std::pop_heap(best.begin(), best.end(), better);
      best.pop_back();
    }
    best.push_back(id);
    std::push_heap(best.begin(), best.end(), better);
  }
  std::sort(best.begin(), best.end(), better);
  for (const TokenId id : best) out.top.push_back(entry(id));
  return out;
}

}  // namespace sambay
