// Many requests at once: the same bits in any company, the prefix cache, several answers, parking.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "engine/sharing_engine.h"
#include "support/temp_folder.h"

namespace sambay {
namespace {

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

TEST_F(SharingTest, AnswersForWhichThereIsNoPageBeginParkedAndAreTheSame) {
  const test::TempFolder folder;
  constexpr int kAnswers = 4;
  EngineOptions options;
  options.max_context = 400, options.max_sequences = kAnswers;
  options.spill_folder = folder.path();
  const auto roomy = open(options);
  options.total_context = 1;  // one full context, which the prompt nearly fills
  const auto tight = open(options);
  Request request = about(long_prompt(370, 5), 20);
  request.n = kAnswers;
  Generation there = *roomy->submit(request), here = *tight->submit(request);
  const std::vector<Outcome> expected = drain_all(there, kAnswers), found = drain_all(here, kAnswers);
  for (size_t i = 0; i < kAnswers; i++) {
    EXPECT_EQ(found[i].finish, FinishReason::length) << i;
    EXPECT_EQ(found[i].tokens, expected[i].tokens) << i;
  }
  EXPECT_NE(found[0].tokens, found[1].tokens);
  EXPECT_GT(tight->stats().parked, 0u);
  EXPECT_EQ(roomy->stats().parked, 0u);
}

TEST_F(SharingTest, AnswersThatForkPushNobodyOutWhoCameBefore) {
  const test::TempFolder folder;
  EngineOptions options;
  options.max_context = 400, options.max_sequences = 3, options.chunk = 1;
  options.spill_folder = folder.path();
  std::vector<Request> requests = {about(long_prompt(10, 1), -1), about(long_prompt(370, 2), 12)};
  requests[1].n = 2;
  const auto roomy = open(options);
  // Twelve pages. When the second one has read its prompt, it has six and the first one too.
  options.total_context = 9 * 64;
  const auto tight = open(options);
  auto there = *roomy->submit(requests), here = *tight->submit(requests);
  for (size_t r = 0; r < requests.size(); r++) {
    const std::vector<Outcome> expected = drain_all(there[r], requests[r].n),
                               found = drain_all(here[r], requests[r].n);
    for (size_t i = 0; i < found.size(); i++) EXPECT_EQ(found[i].tokens, expected[i].tokens) << r << " " << i;
    if (r == 0) {
      EXPECT_EQ(found[0].usage.parked_ms, 0);
    }
  }
  EXPECT_GT(tight->stats().parked, 0u);
}

TEST_F(SharingTest, APromptStartsBesideOthersWhosePagesItShares) {
  for (const bool shares : {true, false}) {
    EngineOptions options = with_cache(3 * kMiB / 2);
    options.max_sequences = 2,
    options.total_context = 4096;  // the model's context: two such prompts do not fit
    const auto engine = open(options);
    Request request = about(long_prompt(3900, 5), -1);
    request.key = "anna";
    Generation first = *engine->submit(request);
    first.next();
    request.max_tokens = 1;
    if (!shares) request.key = "berta";
    // Looked at by the engine's own thread, in the step that gives the second one its token; it may still be
    // in there when the answer is known here.
    struct Seen {
      std::promise<bool> first_has_ended;
      bool looked = false;
    };
    const auto seen = std::make_shared<Seen>();
    request.on_ready = [seen, &first] {
      if (std::exchange(seen->looked, true)) return;
      bool ended = false;
      while (auto event = first.poll()) ended = event->finish.has_value();
      seen->first_has_ended.set_value(ended);
    };
    const Outcome beside = answer(*engine, request);
    EXPECT_EQ(beside.usage.cached_tokens, shares ? 3900 : 0);
    EXPECT_EQ(seen->first_has_ended.get_future().get(), !shares);
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

TEST_F(SharingTest, APromptThatWasReadWithoutAnAnswerIsFoundWhole) {
  const auto engine = open(with_cache());
  Request request = about(long_prompt(100, 1), 5);
  const std::vector<TokenId> cold = answer(*open(), request).tokens;
  request.max_tokens = 0;
  EXPECT_EQ(answer(*engine, request).usage.cached_tokens, 0);
  request.max_tokens = 5;
  const Outcome warm = answer(*engine, request);
  EXPECT_EQ(warm.usage.cached_tokens, 100);
  EXPECT_EQ(warm.tokens, cold);
}

TEST_F(SharingTest, ARequestThatFailsByItsOwnFaultLosesNobodysBeginning) {
  const auto engine = open(with_cache());
  Request request = about(long_prompt(100, 1), 1);
  answer(*engine, request);
  Request hopeless = request;
  for (TokenId id = 0; id < engine->info().vocab; id++)
    hopeless.sampling.logit_bias.emplace_back(id, -std::numeric_limits<float>::infinity());
  EXPECT_EQ(answer(*engine, hopeless).finish, FinishReason::failed);
  EXPECT_EQ(answer(*engine, request).usage.cached_tokens, 100);
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

/// The files that this process has open in the folder, named or not.
std::vector<std::string> open_files_in(const std::string& folder) {
  std::vector<std::string> paths;
  const std::string within = std::filesystem::canonical(folder).string() + "/";
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    if (std::filesystem::read_symlink(entry, gone).string().starts_with(within))
      paths.push_back(entry.path().string());
  }
  return paths;
}

TEST_F(SharingTest, ADamagedFileOnDiskCostsTheBeginningAndIsCounted) {
  const test::TempFolder folder;
  EngineOptions options = with_cache(2 * kMiB);
  options.spill_folder = folder.path(), options.spill_bytes = 256 * kMiB;
  const auto engine = open(options);
  const Outcome before = answer(*engine, about(long_prompt(100, 1)));
  for (TokenId i = 2; i < 14; i++) answer(*engine, about(long_prompt(100, i), 1));
  const std::vector<std::string> files = open_files_in(folder.path());
  ASSERT_FALSE(files.empty());
  for (const std::string& path : files) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(5000);
    file << "damage";
    ASSERT_TRUE(file.flush()) << path;
  }
  const Outcome after = answer(*engine, about(long_prompt(100, 1)));
  EXPECT_EQ(after.tokens, before.tokens);
  EXPECT_EQ(after.usage.cached_tokens, 0);
  EXPECT_EQ(after.usage.cache, CacheResult::damaged);
  EXPECT_EQ(answer(*engine, about(long_prompt(100, 1))).usage.cache, CacheResult::hit);
}

TEST_F(SharingTest, ACancelledPromptGoesOnWhereItWas) {
  EngineOptions options = with_cache();
  options.chunk = 8;
  const auto engine = open(options);
  Request request = about(long_prompt(800, 6));
  request.report_progress = true;
  Generation generation = *engine->submit(request);
  auto progress = generation.next();  // the first one says where it begins
  while (progress && progress->prompt_done == 0) progress = generation.next();
  ASSERT_TRUE(progress);
  EXPECT_LT(progress->prompt_done, 800);
  EXPECT_GE(engine->slots()[0].prompt_done, progress->prompt_done);
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

}  // namespace
}  // namespace sambay
