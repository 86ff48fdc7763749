// Requests and tokens a minute, for each key: buckets that refill steadily.
#pragma once

#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "server/api_keys.h"

namespace sambay::server {

/// Thread-safe. Time is what the caller says, in seconds, never going back.
class RateLimiter {
 public:
  struct Verdict {
    bool allowed = true;
    bool by_tokens = false;  ///< the token limit refused, not the request limit
    double retry_after_s = 0;
  };
  /// Takes one request if both buckets have something. Tokens are charged when they are known, so a bucket of
  /// tokens may go below zero and refuses until it has recovered.
  Verdict admit(const std::string& key, const RateLimits& limits, double now_s);
  void charge_tokens(const std::string& key, const RateLimits& limits, int64_t tokens, double now_s);
  /// x-ratelimit-{limit,remaining,reset}-{requests,tokens}, for the limits that are set.
  std::vector<std::pair<std::string, std::string>> headers(const std::string& key, const RateLimits& limits,
                                                           double now_s);

 private:
  struct Bucket {
    double level = 0, updated_s = 0;
    bool fresh = true;
    void refill(double per_minute, double now_s);
  };
  struct Buckets {
    Bucket requests, tokens;
  };
  Buckets& refilled(const std::string& key, const RateLimits& limits, double now_s);

  std::mutex mutex_;
  std::unordered_map<std::string, Buckets> buckets_;
};

/// As OpenAI writes it: "250ms", "2s", "6m0s"; rounded up.
std::string duration_text(double seconds);

}  // namespace sambay::server
