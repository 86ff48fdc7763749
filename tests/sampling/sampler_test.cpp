#include "sampling/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

namespace sambay {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
using Logits = std::vector<float>;

SamplingOptions greedy() {
  SamplingOptions o;
  o.temperature = 0;
  return o;
}

SamplingOptions plain(float temperature = 1) {
  SamplingOptions o;
  o.temperature = temperature;
  o.top_p = 1;
  return o;
}

TokenId sample_once(Sampler& sampler, Logits logits) {
  SamplerScratch scratch;
  auto token = sampler.sample(logits, scratch);
  EXPECT_TRUE(token.has_value()) << token.error().message;
  return token.value_or(-1);
}

Logits random_logits(Rng& rng, int vocab, float spread) {
  Logits logits(vocab);
  for (float& x : logits) x = spread * (static_cast<float>(rng.below(1 << 20)) / (1 << 20) - 0.5f);
  return logits;
}

/// The filters as their definitions read, over a fully sorted list in long double.
std::vector<TokenId> oracle_set(const Logits& logits, const SamplingOptions& o) {
  std::vector<TokenId> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  std::sort(ids.begin(), ids.end(),
            [&](TokenId a, TokenId b) { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; });
  std::vector<long double> p;
  for (TokenId id : ids)
    p.push_back(std::exp((static_cast<long double>(logits[id]) - logits[ids[0]]) / o.temperature));
  if (o.top_k > 0 && o.top_k < static_cast<int>(ids.size())) ids.resize(o.top_k);
  p.resize(ids.size());
  if (o.top_p < 1) {
    const long double total = std::accumulate(p.begin(), p.end(), 0.0L);
    long double sum = 0;
    size_t kept = 0;
    while (kept < p.size() && sum < o.top_p * total) sum += p[kept++];
    ids.resize(kept);
  }
  std::vector<TokenId> in;
  for (size_t i = 0; i < ids.size(); i++)
    if (p[i] >= o.min_p && p[i] >= 0x1p-40L) in.push_back(ids[i]);  // less is never drawn
  std::sort(in.begin(), in.end());
  return in;
}

TEST(Sampler, TakesTheLargestLogitWhenTemperatureIsZero) {
  Sampler sampler(greedy(), 1, {});
  EXPECT_EQ(sample_once(sampler, {0.5f, 3, -1, 2.9f}), 1);
}

TEST(Sampler, TakesTheLowestIdAmongEqualsWhenTemperatureIsZero) {
  Sampler sampler(greedy(), 1, {});
  EXPECT_EQ(sample_once(sampler, {1, 2, 2, 2}), 1);
}

TEST(Sampler, IsGreedyAtTheSmallestTemperaturesToo) {
  for (float t : {1e-6f, 1e-30f, std::numeric_limits<float>::denorm_min()}) {
    Sampler sampler(plain(t), 1, {});
    for (int i = 0; i < 20; i++) EXPECT_EQ(sample_once(sampler, {1, 5, 4.9f, -3}), 1) << t;
  }
}

TEST(Sampler, DrawsWithTheFrequenciesOfTheSoftmax) {
  const Logits logits = {0, 1, 2, -1, 0.5f, 1.5f, -0.25f, 0.75f};
  for (float t : {0.6f, 1.0f, 2.0f}) {
    Sampler sampler(plain(t), 42, {});
    std::vector<double> expected;
    for (float x : logits) expected.push_back(std::exp(static_cast<double>(x) / t));
    const double total = std::accumulate(expected.begin(), expected.end(), 0.0);
    constexpr int kDraws = 50000;
    std::vector<int> seen(logits.size());
    for (int i = 0; i < kDraws; i++) seen[sample_once(sampler, logits)]++;
    double chi_square = 0;
    for (size_t i = 0; i < logits.size(); i++) {
      const double want = expected[i] / total * kDraws;
      chi_square += (seen[i] - want) * (seen[i] - want) / want;
    }
    // 7 degrees of freedom: a right sampler exceeds 40.5 for one seed in a million. The other way round, a
    // frequency that is off by 10 % of itself adds 0.01 * want >= 60 for the likelier tokens.
    EXPECT_LT(chi_square, 40.5) << "temperature " << t;
  }
}

TEST(Sampler, KeepsTheSetThatFullSortingKeeps) {
  Rng rng(11);
  for (int round = 0; round < 400; round++) {
    const int vocab = 2 + static_cast<int>(rng.below(round % 10 == 0 ? 5000 : 40));
    Logits logits = random_logits(rng, vocab, round % 3 == 0 ? 4.0f : 16.0f);
    if (round % 4 == 0)  // ties
      for (float& x : logits) x = std::round(x);
    SamplingOptions o = plain(0.3f + static_cast<float>(rng.below(100)) / 50);
    if (rng.below(2)) o.top_k = 1 + static_cast<int>(rng.below(vocab + 3));
    if (rng.below(2)) o.top_p = static_cast<float>(1 + rng.below(999)) / 1000;
    if (rng.below(2)) o.min_p = static_cast<float>(rng.below(1001)) / 1000;
    std::vector<TokenId> set;
    double sum = 0;
    for (auto [id, p] : filtered_distribution(logits, o)) set.push_back(id), sum += p;
    ASSERT_EQ(set, oracle_set(logits, o))
        << "round " << round << " vocab " << vocab << " temperature " << o.temperature << " top_k " << o.top_k
        << " top_p " << o.top_p << " min_p " << o.min_p;
    EXPECT_NEAR(sum, 1, 1e-12);  // divided by its own sum: only rounding of at most 5000 additions
  }
}

TEST(Sampler, NeverDrawsWhatAFilterTookOut) {
  SamplingOptions o = plain();
  o.top_k = 3;
  Sampler sampler(o, 9, {});
  std::map<TokenId, int> seen;
  for (int i = 0; i < 2000; i++) seen[sample_once(sampler, {1, 1.2f, 0.9f, 1.1f, 0.8f})]++;
  EXPECT_EQ(seen.size(), 3u);
  EXPECT_FALSE(seen.contains(2));
  EXPECT_FALSE(seen.contains(4));
}

TEST(Sampler, BreaksTiesAtTheBorderOfAFilterByTheLowestId) {
  SamplingOptions k = plain();
  k.top_k = 2;
  SamplingOptions p = plain();
  p.top_p = 0.5f;
  const Logits equal(4, 1.0f);
  for (const SamplingOptions& o : {k, p}) {
    const auto in = filtered_distribution(equal, o);
    ASSERT_EQ(in.size(), 2u);
    EXPECT_EQ(in[0].first, 0);
    EXPECT_EQ(in[1].first, 1);
  }
}

TEST(Sampler, AppliesTopPToWhatTopKLeft) {
  // Probabilities 0.4 0.3 0.2 0.1: of the first two alone, 0.4 is 57 %, so that top_p 0.5 keeps one token.
  SamplingOptions o = plain();
  const Logits logits = {std::log(0.4f), std::log(0.3f), std::log(0.2f), std::log(0.1f)};
  o.top_p = 0.5f;
  EXPECT_EQ(filtered_distribution(logits, o).size(), 2u);
  o.top_k = 2;
  EXPECT_EQ(filtered_distribution(logits, o).size(), 1u);
}

TEST(Sampler, GivesTheSameTokensForTheSameSeed) {
  Rng rng(5);
  const Logits logits = random_logits(rng, 1000, 3);
  Sampler a(plain(), 77, {}), b(plain(), 77, {}), c(plain(), 78, {});
  std::vector<TokenId> from_a, from_b, from_c;
  for (int i = 0; i < 50; i++) {
    from_a.push_back(sample_once(a, logits));
    from_b.push_back(sample_once(b, logits));
    from_c.push_back(sample_once(c, logits));
  }
  EXPECT_EQ(from_a, from_b);
  EXPECT_NE(from_a, from_c);
}

TEST(Sampler, AddsBiasBeforeChoosing) {
  SamplingOptions o = greedy();
  o.logit_bias = {{0, 5.0f}, {1, -kInf}};
  Sampler sampler(o, 1, {});
  EXPECT_EQ(sample_once(sampler, {0, 10, 4.5f}), 0);
}

TEST(Sampler, NeverChoosesForbiddenTokens) {
  const std::vector<TokenId> forbidden = {1, 3};
  Sampler first(greedy(), 1, {}, forbidden);
  EXPECT_EQ(sample_once(first, {0, 10, 4, 11}), 2);
  SamplingOptions o = plain(100);
  o.logit_bias = {{1, 1000.0f}};  // a bias does not bring a forbidden token back
  Sampler second(o, 1, {}, forbidden);
  for (int i = 0; i < 200; i++) EXPECT_EQ(sample_once(second, {0, 1, 2, 3}) % 2, 0);
}

TEST(Sampler, RepeatPenaltyPushesPromptAndGeneratedTokensDown) {
  SamplingOptions o = greedy();
  o.repeat_penalty = 2;
  const std::vector<TokenId> prompt = {0};
  Sampler sampler(o, 1, prompt);
  EXPECT_EQ(sample_once(sampler, {4, 3, 1, -5}), 1);  // 4/2 < 3
  sampler.accept(1);
  EXPECT_EQ(sample_once(sampler, {4, 3, 1, -5}), 0);        // 2, 1.5, 1
  EXPECT_EQ(sample_once(sampler, {-1, -3, -5, -1.9f}), 3);  // negative logits are multiplied: -2, -6
}

TEST(Sampler, RepeatPenaltyForgetsTokensBeforeTheLastN) {
  SamplingOptions o = greedy();
  o.repeat_penalty = 2;
  o.penalty_last_n = 2;
  const std::vector<TokenId> prompt = {0, 1, 0};  // the window holds 1, 0
  Sampler sampler(o, 1, prompt);
  const Logits logits = {4, 3.5f, 3};
  EXPECT_EQ(sample_once(sampler, logits), 2);
  sampler.accept(2);  // 0, 2
  EXPECT_EQ(sample_once(sampler, logits), 1);
  sampler.accept(2);  // 2, 2
  EXPECT_EQ(sample_once(sampler, logits), 0);
  o.penalty_last_n = 0;
  Sampler off(o, 1, prompt);
  EXPECT_EQ(sample_once(off, logits), 0);
  o.penalty_last_n = -1;
  Sampler all(o, 1, prompt);
  for (int i = 0; i < 100; i++) all.accept(2);
  EXPECT_EQ(sample_once(all, {4, 3.5f, 3, 1.9f}), 0);  // 2, 1.75, 1.5, 1.9: nothing was forgotten
  EXPECT_EQ(sample_once(all, {4, 3.5f, 3, 2.1f}), 3);
}

TEST(Sampler, PresenceAndFrequencyPenaltiesCountGeneratedTokensOnly) {
  const std::vector<TokenId> prompt = {0, 0, 0};
  SamplingOptions presence = greedy();
  presence.presence_penalty = 1;
  Sampler p(presence, 1, prompt);
  EXPECT_EQ(sample_once(p, {2, 1.5f}), 0);
  p.accept(0);
  p.accept(0);
  EXPECT_EQ(sample_once(p, {2, 0.9f}), 0);  // 1 once, however often it came
  EXPECT_EQ(sample_once(p, {2, 1.1f}), 1);
  SamplingOptions frequency = greedy();
  frequency.frequency_penalty = 1;
  Sampler f(frequency, 1, prompt);
  f.accept(0);
  f.accept(0);
  EXPECT_EQ(sample_once(f, {3, 0.9f}), 0);  // 3 - 2
  EXPECT_EQ(sample_once(f, {3, 1.1f}), 1);
}

TEST(Sampler, FailsWhenALogitIsNotFinite) {
  for (float bad : {kInf, -kInf, std::numeric_limits<float>::quiet_NaN()}) {
    Logits logits = {1, 2, bad, 3};
    SamplerScratch scratch;
    const auto token = Sampler(greedy(), 1, {}).sample(logits, scratch);
    ASSERT_FALSE(token.has_value());
    EXPECT_EQ(token.error().code, ErrorCode::corrupt);
    EXPECT_NE(token.error().message.find("token 2"), std::string::npos) << token.error().message;
  }
}

TEST(Sampler, FailsWhenEveryTokenIsForbidden) {
  SamplingOptions o = plain();
  o.logit_bias = {{0, -kInf}};
  const std::vector<TokenId> forbidden = {1};
  Logits logits = {1, 2};
  SamplerScratch scratch;
  const auto token = Sampler(o, 1, {}, forbidden).sample(logits, scratch);
  ASSERT_FALSE(token.has_value());
  EXPECT_EQ(token.error().code, ErrorCode::invalid_argument);
}

TEST(Sampler, SurvivesHugeBiasesAndLogits) {
  SamplingOptions o = plain();
  const float huge = std::numeric_limits<float>::max();
  o.logit_bias = {{0, huge}, {1, -huge}};
  Sampler sampler(o, 1, {});
  EXPECT_EQ(sample_once(sampler, {huge, -huge, 0}), 0);
}

TEST(SamplingOptions, NamesTheFieldThatIsOutOfRange) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const auto message = [](auto change) {
    SamplingOptions o;
    change(o);
    const auto result = validate(o, 100);
    EXPECT_FALSE(result.has_value());
    if (result) return std::string();
    EXPECT_EQ(result.error().code, ErrorCode::invalid_argument);
    return result.error().message.substr(0, result.error().message.find_first_of(": "));
  };
  using O = SamplingOptions;
  EXPECT_EQ(message([](O& o) { o.temperature = -0.1f; }), "temperature");
  EXPECT_EQ(message([&](O& o) { o.temperature = nan; }), "temperature");
  EXPECT_EQ(message([](O& o) { o.temperature = kInf; }), "temperature");
  EXPECT_EQ(message([](O& o) { o.top_k = -1; }), "top_k");
  EXPECT_EQ(message([](O& o) { o.top_p = 0; }), "top_p");
  EXPECT_EQ(message([](O& o) { o.top_p = 1.01f; }), "top_p");
  EXPECT_EQ(message([&](O& o) { o.top_p = nan; }), "top_p");
  EXPECT_EQ(message([](O& o) { o.min_p = -0.5f; }), "min_p");
  EXPECT_EQ(message([](O& o) { o.min_p = 2; }), "min_p");
  EXPECT_EQ(message([](O& o) { o.repeat_penalty = 0; }), "repeat_penalty");
  EXPECT_EQ(message([](O& o) { o.penalty_last_n = -2; }), "penalty_last_n");
  EXPECT_EQ(message([](O& o) { o.presence_penalty = 2.5f; }), "presence_penalty");
  EXPECT_EQ(message([](O& o) { o.frequency_penalty = -3; }), "frequency_penalty");
  EXPECT_EQ(message([](O& o) { o.logit_bias = {{100, 1.0f}}; }), "logit_bias");
  EXPECT_EQ(message([](O& o) { o.logit_bias = {{-1, 1.0f}}; }), "logit_bias");
  EXPECT_EQ(message([&](O& o) { o.logit_bias = {{1, nan}}; }), "logit_bias");
  EXPECT_EQ(message([](O& o) { o.logit_bias = {{1, kInf}}; }), "logit_bias");
}

TEST(SamplingOptions, DefaultsAndBordersAreInRange) {
  SamplingOptions o;
  EXPECT_TRUE(validate(o, 10).has_value());
  o.temperature = 0, o.top_p = 1, o.min_p = 1, o.penalty_last_n = -1;
  o.presence_penalty = -2, o.frequency_penalty = 2, o.logit_bias = {{9, -kInf}};
  EXPECT_TRUE(validate(o, 10).has_value());
  EXPECT_FALSE(validate(SamplingOptions{}, kMaxSampledVocab + 1).has_value());
}

}  // namespace
}  // namespace sambay
