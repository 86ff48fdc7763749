#include "server/rate_limit.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

namespace sambay::server {

void RateLimiter::Bucket::refill(double per_minute, double now_s) {
  if (fresh) level = per_minute;
  if (!fresh) level = std::min(per_minute, level + (now_s - updated_s) * per_minute / 60);
  fresh = false;
  updated_s = now_s;
}

RateLimiter::Buckets& RateLimiter::refilled(const std::string& key, const RateLimits& limits, double now_s) {
  Buckets& buckets = buckets_[key];
  buckets.requests.refill(static_cast<double>(limits.requests_per_minute), now_s);
  buckets.tokens.refill(static_cast<double>(limits.tokens_per_minute), now_s);
  return buckets;
}

RateLimiter::Verdict RateLimiter::admit(const std::string& key, const RateLimits& limits, double now_s) {
  const std::lock_guard lock(mutex_);
  Buckets& buckets = refilled(key, limits, now_s);
  const double requests_per_s = static_cast<double>(limits.requests_per_minute) / 60;
  const double tokens_per_s = static_cast<double>(limits.tokens_per_minute) / 60;
  if (limits.requests_per_minute > 0 && buckets.requests.level < 1)
    return {.allowed = false, .retry_after_s = (1 - buckets.requests.level) / requests_per_s};
  if (limits.tokens_per_minute > 0 && buckets.tokens.level < 1)
    return {.allowed = false, .by_tokens = true, .retry_after_s = (1 - buckets.tokens.level) / tokens_per_s};
  if (limits.requests_per_minute > 0) buckets.requests.level -= 1;
  return {};
}

void RateLimiter::charge_tokens(const std::string& key, const RateLimits& limits, int64_t tokens,
                                double now_s) {
  if (limits.tokens_per_minute <= 0) return;
  const std::lock_guard lock(mutex_);
  refilled(key, limits, now_s).tokens.level -= static_cast<double>(tokens);
}

std::vector<std::pair<std::string, std::string>> RateLimiter::headers(const std::string& key,
                                                                      const RateLimits& limits,
                                                                      double now_s) {
  std::vector<std::pair<std::string, std::string>> headers;
  if (limits.requests_per_minute <= 0 && limits.tokens_per_minute <= 0) return headers;
  const std::lock_guard lock(mutex_);
  const Buckets& buckets = refilled(key, limits, now_s);
  const auto add = [&](const char* what, int64_t limit, const Bucket& bucket) {
    if (limit <= 0) return;
    const double missing = static_cast<double>(limit) - bucket.level;
    headers.emplace_back(fmt::format("x-ratelimit-limit-{}", what), std::to_string(limit));
    headers.emplace_back(fmt::format("x-ratelimit-remaining-{}", what),
                         std::to_string(static_cast<int64_t>(std::max(0.0, std::floor(bucket.level)))));
    headers.emplace_back(fmt::format("x-ratelimit-reset-{}", what),
                         duration_text(std::max(0.0, missing) * 60 / static_cast<double>(limit)));
  };
  add("requests", limits.requests_per_minute, buckets.requests);
  add("tokens", limits.tokens_per_minute, buckets.tokens);
  return headers;
}

std::string duration_text(double seconds) {
  if (seconds < 1) return fmt::format("{}ms", static_cast<int64_t>(std::ceil(seconds * 1000)));
  const auto whole = static_cast<int64_t>(std::ceil(seconds));
  if (whole < 60) return fmt::format("{}s", whole);
  return fmt::format("{}m{}s", whole / 60, whole % 60);
}

}  // namespace sambay::server
