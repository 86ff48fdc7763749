// API keys: read from files, kept as hashes, compared in constant time.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sambay/error.h"

namespace sambay::server {

/// Requests and tokens (read and generated) a minute; 0: no limit.
struct RateLimits {
  int64_t requests_per_minute = 0, tokens_per_minute = 0;
};

struct ApiKey {
  std::array<unsigned char, 32> hash{};  ///< SHA-256 of the key
  std::string id;  ///< for log, fairness and cache: its name, or the hash's first digits
  RateLimits limits;
};

/// Immutable.
class ApiKeys {
 public:
  /// A line is KEY or sha256:HEX, then optionally name=NAME, rpm=N, tpm=N; empty lines and those that begin
  /// with '#' count for nothing. Errors: invalid_argument, with the line's number but never its text.
  static Result<ApiKeys> parse(std::string_view text, RateLimits defaults);
  /// Of `given` (as on a command line) and of the lines of `path`, if it is not "". Errors: also not_found.
  static Result<ApiKeys> load(const std::vector<std::string>& given, const std::string& path,
                              RateLimits defaults);

  bool empty() const { return keys_.empty(); }
  size_t size() const { return keys_.size(); }
  /// nullptr when there is none. Takes the same time for every wrong key.
  const ApiKey* find(std::string_view key) const;

 private:
  std::vector<ApiKey> keys_;
};

}  // namespace sambay::server
