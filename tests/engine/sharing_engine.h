// What tests of many requests at once have in common.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/pocket_engine.h"

namespace sambay {

inline constexpr int64_t kMiB = int64_t{1} << 20;

/// The answers of a request by index.
inline std::vector<Outcome> drain_all(Generation& generation, int n) {
  std::vector<Outcome> outcomes(static_cast<size_t>(n));
  while (auto event = generation.next()) {
    Outcome& o = outcomes.at(static_cast<size_t>(event->index));
    o.tokens.insert(o.tokens.end(), event->tokens.begin(), event->tokens.end());
    o.text += event->text;
    if (event->finish) o.finish = *event->finish;
    o.usage = event->usage;
  }
  return outcomes;
}

class SharingTest : public EngineTest {
 protected:
  /// A request whose answer depends on every bit of the logits.
  static Request hot(const Engine& engine, int i, int max_tokens = 24) {
    Request request =
        ask(engine, "Add " + std::to_string(100 + 37 * i) + " and " + std::to_string(251 + i) + ", please.");
    request.sampling.temperature = 1.5f;
    request.sampling.top_p = 1;
    request.sampling.seed = static_cast<uint64_t>(i);
    request.max_tokens = max_tokens;
    request.ignore_eos = true;
    return request;
  }
  /// `length` tokens that are like no others.
  static std::vector<TokenId> long_prompt(int length, TokenId salt) {
    std::vector<TokenId> tokens(static_cast<size_t>(length));
    for (size_t i = 0; i < tokens.size(); i++)
      tokens[i] = static_cast<TokenId>((i * 31 + static_cast<size_t>(salt) * 7919 + i * i % 977) % 2000);
    return tokens;
  }
  static Request about(std::vector<TokenId> prompt, int max_tokens = 8) {
    Request request;
    request.prompt = std::move(prompt);
    request.sampling.temperature = 1.5f;
    request.sampling.seed = 5;
    request.max_tokens = max_tokens;
    request.ignore_eos = true;
    return request;
  }
  static EngineOptions with_cache(int64_t bytes = 64 * kMiB) {
    EngineOptions options;
    options.prefix_cache_bytes = bytes;
    return options;
  }
};

}  // namespace sambay
