#include "sampling/sampler.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "base/check.h"

namespace sambay {
namespace {

// Weights are fixed-point numbers, the likeliest token having kOne. Sums of integers do not depend on their
// order, so selecting with nth_element is as deterministic as sorting. What is less likely than 2^-40 of the
// likeliest token is never drawn.
constexpr int kWeightBits = 40;
constexpr double kOne = static_cast<double>(uint64_t{1} << kWeightBits);
static_assert(kWeightBits + 23 < 64 && kMaxSampledVocab == 1 << 23);

constexpr float kForbidden = -std::numeric_limits<float>::infinity();

/// The tokens that are still in: those before or equal to the last one in the order "larger logit first, then
/// lower id". Every filter only moves the end of this list forward.
struct Cutoff {
  float logit = kForbidden;
  TokenId id = std::numeric_limits<TokenId>::max();
};

bool comes_before(float logit_a, TokenId a, float logit_b, TokenId b) {
  return logit_a > logit_b || (logit_a == logit_b && a < b);
}

class Filter {
 public:
  /// `largest` of the logits must be finite.
  Filter(std::span<const float> logits, float largest, const SamplingOptions& options,
         SamplerScratch& scratch)
      : logits_(logits), weights_(scratch.weights), candidates_(scratch.candidates) {
    weights_.resize(logits.size());
    // exp(-28) < 2^-40: the weight would round down to zero.
    const double inverse = 1.0 / static_cast<double>(options.temperature);
    for (size_t i = 0; i < logits.size(); i++) {
      const double x = (static_cast<double>(logits[i]) - static_cast<double>(largest)) * inverse;
      weights_[i] = x > -28.0 ? static_cast<uint64_t>(std::exp(x) * kOne) : 0;
    }
    top_k(options.top_k);
    top_p(options.top_p);
    min_p(options.min_p);
  }

  TokenId draw(Rng& rng) const {
    uint64_t point = rng.below(sum());
    for (TokenId i = 0; i < count(); i++) {
      if (!is_in(i)) continue;
      if (point < weights_[i]) return i;
      point -= weights_[i];
    }
    SAMBAY_CHECK(false, "the point lies behind the sum of all weights");
  }

  std::vector<std::pair<TokenId, double>> distribution() const {
    std::vector<std::pair<TokenId, double>> tokens;
    const auto total = static_cast<double>(sum());
    for (TokenId i = 0; i < count(); i++)
      if (is_in(i)) tokens.emplace_back(i, static_cast<double>(weights_[i]) / total);
    return tokens;
  }

 private:
  TokenId count() const { return static_cast<TokenId>(logits_.size()); }
  auto order() const {
    return [this](TokenId a, TokenId b) { return comes_before(logits_[a], a, logits_[b], b); };
  }
  void cut_after(TokenId id) { cutoff_ = {logits_[id], id}; }

  void top_k(int k) {
    if (k <= 0 || k >= count()) return;
    candidates_.resize(logits_.size());
    std::iota(candidates_.begin(), candidates_.end(), 0);
    const auto kth = candidates_.begin() + (k - 1);
    std::nth_element(candidates_.begin(), kth, candidates_.end(), order());
    cut_after(*kth);
  }

  /// The fewest tokens whose weights reach p of what is in. Quickselect by weight: the half that the border
  /// is not in is summed and forgotten.
  void top_p(float p) {
    if (p >= 1) return;
    const uint64_t total = sum();
    const double wanted = std::ceil(static_cast<double>(p) * static_cast<double>(total));
    uint64_t missing = std::clamp(static_cast<uint64_t>(wanted), uint64_t{1}, total);
    // All tokens at or below this weight together fall short of what may be left out, so that the border lies
    // among the others.
    const uint64_t negligible = (total - missing) / logits_.size();
    candidates_.clear();
    for (TokenId i = 0; i < count(); i++)
      if (weights_[i] > negligible && is_in(i)) candidates_.push_back(i);
    auto first = candidates_.begin(), last = candidates_.end();
    while (last - first > 1) {
      const auto middle = first + (last - first) / 2;
      std::nth_element(first, middle, last, order());
      uint64_t upper = 0;
      for (auto it = first; it != middle; ++it) upper += weights_[*it];
      if (upper >= missing) {
        last = middle;
      } else {
        missing -= upper;
        first = middle;
      }
    }
    cut_after(*first);
  }

  void min_p(float p) {
    if (p <= 0) return;
    least_weight_ = static_cast<uint64_t>(std::ceil(static_cast<double>(p) * kOne));
  }

  bool is_in(TokenId id) const {
    return weights_[id] >= least_weight_ && !comes_before(cutoff_.logit, cutoff_.id, logits_[id], id);
  }
  uint64_t sum() const {
    uint64_t total = 0;
    for (TokenId i = 0; i < count(); i++)
      if (is_in(i)) total += weights_[i];
    return total;
  }

