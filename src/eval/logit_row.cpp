#include "eval/logit_row.h"

#include <algorithm>
#include <cmath>

namespace sambay {

LogitRow::LogitRow(std::span<const float> row) : logits(row) {
  const double top = *std::max_element(row.begin(), row.end());
  double sum = 0;
  for (const float x : row) sum += std::exp(x - top);
  log_sum = top + std::log(sum);
}

double kl_divergence(const LogitRow& p, const LogitRow& q) {
  double sum = 0;
  for (size_t i = 0; i < p.logits.size(); i++) {
    const double p_log = p.logits[i] - p.log_sum, q_log = q.logits[i] - q.log_sum;
    sum += std::exp(p_log) * (p_log - q_log);
  }
  return std::max(sum, 0.0);  // it is never negative; rounding may be
}

std::array<TokenId, kTopTokens> top_tokens(std::span<const float> logits) {
  std::array<TokenId, kTopTokens> top;
  top.fill(-1);
  const auto value = [&](TokenId id) { return logits[static_cast<size_t>(id)]; };
  for (TokenId id = 0; id < static_cast<TokenId>(logits.size()); id++) {
    if (top.back() >= 0 && value(id) <= value(top.back())) continue;
    int place = kTopTokens - 1;
    for (; place > 0 && (top[place - 1] < 0 || value(id) > value(top[place - 1])); place--)
      top[place] = top[place - 1];
    top[place] = id;
  }
  return top;
}

}  // namespace sambay
