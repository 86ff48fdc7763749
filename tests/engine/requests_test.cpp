// What a request may ask for: deadlines, priorities, log probabilities, embeddings, thinking budgets, places.
#include <gtest/gtest.h>
#include <xxhash.h>

#include <atomic>
#include <cstring>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "engine/sharing_engine.h"
#include "support/temp_folder.h"

namespace sambay {
namespace {

using RequestsTest = SharingTest;

TEST_F(RequestsTest, ADeadlineEndsTheAnswerAsItIs) {
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

TEST_F(RequestsTest, ACancelledRequestGetsNoFurtherStepAndItsNeighboursTextIsUnchanged) {
  EngineOptions options;
  options.max_sequences = 2;
  options.chunk = 16;
  const auto engine = open(options);
  Request lasting = ask(*engine, "What is 347 + 589?");
  lasting.ignore_eos = true;
  lasting.max_tokens = 150;
  lasting.sampling.seed = 3;
  const std::vector<TokenId> alone = answer(*engine, lasting).tokens;
  std::string question;
  for (int i = 0; i < 20; i++) question += "What is 12 + 30? ";
  for (const bool while_reading : {true, false}) {
    Generation kept = *engine->submit(lasting);
    Event neighbour = *kept.next();  // its prompt is read: all rows of a chunk are for the other one
    ASSERT_FALSE(neighbour.tokens.empty());
    Request leaving = ask(*engine, question);
    leaving.ignore_eos = true;
    leaving.report_progress = while_reading;
    // Cancelled by the engine's own thread, after the step that made the first event.
    std::atomic<Generation*> handle = nullptr;
    leaving.on_ready = [&] {
      while (!handle) std::this_thread::yield();
      handle.load()->cancel();
    };
    ASSERT_GT(leaving.prompt.size(), 100u);
    Generation gone = *engine->submit(leaving);
    handle = &gone;
    int prompt_done = 0;
    size_t tokens = 0;
    while (auto event = gone.next()) {
      prompt_done = std::max(prompt_done, event->prompt_done);
      tokens += event->tokens.size();
      if (event->finish) {
        EXPECT_EQ(*event->finish, FinishReason::cancelled);
      }
    }
    EXPECT_EQ(tokens, while_reading ? 0u : 1u);
    if (while_reading) {
      EXPECT_EQ(prompt_done, options.chunk);
    }
    const std::vector<TokenId> rest = drain(kept).tokens;
    std::vector<TokenId> all = neighbour.tokens;
    all.insert(all.end(), rest.begin(), rest.end());
    EXPECT_EQ(all, alone);
  }
}

TEST_F(RequestsTest, APriorityStartsBeforeWhatWaitedLonger) {
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

TEST_F(RequestsTest, LogProbabilitiesAreTheModelsOwnWhateverIsSampled) {
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

TEST_F(RequestsTest, EmbeddingsHaveUnitLengthAndDoNotDependOnChunksOrCompany) {
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

TEST_F(RequestsTest, AThinkingBudgetClosesTheSectionAndTheAnswerFollows) {
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

TEST_F(RequestsTest, WhatIsErasedIsReadAgain) {
  const auto engine = open(with_cache());
  Request request = hot(*engine, 2, 5);
  request.slot = 3;
  const auto cached = [&](const Request& r) { return answer(*engine, r).usage.cached_tokens; };
  const auto size = static_cast<int>(request.prompt.size());
  EXPECT_EQ(cached(request), 0);
  EXPECT_EQ(cached(request), size);
  EXPECT_EQ(engine->erase_slot(3).value_or(-1), size + 4) << "the last token is not processed yet";
  EXPECT_EQ(engine->erase_slot(3).value_or(-1), 0);
  EXPECT_EQ(cached(request), 0);
  Request other = hot(*engine, 2, 5);
  other.slot = 4;
  other.prompt.push_back(other.prompt.front());
  EXPECT_EQ(cached(other), size) << "what was kept after that is found";
}

TEST_F(RequestsTest, AConversationGoesOnInItsPlaceAndOthersTakeTheOneUsedLongestAgo) {
  EngineOptions options = with_cache();
  options.max_sequences = 2;
  const auto engine = open(options);
  const auto place_of = [&](std::vector<TokenId> prompt) {
    const int place = answer(*engine, about(std::move(prompt), 2)).usage.slot;
    EXPECT_GT(engine->slots()[static_cast<size_t>(place)].remembered, 0) << "at once";
    return place;
  };
  const std::vector<TokenId> first = long_prompt(100, 1);
  EXPECT_EQ(place_of(first), 0);
  EXPECT_EQ(place_of(long_prompt(100, 2)), 1);
  std::vector<TokenId> longer = first;
  longer.insert(longer.end(), 20, 7);
  EXPECT_EQ(place_of(longer), 0);
  EXPECT_EQ(place_of(long_prompt(100, 3)), 1) << "used before the other one";
  EXPECT_EQ(place_of(long_prompt(100, 4)), 0);
  Request wish = about(long_prompt(100, 3), 2);
  wish.slot = 0;
  EXPECT_EQ(answer(*engine, wish).usage.slot, 0);
  std::vector<TokenId> brief = long_prompt(10, 5);
  const int place = place_of(brief);
  brief.insert(brief.end(), 5, 7);
  EXPECT_EQ(place_of(brief), place);
  std::vector<TokenId> other = brief;  // less than half of it is remembered
  other.insert(other.end(), 30, 8);
  EXPECT_EQ(place_of(other), 1 - place);
}

TEST_F(RequestsTest, WhatAPlaceRemembersIsOfTheKeyThatLeftItThere) {
  const test::TempFolder folder;
  for (const bool shared : {false, true}) {
    EngineOptions options = with_cache();
    options.share_prefix_cache = shared;
    const auto engine = open(options);
    Request request = hot(*engine, 2, 5);
    request.slot = 3;
    request.key = "mine";
    answer(*engine, request);
    const auto taken = engine->save_slot(3, folder.file("taken"), "yours");
    EXPECT_EQ(taken.has_value(), shared);
    if (!shared) {
      EXPECT_EQ(taken.error().code, ErrorCode::not_found);
      EXPECT_EQ(engine->erase_slot(3, "yours").value_or(-1), 0);
    }
    EXPECT_TRUE(engine->save_slot(3, folder.file("saved"), "mine"));
    const int remembered =
        static_cast<int>(request.prompt.size()) + 4;  // the last token is not processed yet
    EXPECT_EQ(engine->erase_slot(3, "mine").value_or(-1), remembered);
  }
}

TEST_F(RequestsTest, APlaceIsSavedRestoredAndGoesOnBitForBit) {
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

TEST_F(RequestsTest, ANumberThatIsNotOneFailsItsRequestAloneAndIsForgotten) {
  const test::TempFolder folder;
  const std::string file = folder.file("conversation");
  const auto engine = open(with_cache());
  Request request = about(long_prompt(100, 3), 1);
  const std::vector<TokenId> good = answer(*engine, hot(*engine, 1)).tokens;
  request.slot = 4;
  answer(*engine, request);
  ASSERT_TRUE(engine->save_slot(4, file));
  // The recurrent state becomes NaN, with checksums that are right (docs/file-format.md).
  std::string bytes = test::read_file(file);
  const size_t header = 104, tokens_end = header + 4 * request.prompt.size();
  uint64_t slot_bytes = 0, hash = 0;
  uint32_t logits = 0;
  std::memcpy(&slot_bytes, bytes.data() + 32, 8);
  std::memcpy(&logits, bytes.data() + 44, 4);
  std::memset(bytes.data() + tokens_end + 4 * size_t{logits}, 0xff, slot_bytes);
  hash = XXH3_64bits(bytes.data() + header, bytes.size() - header);
  std::memcpy(bytes.data() + 88, &hash, 8);
  hash = XXH3_64bits(bytes.data(), 96);
  std::memcpy(bytes.data() + 96, &hash, 8);
  folder.write("damaged", bytes);
  const auto other = open(with_cache());
  ASSERT_TRUE(other->restore_slot(5, folder.file("damaged")));
  request.prompt.insert(request.prompt.end(), 40, 7);
  Generation beside = *other->submit(hot(*other, 1));
  Generation failing = *other->submit(request);
  std::optional<Event> last;
  while (auto event = failing.next()) last = std::move(event);
  ASSERT_TRUE(last && last->error);
  EXPECT_EQ(last->finish, FinishReason::failed);
  EXPECT_EQ(last->error->code, ErrorCode::corrupt);
  EXPECT_EQ(last->usage.cached_tokens, 100);
  EXPECT_EQ(drain(beside).tokens, good);
  const Outcome again = answer(*other, request);
  EXPECT_EQ(again.finish, FinishReason::length) << "the damaged state is gone";
  EXPECT_EQ(again.usage.cached_tokens, 0);
  // Also where nothing is chosen.
  ASSERT_TRUE(other->restore_slot(5, folder.file("damaged"), "anna"));
  request.key = "anna", request.max_tokens = 0;
  EXPECT_EQ(answer(*other, request).finish, FinishReason::failed);
  EXPECT_EQ(answer(*other, request).finish, FinishReason::length);
}

TEST_F(RequestsTest, AReaderThatIsTold) {
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

TEST_F(RequestsTest, SeveralPromptsAreTakenTogetherOrNotAtAll) {
  EngineOptions options;
  options.max_sequences = 1, options.max_queue = 2;
  const auto engine = open(options);
  std::vector<Request> requests(8, hot(*engine, 1, 3));
  auto taken = engine->submit(requests);
  ASSERT_TRUE(taken) << "more than may wait, and nobody waits: " << taken.error().message;
  for (auto& generation : *taken) EXPECT_EQ(drain(generation).tokens.size(), 3u);
  Request endless = requests[0];
  endless.max_tokens = -1;
  std::vector<Generation> full;
  for (int i = 0; i < 3; i++) full.push_back(*engine->submit(endless));
  requests.resize(2);
  EXPECT_EQ(engine->submit(requests).error().code, ErrorCode::busy);
  EXPECT_EQ(engine->stats().refused, 2u);
  full.clear();
  requests[1].prompt.clear();
  const auto refused = engine->submit(requests);
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().message.starts_with("request 1: prompt")) << refused.error().message;
  EXPECT_EQ(engine->stats().requests, 8u + 3u);
}

}  // namespace
}  // namespace sambay
