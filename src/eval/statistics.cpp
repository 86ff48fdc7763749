#include "eval/statistics.h"

#include <algorithm>
#include <cmath>

namespace sambay {

double RunningMean::standard_error() const {
  if (count_ < 2) return 0;
  const auto n = static_cast<double>(count_);
  return std::sqrt(squares_ / (n - 1) / n);
}

void Divergence::add(const LogitRow& reference, const LogitRow& model) {
  const double kl = kl_divergence(reference, model);
  kl_.add(kl);
  values_.push_back(static_cast<float>(kl));
  const auto wanted = top_tokens(reference.logits), found = top_tokens(model.logits);
  const auto length = std::min<size_t>(kTopTokens, reference.logits.size());
  int same = 0;
  for (size_t i = 0; i < length; i++) same += std::find(found.begin(), found.end(), wanted[i]) != found.end();
  same_first_.add(wanted[0] == found[0]);
  same_top_.add(same / static_cast<double>(length));
}

double Divergence::kl_quantile(double share) const {
  if (values_.empty()) return 0;
  std::vector<float> sorted = values_;
  std::sort(sorted.begin(), sorted.end());
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  const double low = sorted[below], high = sorted[above];
  return low + (high - low) * (place - static_cast<double>(below));
}

}  // namespace sambay
