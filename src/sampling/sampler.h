// From logits to a token.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "sambay/error.h"
#include "sambay/sambay.h"
#include "sampling/rng.h"

namespace sambay {

/// The largest vocabulary for which sums of fixed-point weights cannot overflow.
inline constexpr int kMaxSampledVocab = 1 << 23;

/// Errors: invalid_argument, with the field's name, its value and what would be right.
Result<void> validate(const SamplingOptions& options, int vocab);

/// A number for an unset seed: 32 bits, so that people can type it and JSON readers keep it exact.
uint64_t random_seed();

/// What the draw of these logits is from after temperature, top-k, top-p and min-p: tokens by id, with their
/// probabilities (exact to 2^-40 of the largest). At least one logit is finite, the others finite or
/// -infinity; temperature is above 0.
std::vector<std::pair<TokenId, double>> filtered_distribution(std::span<const float> logits,
                                                              const SamplingOptions& options);

/// Memory that samplers of one thread share.
struct SamplerScratch {
  std::vector<uint64_t> weights;    // [vocab]
  std::vector<TokenId> candidates;  // at most vocab
};

/// Chooses the tokens of one sequence. Deterministic: options, seed, prompt and the logits seen decide. A
/// value: a copy continues on its own. One thread at a time.
class Sampler {
 public:
  /// `options` were validated; ids of prompt and forbidden are below the vocabulary. `forbidden` are never
  /// chosen.
  Sampler(SamplingOptions options, uint64_t seed, std::span<const TokenId> prompt,
          std::span<const TokenId> forbidden = {});

  /// logits [vocab] are changed in place. Errors: corrupt (a logit that is not finite), invalid_argument
  /// (every token is forbidden).
  Result<TokenId> sample(std::span<float> logits, SamplerScratch& scratch);
  /// Tells which token was taken; penalties look at it.
  void accept(TokenId token);

 private:
  void apply_bias_and_penalties(std::span<float> logits) const;
  void remember(TokenId token);

  SamplingOptions options_;
  Rng rng_;
  std::vector<TokenId> forbidden_;
  // Kept only for penalties that are on: how often a token occurs in the last penalty_last_n, and among the
  // generated ones.
  std::deque<TokenId> window_;
  std::unordered_map<TokenId, int> in_window_, generated_;
};

}  // namespace sambay
