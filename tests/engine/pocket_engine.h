// An engine with the model in the repository, and what a test asks of it.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sambay/sambay.h"

namespace sambay {

inline std::string pocket() { return std::string(SAMBAY_SOURCE_DIR) + "/models/pocket"; }

struct Outcome {
  std::vector<TokenId> tokens;
  std::string text;
  FinishReason finish = FinishReason::failed;
  Usage usage;
};

inline Outcome drain(Generation& generation) {
  Outcome outcome;
  while (auto event = generation.next()) {
    outcome.tokens.insert(outcome.tokens.end(), event->tokens.begin(), event->tokens.end());
    outcome.text += event->text;
    if (event->finish) outcome.finish = *event->finish;
    outcome.usage = event->usage;
  }
  EXPECT_FALSE(generation.next()) << "something came after the last event";
  return outcome;
}

class EngineTest : public ::testing::Test {
 protected:
  static std::unique_ptr<Engine> open(EngineOptions options = {}) {
    options.model = pocket();
    if (options.threads == 0) options.threads = 1;
    auto engine = Engine::open(options);
    EXPECT_TRUE(engine) << engine.error().message;
    return *std::move(engine);
  }
  static Request ask(const Engine& engine, const std::string& question) {
    Request request;
    const ChatMessage message{"user", question};
    request.prompt = *engine.chat_template()->encode(*engine.tokenizer(), {&message, 1});
    request.sampling = engine.default_sampling();
    return request;
  }
  static Outcome answer(Engine& engine, Request request) {
    auto generation = engine.submit(std::move(request));
    EXPECT_TRUE(generation) << generation.error().message;
    return drain(*generation);
  }
  static void refuses(Engine& engine, const Request& request, std::string_view part) {
    auto generation = engine.submit(request);
    ASSERT_FALSE(generation) << part;
    EXPECT_EQ(generation.error().code, ErrorCode::invalid_argument);
    EXPECT_NE(generation.error().message.find(part), std::string::npos) << generation.error().message;
  }
};

}  // namespace sambay