  std::span<const float> logits_;
  std::vector<uint64_t>& weights_;
  std::vector<TokenId>& candidates_;
  Cutoff cutoff_;
  uint64_t least_weight_ = 1;
};

Result<void> out_of_range(std::string_view field, double value, std::string_view wanted) {
  return fail(ErrorCode::invalid_argument, fmt::format("{}: {} is not {}", field, value, wanted));
}

}  // namespace

Result<void> validate(const SamplingOptions& o, int vocab) {
  const auto within = [](float x, float low, float high) { return x >= low && x <= high; };  // false for NaN
  if (!within(o.temperature, 0, std::numeric_limits<float>::max()))
    return out_of_range("temperature", o.temperature, "a number from 0 on");
  if (o.top_k < 0) return out_of_range("top_k", o.top_k, "a number from 0 (off) on");
  if (!within(o.top_p, 0, 1) || o.top_p == 0)
    return out_of_range("top_p", o.top_p, "above 0 and at most 1 (off)");
  if (!within(o.min_p, 0, 1)) return out_of_range("min_p", o.min_p, "between 0 (off) and 1");
  if (!within(o.repeat_penalty, 0, std::numeric_limits<float>::max()) || o.repeat_penalty == 0)
    return out_of_range("repeat_penalty", o.repeat_penalty, "a number above 0 (1 = off)");
  if (o.penalty_last_n < -1)
    return out_of_range("penalty_last_n", o.penalty_last_n, "a number from 0 on, or -1 for all");
  if (!within(o.presence_penalty, -2, 2))
    return out_of_range("presence_penalty", o.presence_penalty, "between -2 and 2");
  if (!within(o.frequency_penalty, -2, 2))
    return out_of_range("frequency_penalty", o.frequency_penalty, "between -2 and 2");
  for (const auto& [id, bias] : o.logit_bias) {
    if (id < 0 || id >= vocab)
      return fail(ErrorCode::invalid_argument,
                  fmt::format("logit_bias: token {} does not exist: the vocabulary has {}", id, vocab));
    if (!std::isfinite(bias) && bias != kForbidden)
      return out_of_range(fmt::format("logit_bias of token {}", id), bias, "a finite number or -infinity");
  }
  if (vocab < 1 || vocab > kMaxSampledVocab)
    return fail(
        ErrorCode::unsupported,
        fmt::format("cannot sample from a vocabulary of {} tokens: at most {}", vocab, kMaxSampledVocab));
  return {};
}

uint64_t random_seed() { return std::random_device{}(); }

Sampler::Sampler(SamplingOptions options, uint64_t seed, std::span<const TokenId> prompt,
                 std::span<const TokenId> forbidden)
    : options_(std::move(options)), rng_(seed), forbidden_(forbidden.begin(), forbidden.end()) {
  const size_t last_n = options_.penalty_last_n < 0 ? prompt.size() : options_.penalty_last_n;
  for (TokenId token : prompt.last(std::min(prompt.size(), last_n))) remember(token);
}

void Sampler::remember(TokenId token) {
  if (options_.repeat_penalty == 1 || options_.penalty_last_n == 0) return;
  in_window_[token]++;
  if (options_.penalty_last_n < 0) return;
  window_.push_back(token);
  if (window_.size() <= static_cast<size_t>(options_.penalty_last_n)) return;
  const auto oldest = in_window_.find(window_.front());
  if (--oldest->second == 0) in_window_.erase(oldest);
  window_.pop_front();
}

void Sampler::accept(TokenId token) {
  remember(token);
  if (options_.presence_penalty != 0 || options_.frequency_penalty != 0) generated_[token]++;
}

void Sampler::apply_bias_and_penalties(std::span<float> logits) const {
  constexpr float kLargest = std::numeric_limits<float>::max();
  for (const auto& [id, bias] : options_.logit_bias) logits[id] = std::min(logits[id] + bias, kLargest);
  for (const auto& [id, count] : in_window_) {
    float& x = logits[id];
    x = std::min(x > 0 ? x / options_.repeat_penalty : x * options_.repeat_penalty, kLargest);
  }
  for (const auto& [id, count] : generated_)
    logits[id] -= options_.presence_penalty + options_.frequency_penalty * static_cast<float>(count);
  for (TokenId id : forbidden_) logits[id] = kForbidden;
}

Result<TokenId> Sampler::sample(std::span<float> logits, SamplerScratch& scratch) {
  // x - x is 0 for finite numbers and NaN for the others: one sum finds any of them.
  float not_finite = 0;
  for (float x : logits) not_finite += x - x;
  if (std::isnan(not_finite)) {
    const auto bad = std::find_if(logits.begin(), logits.end(), [](float x) { return !std::isfinite(x); });
    return fail(ErrorCode::corrupt,
                fmt::format("the model's logit of token {} is {}: its weights are damaged",
                            bad - logits.begin(), *bad));
  }
  apply_bias_and_penalties(logits);
  const auto likeliest = std::max_element(logits.begin(), logits.end());  // the first among equals
  if (*likeliest == kForbidden)
    return fail(ErrorCode::invalid_argument, "every token is forbidden by logit_bias or ignore_eos");
  if (options_.temperature == 0) return static_cast<TokenId>(likeliest - logits.begin());

  return Filter(logits, *likeliest, options_, scratch).draw(rng_);
}

std::vector<std::pair<TokenId, double>> filtered_distribution(std::span<const float> logits,
                                                              const SamplingOptions& options) {
  SamplerScratch scratch;
  const float largest = *std::max_element(logits.begin(), logits.end());
  return Filter(logits, largest, options, scratch).distribution();
}

}  // namespace sambay
