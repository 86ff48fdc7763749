// Many requests at once: the same bits in any company, the prefix cache, several answers, parking, places.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "engine/pocket_engine.h"
#include "sambay/sambay.h"
#include "support/temp_folder.h"

namespace sambay {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

/// The answers of a request by index.
std::vector<Outcome> drain_all(Generation& generation, int n) {
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

TEST_F(SharingTest, SameBitsAloneInBatchesInAnyChunksWithAndWithoutCache) {
  constexpr int kCases = 16;
  std::vector<std::vector<TokenId>> alone;
  {
    const auto engine = open();
    for (int i = 0; i < kCases; i++) alone.push_back(answer(*engine, hot(*engine, i)).tokens);
  }
  for (const int chunk : {1, 7, 64, 512})
    for (const int64_t cache : {int64_t{0}, 16 * kMiB}) {
      EngineOptions options;
      options.max_sequences = kCases, options.chunk = chunk, options.prefix_cache_bytes = cache;
      const auto engine = open(options);
      for (int round = 0; round < (cache ? 2 : 1); round++) {  // the second time from the cache
        std::vector<Generation> generations;
        for (int i = 0; i < kCases; i++) generations.push_back(*engine->submit(hot(*engine, i)));
        for (int i = 0; i < kCases; i++) {
          const Outcome o = drain(generations[static_cast<size_t>(i)]);
          EXPECT_EQ(o.tokens, alone[static_cast<size_t>(i)]) << chunk << " " << cache << " " << i;
          EXPECT_EQ(o.usage.cached_tokens > 0, round == 1) << chunk << " " << i;
        }
      }
    }
}

TEST_F(SharingTest, AnswersByForkingAreThoseOfRequestsOfTheirOwn) {
  for (const int64_t cache : {int64_t{0}, 16 * kMiB}) {
    EngineOptions options = with_cache(cache);
    options.max_sequences = 5;
    const auto engine = open(options);
    std::vector<std::vector<TokenId>> alone;
    for (int i = 0; i < 5; i++) {
      Request request =
          hot(*engine, 3, 120);  // with the prompt more than a window of 128, from a page that is begun
      request.sampling.seed = 100 + static_cast<uint64_t>(i);
      request.use_cache = false;
      alone.push_back(answer(*engine, request).tokens);
    }
    for (int round = 0; round < 2; round++) {
      Request request = hot(*engine, 3, 120);
      request.sampling.seed = 100;
      request.n = 5;
      Generation generation = *engine->submit(request);
      const std::vector<Outcome> outcomes = drain_all(generation, 5);
      for (size_t i = 0; i < 5; i++) {
        EXPECT_EQ(outcomes[i].tokens, alone[i]) << i;
        EXPECT_EQ(outcomes[i].usage.seed, 100 + i);
        EXPECT_EQ(outcomes[i].finish, FinishReason::length);
        EXPECT_EQ(outcomes[i].usage.cached_tokens, cache && round ? outcomes[i].usage.prompt_tokens : 0);
      }
      EXPECT_TRUE(generation.done());
    }
    EXPECT_EQ(engine->stats().running, 0) << "at once";
  }
}

TEST_F(SharingTest, CancellingSeveralAnswersEndsAllOfThem) {
  const auto engine = open();
  Request request = ask(*engine, "What is 1 + 1?");
  request.n = 3;
  request.ignore_eos = true;
  Generation generation = *engine->submit(request);
  generation.next();
  generation.cancel();
  for (const Outcome& o : drain_all(generation, 3)) EXPECT_EQ(o.finish, FinishReason::cancelled);
  request.n = 9;
  refuses(*engine, request, "n is 9");
}

TEST_F(SharingTest, TheSecondTurnReadsOnlyWhatComesAfterTheFirstPrompt) {
  const auto engine = open(with_cache());
  const std::vector<ChatMessage> first = {{"system", "You are a careful assistant who calculates."},
                                          {"user", "What is 347 + 589?"}};
  Request request;
  request.prompt = *engine->chat_template()->encode(*engine->tokenizer(), first);
  request.sampling.temperature = 0;
  request.max_tokens = 40;
  const Outcome one = answer(*engine, request);
  EXPECT_EQ(one.usage.cache, CacheResult::first_seen);
  // Clients drop the thinking.
  std::vector<ChatMessage> second = first;
  second.push_back({"assistant", "936"});
  second.push_back({"user", "And with 10 more?"});
  const auto cached_part = static_cast<int>(request.prompt.size());
  request.prompt = *engine->chat_template()->encode(*engine->tokenizer(), second);
  const Outcome two = answer(*engine, request);
  EXPECT_EQ(two.usage.cache, CacheResult::hit);
  EXPECT_EQ(two.usage.cached_tokens, cached_part);
  request.use_cache = false;
  EXPECT_EQ(answer(*engine, request).tokens, two.tokens);
  const Stats stats = engine->stats();
  EXPECT_EQ(stats.cached_tokens, static_cast<uint64_t>(cached_part));
  EXPECT_EQ(stats.cache_lookups[static_cast<size_t>(CacheResult::hit)], 1u);
  EXPECT_EQ(stats.cache_lookups[static_cast<size_t>(CacheResult::off)], 1u);
}

TEST_F(SharingTest, TheThirdPromptWithACommonBeginningFindsIt) {
  const auto engine = open(with_cache());
  std::vector<TokenId> common = long_prompt(300, 1);
  const auto with = [&](TokenId last) {
    std::vector<TokenId> prompt = common;
    for (TokenId i = 0; i < 40; i++) prompt.push_back((last * 41 + i) % 2000);
    return about(prompt);
  };
  EXPECT_EQ(answer(*engine, with(1)).usage.cache, CacheResult::first_seen);
  const Outcome second = answer(*engine, with(2));
  EXPECT_EQ(second.usage.cache, CacheResult::diverged);
  EXPECT_EQ(second.usage.shared_tokens, 300);
  const Outcome third = answer(*engine, with(3));
  EXPECT_EQ(third.usage.cached_tokens, 300);
  Request marked = about(long_prompt(200, 9));
  marked.cache_marks = {100};
  answer(*engine, marked);
  marked.prompt.resize(100);
  marked.prompt.push_back(3);
  marked.cache_marks.clear();
  EXPECT_EQ(answer(*engine, marked).usage.cached_tokens, 100) << "the first one to follow finds a mark";
  Request plain = with(3);
  plain.use_cache = false;
  EXPECT_EQ(answer(*engine, plain).tokens, third.tokens);
}

TEST_F(SharingTest, LongPromptsAreFoundByTheirParts) {
  const auto engine = open(with_cache());
  std::vector<TokenId> prompt = long_prompt(3000, 4);
  answer(*engine, about(prompt, 1));
  prompt.resize(2500);
  const Outcome found = answer(*engine, about(prompt));
  EXPECT_EQ(found.usage.cached_tokens, 2048);
  Request cold = about(prompt);
  cold.use_cache = false;
  EXPECT_EQ(answer(*engine, cold).tokens, found.tokens);
}

TEST_F(SharingTest, KeysFindOnlyTheirOwnUnlessToldOtherwise) {
  for (const bool share : {false, true}) {
    EngineOptions options = with_cache();
    options.share_prefix_cache = share;
    const auto engine = open(options);
    Request request = about(long_prompt(100, 2));
    request.key = "anna";
    answer(*engine, request);
    EXPECT_EQ(answer(*engine, request).usage.cached_tokens, 100);
    request.key = "berta";
    EXPECT_EQ(answer(*engine, request).usage.cached_tokens, share ? 100 : 0);
  }
}

TEST_F(SharingTest, EvictedBeginningsAreCountedAsSuchAndComeBackFromDisk) {
  const test::TempFolder folder;
  for (const bool spill : {false, true}) {
    EngineOptions options = with_cache(2 * kMiB);
    if (spill) options.spill_folder = folder.path(), options.spill_bytes = 256 * kMiB;
    const auto engine = open(options);
    const Outcome before = answer(*engine, about(long_prompt(100, 1)));
    for (TokenId i = 2; i < 14; i++) answer(*engine, about(long_prompt(100, i), 1));
    const Outcome after = answer(*engine, about(long_prompt(100, 1)));
    EXPECT_EQ(after.tokens, before.tokens);
    EXPECT_EQ(after.usage.cache, spill ? CacheResult::hit : CacheResult::evicted);
    const Stats stats = engine->stats();
    EXPECT_LE(stats.cache_bytes, stats.cache_bytes_limit);
    EXPECT_GT(stats.cache_evicted, 0u);
    EXPECT_EQ(stats.cache_reloaded, spill ? 1u : 0u);
  }
}

TEST_F(SharingTest, ACancelledPromptGoesOnWhereItWas) {
  EngineOptions options = with_cache();
  options.chunk = 8;
  const auto engine = open(options);
  Request request = about(long_prompt(800, 6));
  request.report_progress = true;
  Generation generation = *engine->submit(request);
  const auto progress = generation.next();
  ASSERT_TRUE(progress);
  EXPECT_GT(progress->prompt_done, 0);
  EXPECT_LT(progress->prompt_done, 800);
  generation.cancel();
  EXPECT_EQ(drain(generation).finish, FinishReason::cancelled);
  const Outcome again = answer(*engine, request);
  EXPECT_GT(again.usage.cached_tokens, 0);
  request.use_cache = false;
  EXPECT_EQ(answer(*engine, request).tokens, again.tokens);
}

TEST_F(SharingTest, UnderMemoryPressureSequencesAreParkedAndComeBackBitForBit) {
  const test::TempFolder folder;
  std::vector<std::vector<TokenId>> alone;
  {
    const auto engine = open();
    for (int i = 0; i < 4; i++) alone.push_back(answer(*engine, hot(*engine, i, 300)).tokens);
  }
  EngineOptions options;
  options.max_sequences = 4, options.max_context = 400;
  options.total_context = 600;  // four grow to more than 310 tokens each
  options.spill_folder = folder.path();
  const auto engine = open(options);
  std::vector<Generation> generations;
  for (int i = 0; i < 4; i++) generations.push_back(*engine->submit(hot(*engine, i, 300)));
  for (int i = 0; i < 4; i++) {
    const Outcome o = drain(generations[static_cast<size_t>(i)]);
    EXPECT_EQ(o.finish, FinishReason::length);
    EXPECT_EQ(o.tokens, alone[static_cast<size_t>(i)]) << i;
  }
  const Stats stats = engine->stats();
  EXPECT_GT(stats.parked, 0u);
  EXPECT_EQ(stats.parked, stats.unparked);
  EXPECT_TRUE(folder.names().empty());
}

TEST_F(SharingTest, WhereNothingCanBeParkedOnlyTheOneThatHadToGoFails) {
  test::TempFolder folder;
  EngineOptions options;
  options.max_sequences = 4, options.max_context = 400, options.total_context = 400;
  options.spill_folder = folder.file("gone");
  std::filesystem::create_directory(options.spill_folder);
  const auto engine = open(options);
  std::filesystem::remove(options.spill_folder);
  std::vector<Generation> generations;
  for (int i = 0; i < 4; i++) generations.push_back(*engine->submit(hot(*engine, i, 300)));
  int finished = 0, failed = 0;
  for (auto& generation : generations) {
    const Outcome o = drain(generation);
    finished += o.finish == FinishReason::length, failed += o.finish == FinishReason::failed;
  }
  EXPECT_GT(finished, 0);
  EXPECT_GT(failed, 0);
  EXPECT_EQ(finished + failed, 4);
}

TEST_F(SharingTest, ADeadlineEndsTheAnswerAsItIs) {
  EngineOptions options;
  options.max_sequences = 1;
  const auto engine = open(options);
  Request endless = ask(*engine, "What is 347 + 589?");
  endless.ignore_eos = true;
  Request timed = endless;
  timed.deadline_ms = 1;
  Generation running = *engine->submit(endless);
  const Outcome waited = answer(*engine, timed);
  EXPECT_EQ(waited.finish, FinishReason::deadline) << "while it waited";
  EXPECT_TRUE(waited.tokens.empty());
  running.cancel();
  drain(running);
  timed.deadline_ms = 300;
  const Outcome ended = answer(*engine, timed);
  EXPECT_EQ(ended.finish, FinishReason::deadline);
  EXPECT_FALSE(ended.text.empty());
}

TEST_F(SharingTest, APriorityStartsBeforeWhatWaitedLonger) {
  EngineOptions options;
  options.max_sequences = 1;
  const auto engine = open(options);
  Request request = ask(*engine, "What is 1 + 1?");
  request.ignore_eos = true;
  Generation running = *engine->submit(request);
  request.max_tokens = 2;
  Generation patient = *engine->submit(request);
  request.priority = 5;
  Generation urgent = *engine->submit(request);
  running.cancel();
  drain(running);
  const Outcome a = drain(patient), b = drain(urgent);
  EXPECT_GT(a.usage.queue_ms, b.usage.queue_ms);
}

TEST_F(SharingTest, LogProbabilitiesAreTheModelsOwnWhateverIsSampled) {
  const auto engine = open();
  Request request = ask(*engine, "What is 12 + 30?");
  request.max_tokens = 12;
  request.top_logprobs = 3;
  std::vector<TokenLogprobs> greedy, biased;
  const auto collect = [&](Request r, std::vector<TokenLogprobs>& out, std::vector<TokenLogprobs>& prompt) {
    Generation generation = *engine->submit(std::move(r));
    size_t tokens = 0;
    while (auto event = generation.next()) {
      tokens += event->tokens.size();
      out.insert(out.end(), event->logprobs.begin(), event->logprobs.end());
      prompt.insert(prompt.end(), event->prompt_logprobs.begin(), event->prompt_logprobs.end());
    }
    EXPECT_EQ(out.size(), tokens);
  };
  std::vector<TokenLogprobs> prompt, none;
  collect(request, greedy, none);
  EXPECT_TRUE(none.empty());
  for (const TokenLogprobs& p : greedy) {
    ASSERT_EQ(p.top.size(), 3u);
    EXPECT_EQ(p.token.id, p.top[0].id) << "greedy takes the likeliest";
    EXPECT_EQ(p.token.logprob, p.top[0].logprob);
    EXPECT_LE(p.token.logprob, 0.0f);
    EXPECT_GE(p.top[0].logprob, p.top[1].logprob);
  }
  request.sampling.logit_bias = {{greedy[0].token.id, -100.0f}};
  collect(request, biased, none);
  EXPECT_EQ(biased[0].top[0].id, greedy[0].token.id) << "bias comes after";
  EXPECT_NE(biased[0].token.id, greedy[0].token.id);

  // The prompt's own: what it would be told if it were generated.
  request.sampling.logit_bias.clear();
  const size_t prompt_size = request.prompt.size();
  for (size_t i = 0; i < 5; i++) request.prompt.push_back(greedy[i].token.id);
  request.prompt_logprobs = true;
  std::vector<TokenLogprobs> rest;
  collect(request, rest, prompt);
  ASSERT_EQ(prompt.size(), prompt_size + 4);
  for (size_t i = 0; i < 5; i++) {
    EXPECT_EQ(prompt[prompt_size - 1 + i].token.id, greedy[i].token.id);
    EXPECT_EQ(prompt[prompt_size - 1 + i].token.logprob, greedy[i].token.logprob);
  }
  EXPECT_EQ(rest[0].token.logprob, greedy[5].token.logprob);
}

TEST_F(SharingTest, EmbeddingsHaveUnitLengthAndDoNotDependOnChunksOrCompany) {
  std::vector<float> expected;
  const std::vector<TokenId> tokens = long_prompt(200, 3);
  for (const int chunk : {512, 7, 1}) {
    EngineOptions options;
    options.chunk = chunk;
    const auto engine = open(options);
    Generation beside = *engine->submit(hot(*engine, 1, 100));
    const auto embedding = engine->embed(tokens);
    ASSERT_TRUE(embedding) << embedding.error().message;
    EXPECT_EQ(embedding->size(), static_cast<size_t>(engine->info().hidden));
    double length = 0;
    for (const float x : *embedding) length += static_cast<double>(x) * static_cast<double>(x);
    EXPECT_NEAR(length, 1.0, 1e-5);  // hidden roundings of 2^-24 each
    if (expected.empty()) expected = *embedding;
    EXPECT_EQ(*embedding, expected) << chunk;
    EXPECT_EQ(drain(beside).tokens.size(), 100u);
    EXPECT_EQ(engine->embed({}).error().code, ErrorCode::invalid_argument);
    EXPECT_TRUE(
        engine->embed(std::vector<TokenId>(static_cast<size_t>(engine->info().max_context) - 4000, 7)));
  }
}

TEST_F(SharingTest, AThinkingBudgetClosesTheSectionAndTheAnswerFollows) {
  const auto engine = open();
  Request request = ask(*engine, "What is 347 + 589?");
  const Outcome free = answer(*engine, request);
  EXPECT_GT(free.usage.reasoning_tokens, 10);
  EXPECT_LT(free.usage.reasoning_tokens, free.usage.completion_tokens);
  EXPECT_FALSE(free.usage.thinking_cut);
  request.thinking_budget = 8;
  const Outcome cut = answer(*engine, request);
  EXPECT_TRUE(cut.usage.thinking_cut);
  EXPECT_LE(cut.usage.reasoning_tokens, 9) << "the budget and the mark that closes";
  EXPECT_NE(cut.text.find("</think>"), std::string::npos);
  EXPECT_EQ(cut.finish, FinishReason::stop);
}

TEST_F(SharingTest, APlaceIsSavedRestoredAndGoesOnBitForBit) {
  const test::TempFolder folder;
  const std::string file = folder.file("conversation");
  Request request;
  std::vector<TokenId> first, both;
  SlotFile saved;
  {
    const auto engine = open(with_cache());
    request = hot(*engine, 2, 200);
    request.slot = 3;
    first = answer(*engine, request).tokens;
    const auto slots = engine->slots();
    ASSERT_EQ(slots.size(), 8u);
    EXPECT_EQ(slots[3].generated, 200);
    EXPECT_FALSE(slots[3].is_processing);
    EXPECT_EQ(engine->save_slot(2, file).error().code, ErrorCode::not_found);
    EXPECT_EQ(engine->save_slot(8, file).error().code, ErrorCode::invalid_argument);
    const auto result = engine->save_slot(3, file);
    ASSERT_TRUE(result) << result.error().message;
    saved = *result;
    EXPECT_EQ(saved.tokens, static_cast<int>(request.prompt.size()) + 199)
        << "the last one is not processed yet";
    request.prompt.insert(request.prompt.end(), first.begin(), first.end());
    request.use_cache = false;
    both = answer(*engine, request).tokens;
    EXPECT_GT(engine->erase_slot(3).value_or(-1), -1);
  }
  const auto engine = open(with_cache());
  request.use_cache = true;
  const auto restored = engine->restore_slot(0, file);
  ASSERT_TRUE(restored) << restored.error().message;
  EXPECT_EQ(restored->tokens, saved.tokens);
  EXPECT_EQ(restored->bytes, saved.bytes);
  EXPECT_EQ(engine->slots()[0].remembered, saved.tokens);
  const Outcome again = answer(*engine, request);
  EXPECT_EQ(again.usage.cached_tokens, saved.tokens);
  EXPECT_EQ(again.tokens, both);
  EXPECT_EQ(open()->restore_slot(0, file).error().code, ErrorCode::out_of_memory) << "no prefix cache";
  EngineOptions other = with_cache();
  other.kv = KvType::f32;
  EXPECT_EQ(open(other)->restore_slot(0, file).error().code, ErrorCode::unsupported);
  EXPECT_EQ(engine->restore_slot(0, folder.file("nothing")).error().code, ErrorCode::not_found);
}

TEST_F(SharingTest, AReaderThatIsTold) {
  const auto engine = open();
  std::atomic<int> calls = 0;
  Request request = ask(*engine, "What is 12 + 30?");
  request.on_ready = [&calls] {
    calls++;
    calls.notify_one();
  };
  Generation generation = *engine->submit(request);
  std::string text;
  int seen = 0;
  while (!generation.done()) {
    calls.wait(seen);
    seen = calls;
    while (auto event = generation.poll()) text += event->text;
  }
  EXPECT_TRUE(text.ends_with("42")) << text;
  EXPECT_FALSE(generation.poll());
  EXPECT_FALSE(generation.next());
}

TEST_F(SharingTest, SeveralPromptsAreTakenTogetherOrNotAtAll) {
  EngineOptions options;
  options.max_sequences = 1, options.max_queue = 2;
  const auto engine = open(options);
  std::vector<Request> requests(3, hot(*engine, 1, 3));
  auto taken = engine->submit(requests);
  ASSERT_TRUE(taken) << taken.error().message;
  for (auto& generation : *taken) EXPECT_EQ(drain(generation).tokens.size(), 3u);
  requests.resize(4, requests[0]);
  EXPECT_EQ(engine->submit(requests).error().code, ErrorCode::busy);
  requests.resize(2);
  requests[1].prompt.clear();
  const auto refused = engine->submit(requests);
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().message.starts_with("request 1: prompt")) << refused.error().message;
  EXPECT_EQ(engine->stats().refused, 4u);
  EXPECT_EQ(engine->stats().requests, 3u);
}

}  // namespace
}  // namespace sambay
