// Who may come in: keys, rate limits, hosts and origins.
#include "server/door.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "server/api_keys.h"
#include "server/rate_limit.h"

namespace sambay::server {
namespace {

TEST(ApiKeys, FindsTextAndHashesAlike) {
  const auto keys = ApiKeys::parse(
      "# comment\n\nalpha name=a rpm=3 tpm=1000\r\n"
      "sha256:f44e64e75f3948e9f73f8dfa94721c4ce8cbb4f265c4790c702b2d41cfbf2753\n",  // of "beta"
      {.requests_per_minute = 7});
  ASSERT_TRUE(keys) << keys.error().message;
  EXPECT_EQ(keys->size(), 2u);
  ASSERT_TRUE(keys->find("alpha"));
  EXPECT_EQ(keys->find("alpha")->id, "a");
  EXPECT_EQ(keys->find("alpha")->limits.requests_per_minute, 3);
  EXPECT_EQ(keys->find("alpha")->limits.tokens_per_minute, 1000);
  ASSERT_TRUE(keys->find("beta"));
  EXPECT_EQ(keys->find("beta")->limits.requests_per_minute, 7);
  EXPECT_EQ(keys->find("beta")->id, "f44e64e7");
  for (const char* wrong : {"", "alph", "alpha ", "Alpha", "gamma"}) EXPECT_FALSE(keys->find(wrong)) << wrong;
}

TEST(ApiKeys, SaysTheLineAndNeverTheKey) {
  for (const char* text :
       {"ok\nsecret rpm=x\n", "ok\nsecret who\n", "ok\nsha256:secret\n", "ok\nsecret name=\n"}) {
    const auto keys = ApiKeys::parse(text, {});
    ASSERT_FALSE(keys) << text;
    EXPECT_THAT(keys.error().message, testing::HasSubstr("line 2"));
    EXPECT_THAT(keys.error().message, testing::Not(testing::HasSubstr("secret")));
  }
}

TEST(RateLimiter, RefusesTheRequestBeyondTheLimitUntilTimeHasPassed) {
  RateLimiter limiter;
  const RateLimits limits{.requests_per_minute = 2};
  EXPECT_TRUE(limiter.admit("k", limits, 0).allowed);
  EXPECT_TRUE(limiter.admit("k", limits, 0).allowed);
  const auto refused = limiter.admit("k", limits, 0);
  EXPECT_FALSE(refused.allowed);
  EXPECT_DOUBLE_EQ(refused.retry_after_s, 30);
  EXPECT_TRUE(limiter.admit("other", limits, 0).allowed);
  EXPECT_FALSE(limiter.admit("k", limits, 29).allowed);
  EXPECT_TRUE(limiter.admit("k", limits, 30.5).allowed);
}

TEST(RateLimiter, TokensMayOverdrawAndThenRecover) {
  RateLimiter limiter;
  const RateLimits limits{.tokens_per_minute = 60};
  EXPECT_TRUE(limiter.admit("k", limits, 0).allowed);
  limiter.charge_tokens("k", limits, 90, 0);  // 30 below zero
  const auto refused = limiter.admit("k", limits, 0);
  EXPECT_FALSE(refused.allowed);
  EXPECT_TRUE(refused.by_tokens);
  EXPECT_DOUBLE_EQ(refused.retry_after_s, 31);
  EXPECT_TRUE(limiter.admit("k", limits, 31.5).allowed);
}

TEST(RateLimiter, HeadersSayLimitRestAndReset) {
  RateLimiter limiter;
  const RateLimits limits{.requests_per_minute = 60, .tokens_per_minute = 600};
  limiter.admit("k", limits, 0);
  limiter.charge_tokens("k", limits, 100, 0);
  std::map<std::string, std::string> headers;
  for (const auto& [name, value] : limiter.headers("k", limits, 0)) headers[name] = value;
  EXPECT_EQ(headers["x-ratelimit-limit-requests"], "60");
  EXPECT_EQ(headers["x-ratelimit-remaining-requests"], "59");
  EXPECT_EQ(headers["x-ratelimit-reset-requests"], "1s");
  EXPECT_EQ(headers["x-ratelimit-remaining-tokens"], "500");
  EXPECT_EQ(headers["x-ratelimit-reset-tokens"], "10s");
  EXPECT_TRUE(limiter.headers("k", {}, 0).empty());
}

TEST(DurationText, IsRoundedUp) {
  EXPECT_EQ(duration_text(0.25), "250ms");
  EXPECT_EQ(duration_text(1.2), "2s");
  EXPECT_EQ(duration_text(360), "6m0s");
}

TEST(Door, KnowsTheNamesOfThisMachine) {
  for (const char* host :
       {"localhost", "LOCALHOST:8080", "127.0.0.1:1", "127.9.9.9", "[::1]:80", "[::1]", "a.localhost"})
    EXPECT_TRUE(host_allowed(host, {})) << host;
  for (const char* host : {"", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example",
                           "127.1:80:80", "[::1", "[::2]", "10.0.0.1", "xlocalhost", "localhost:port"})
    EXPECT_FALSE(host_allowed(host, {})) << host;
  const std::vector<std::string> also = {"box.lan"};
  EXPECT_TRUE(host_allowed("Box.lan:8080", also));
}

TEST(Door, KnowsOriginsOfThisMachineAndOfThePageItself) {
  EXPECT_TRUE(is_local_origin("http://localhost:3000"));
  EXPECT_TRUE(is_local_origin("https://[::1]"));
  for (const char* origin :
       {"null", "file://", "http://evil.example", "http://localhost.evil.example", "ftp://localhost"})
    EXPECT_FALSE(is_local_origin(origin)) << origin;
  EXPECT_TRUE(is_same_origin("https://api.example:8443", "api.example:8443"));
  EXPECT_FALSE(is_same_origin("https://api.example", "api.example:8443"));
}

}  // namespace
}  // namespace sambay::server
