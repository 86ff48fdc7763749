// One position's logits, and what two of them have to say to each other.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "sambay/text.h"

namespace sambay {

/// A view of the logits of one position with the log of their sum of exp. NaN among them makes log_sum NaN.
struct LogitRow {
  explicit LogitRow(std::span<const float> row);
  std::span<const float> logits;
  double log_sum = 0;

  /// -log of the token's probability, in nats.
  double negative_log(TokenId token) const { return log_sum - logits[static_cast<size_t>(token)]; }
};

/// KL(p || q) in nats, in double precision; rows of one length.
double kl_divergence(const LogitRow& p, const LogitRow& q);

inline constexpr int kTopTokens = 5;
/// The ids of the largest logits, largest first, the lowest id first among equals; -1 where the row is
/// shorter.
std::array<TokenId, kTopTokens> top_tokens(std::span<const float> logits);

}  // namespace sambay
