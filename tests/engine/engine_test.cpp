// The engine through its public header, with the model in the repository.
#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/pocket_engine.h"
#include "sambay/sambay.h"

namespace sambay {
namespace {

TEST_F(EngineTest, GoldenPromptsGiveTheirGoldenContinuations) {
  const auto engine = open();
  std::ifstream file(pocket() + "/golden.json");
  const auto golden = nlohmann::json::parse(file, nullptr, false);
  for (const auto& example : golden["cases"]) {
    Request request;
    request.prompt = *engine->tokenizer()->encode(example["prompt"].get<std::string>(), true);
    EXPECT_EQ(request.prompt, example["prompt_ids"].get<std::vector<TokenId>>());
    request.sampling.temperature = 0;
    const Outcome outcome = answer(*engine, request);
    auto expected = example["greedy_ids"].get<std::vector<TokenId>>();
    expected.push_back(example["stop_id"].get<TokenId>());
    EXPECT_EQ(outcome.tokens, expected);
    EXPECT_EQ(outcome.text, example["greedy_text"].get<std::string>());
    EXPECT_EQ(outcome.finish, FinishReason::stop);
    EXPECT_EQ(outcome.usage.completion_tokens, static_cast<int>(expected.size()));
  }
}

TEST_F(EngineTest, TheModelsOwnDefaultsAreGreedy) {
  EXPECT_EQ(open()->default_sampling().temperature, 0.0f);
  EXPECT_EQ(SamplingOptions().temperature, 0.6f);
  EXPECT_EQ(SamplingOptions().top_p, 0.95f);
}

TEST_F(EngineTest, CompanyChunksAndThreadsDoNotChangeAnAnswer) {
  std::vector<std::vector<TokenId>> alone;
  const auto hot = [](const Engine& engine, int i) {
    Request request =
        ask(engine, "What is " + std::to_string(100 + 37 * i) + " + " + std::to_string(250 + i) + "?");
    request.sampling.temperature = 1.5f;
    request.sampling.top_p = 1;
    request.sampling.seed = static_cast<uint64_t>(i);
    request.max_tokens = 40;
    return request;
  };
  {
    const auto engine = open();
    for (int i = 0; i < 6; i++) alone.push_back(answer(*engine, hot(*engine, i)).tokens);
  }
  for (const auto& [sequences, chunk, threads] : {std::array<int, 3>{6, 256, 1}, {3, 5, 2}, {6, 1, 1}}) {
    EngineOptions options;
    options.max_sequences = sequences, options.chunk = chunk, options.threads = threads;
    const auto engine = open(options);
    std::vector<Generation> generations;
    for (int i = 0; i < 6; i++) generations.push_back(*engine->submit(hot(*engine, i)));
    for (size_t i = 0; i < 6; i++)
      EXPECT_EQ(drain(generations[i]).tokens, alone[i]) << sequences << " " << chunk;
  }
}

TEST_F(EngineTest, StopStringsEndTheAnswerAcrossTokenBorders) {
  const auto engine = open();
  const std::string whole = answer(*engine, ask(*engine, "What is 347 + 589?")).text;
  ASSERT_GT(whole.size(), 20u);
  for (size_t at = 3; at + 4 < whole.size(); at += 5) {
    const std::string stop = whole.substr(at, 4);
    Request request = ask(*engine, "What is 347 + 589?");
    request.stop = {"never there", stop};
    const Outcome outcome = answer(*engine, request);
    EXPECT_EQ(outcome.text, whole.substr(0, whole.find(stop))) << stop;
    EXPECT_EQ(outcome.finish, FinishReason::stop);
    EXPECT_EQ(outcome.usage.stop_string, stop);
  }
}

TEST_F(EngineTest, TextHeldBackForAStopStringComesAtTheEnd) {
  const auto engine = open();
  Request request = ask(*engine, "What is 347 + 589?");
  request.max_tokens = 6;
  const std::string whole = answer(*engine, request).text;
  ASSERT_FALSE(whole.empty());
  request.stop = {whole.substr(whole.size() - 2) + " and never this"};
  EXPECT_EQ(answer(*engine, request).text, whole);
}

TEST_F(EngineTest, ACharacterThatStaysIncompleteBecomesAReplacement) {
  const auto engine = open();
  const std::vector<TokenId> half = *engine->tokenizer()->encode("\xe2");
  ASSERT_EQ(half.size(), 1u);
  Request request = ask(*engine, "Hello");
  request.sampling.logit_bias = {{half[0], 1000.0f}};
  request.max_tokens = 2;
  EXPECT_EQ(answer(*engine, request).text, "\uFFFD\uFFFD");
  request.stop = {"\uFFFD\uFFFD"};
  const Outcome stopped = answer(*engine, request);
  EXPECT_EQ(stopped.text, "");
  EXPECT_EQ(stopped.finish, FinishReason::stop);
}

TEST_F(EngineTest, PenaltiesLookAtWhatWasGenerated) {
  const auto engine = open();
  Request request = ask(*engine, "What is 347 + 589?");
  request.sampling.frequency_penalty = 2;
  request.max_tokens = 100;
  request.ignore_eos = true;
  const std::vector<TokenId> penalized = answer(*engine, request).tokens;
  request.sampling.frequency_penalty = 0;
  EXPECT_NE(penalized, answer(*engine, request).tokens);
}

TEST_F(EngineTest, LengthEndsAtMaxTokensAndAtTheContext) {
  EngineOptions options;
  options.max_context = 40;
  const auto engine = open(options);
  Request request = ask(*engine, "What is 347 + 589?");
  request.ignore_eos = true;
  request.max_tokens = 5;
  Outcome outcome = answer(*engine, request);
  EXPECT_EQ(outcome.tokens.size(), 5u);
  EXPECT_EQ(outcome.finish, FinishReason::length);
  EXPECT_FALSE(outcome.usage.context_full);
  request.max_tokens = -1;
  outcome = answer(*engine, request);
  EXPECT_EQ(outcome.tokens.size() + request.prompt.size(), 40u);
  EXPECT_TRUE(outcome.usage.context_full);
  request.max_tokens = 0;
  outcome = answer(*engine, request);
  EXPECT_TRUE(outcome.tokens.empty());
  EXPECT_EQ(outcome.finish, FinishReason::length);
}

TEST_F(EngineTest, AnswersLongerThanTheWindowDoNotDependOnPages) {
  // Several windows of 128: pages drop off and are used again, in one engine by two sequences.
  EngineOptions small;
  small.max_sequences = 2, small.chunk = 7;
  const auto engine = open();
  const auto other = open(small);
  Request request = ask(*engine, "What is 347 + 589?");
  request.ignore_eos = true;
  request.max_tokens = 700;
  auto beside = other->submit(request);
  EXPECT_EQ(answer(*engine, request).tokens, answer(*other, request).tokens);
  EXPECT_EQ(drain(*beside).tokens.size(), 700u);
}

TEST_F(EngineTest, EqualSeedsGiveEqualAnswersAndAnUnsetSeedIsReported) {
  const auto engine = open();
  Request request = ask(*engine, "Hello");
  request.sampling.temperature = 20;  // the small model is sure of its answers
  request.sampling.top_p = 1;
  request.max_tokens = 30;
  const Outcome first = answer(*engine, request);
  request.sampling.seed = first.usage.seed;
  EXPECT_EQ(answer(*engine, request).tokens, first.tokens);
  request.sampling.seed = first.usage.seed + 1;
  EXPECT_NE(answer(*engine, request).tokens, first.tokens);
}

TEST_F(EngineTest, CancellingOneLeavesTheOthersUnchangedAndFreesItsPlace) {
  EngineOptions options;
  options.max_sequences = 2;
  const auto engine = open(options);
  const std::vector<TokenId> expected = answer(*engine, ask(*engine, "What is 12 + 30?")).tokens;
  for (int round = 0; round < 5; round++) {
    Request endless = ask(*engine, "What is 347 + 589?");
    endless.ignore_eos = true;
    Generation cancelled = *engine->submit(endless);
    Generation dropped = *engine->submit(endless);
    {
      const Generation gone = std::move(dropped);
    }
    Generation kept = *engine->submit(ask(*engine, "What is 12 + 30?"));
    cancelled.next();
    cancelled.cancel();
    EXPECT_EQ(drain(cancelled).finish, FinishReason::cancelled);
    EXPECT_EQ(drain(kept).tokens, expected);
  }
}

TEST_F(EngineTest, ClosingTheEngineEndsWhatRuns) {
  auto engine = open();
  Request endless = ask(*engine, "What is 347 + 589?");
  endless.ignore_eos = true;
  Generation generation = *engine->submit(endless);
  generation.next();
  engine.reset();
  EXPECT_EQ(drain(generation).finish, FinishReason::cancelled);
}

TEST_F(EngineTest, AFullQueueRefuses) {
  EngineOptions options;
  options.max_sequences = 1, options.max_queue = 1;
  const auto engine = open(options);
  Request endless = ask(*engine, "What is 347 + 589?");
  endless.ignore_eos = true;
  std::vector<Generation> accepted;
  bool refused = false;
  for (int i = 0; i < 5 && !refused; i++) {
    auto generation = engine->submit(endless);
    refused = !generation;
    if (generation) {
      accepted.push_back(*std::move(generation));
    } else {
      EXPECT_EQ(generation.error().code, ErrorCode::busy);
    }
  }
  EXPECT_TRUE(refused);
  EXPECT_LE(accepted.size(), 3u);
}

TEST_F(EngineTest, AFreedPlaceCanBeTakenAtOnce) {
  EngineOptions options;
  options.max_sequences = 1, options.max_queue = 0;
  const auto engine = open(options);
  Request request = ask(*engine, "What is 1 + 1?");
  request.max_tokens = 1;
  for (int i = 0; i < 300; i++) {
    auto generation = engine->submit(request);
    ASSERT_TRUE(generation) << generation.error().message;
    EXPECT_EQ(drain(*generation).finish, FinishReason::length);
  }
}

TEST_F(EngineTest, LogitBiasForbiddingEveryTokenFailsThatRequestOnly) {
  const auto engine = open();
  Request hopeless = ask(*engine, "What is 12 + 30?");
  for (TokenId id = 0; id < engine->info().vocab; id++)
    hopeless.sampling.logit_bias.emplace_back(id, -std::numeric_limits<float>::infinity());
  Generation failing = *engine->submit(hopeless);
  Generation good = *engine->submit(ask(*engine, "What is 12 + 30?"));
  const auto last = failing.next();
  ASSERT_TRUE(last && last->finish && last->error);
  EXPECT_EQ(*last->finish, FinishReason::failed);
  EXPECT_NE(last->error->message.find("forbidden"), std::string::npos) << last->error->message;
  EXPECT_FALSE(failing.next());
  EXPECT_TRUE(drain(good).text.ends_with("42"));
}

TEST_F(EngineTest, ImpossibleRequestsAreRefusedWithTheNameOfTheField) {
  const auto engine = open();
  const int vocab = engine->info().vocab, context = engine->info().max_context;
  const Request good = ask(*engine, "What is 1 + 1?");
  Request bad = good;
  bad.prompt.clear();
  refuses(*engine, bad, "prompt");
  bad = good, bad.prompt.push_back(vocab);
  refuses(*engine, bad, std::to_string(vocab));
  bad = good, bad.prompt[0] = -1;
  refuses(*engine, bad, "-1");
  bad = good, bad.prompt.resize(static_cast<size_t>(context), 5);
  refuses(*engine, bad, std::to_string(context));
  bad = good, bad.sampling.temperature = -1;
  refuses(*engine, bad, "temperature");
  bad = good, bad.sampling.logit_bias = {{5000, 1.0f}};
  refuses(*engine, bad, "5000");
  bad = good, bad.stop = {""};
  refuses(*engine, bad, "stop");
  bad = good, bad.stop = {"\xa9"};
  refuses(*engine, bad, "UTF-8");
  bad = good, bad.stop = std::vector<std::string>(65, "x");
  refuses(*engine, bad, "65");
  bad = good, bad.max_tokens = -2;
  refuses(*engine, bad, "max_tokens");
}

TEST_F(EngineTest, ImpossibleOptionsAreRefused) {
  const auto code_of = [](EngineOptions options) {
    if (options.model.empty()) options.model = pocket();
    const auto engine = Engine::open(options);
    return engine ? ErrorCode::internal : engine.error().code;
  };
  EngineOptions o;
  o.max_context = (1 << 30) + 1;
  EXPECT_EQ(code_of(o), ErrorCode::invalid_argument);
  o = {}, o.threads = -1;
  EXPECT_EQ(code_of(o), ErrorCode::invalid_argument);
  o = {}, o.chunk = 0;
  EXPECT_EQ(code_of(o), ErrorCode::invalid_argument);
  o = {}, o.isa = "mmx";
  EXPECT_EQ(code_of(o), ErrorCode::invalid_argument);
  o = {}, o.chat_template = "unheard of";
  EXPECT_EQ(code_of(o), ErrorCode::invalid_argument);
  o = {}, o.max_sequences = 0;
  EXPECT_EQ(code_of(o), ErrorCode::invalid_argument);
  o = {}, o.model = pocket() + "/nothing";
  EXPECT_EQ(code_of(o), ErrorCode::not_found);
}

TEST_F(EngineTest, AMemoryLimitIsObeyedOrRefusedWithAdvice) {
  EngineOptions options;
  options.model = pocket();
  options.threads = 1;
  options.max_sequences = 64;
  options.memory_limit = 64 << 20;
  const auto refused = Engine::open(options);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::out_of_memory);
  for (const char* part : {"--memory 64.0 MiB: needs ", "; fits with -c ", "--parallel "})
    EXPECT_NE(refused.error().message.find(part), std::string::npos) << refused.error().message;
  options.max_sequences = 2;
  EXPECT_TRUE(Engine::open(options));
  options.memory_limit = -1;
  EXPECT_EQ(Engine::open(options).error().code, ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace sambay
