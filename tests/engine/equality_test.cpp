// "One answer whatever the company": many requests, each the same bits alone, in batches, in any chunks, with
// and without the prefix cache, after being parked and after being restored.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "convert/convert.h"
#include "engine/sharing_engine.h"
#include "support/temp_folder.h"

namespace sambay {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SAMBAY_IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SAMBAY_IS_SANITIZED 1
#endif
#endif

// tools/nightly.sh runs all of them (SAMBAY_EQUALITY_CASES=200), which takes a minute; a part is chosen by a
// hash.
#ifdef SAMBAY_IS_SANITIZED
constexpr int kDailyCases = 20;
#else
constexpr int kDailyCases = 50;
#endif
constexpr int kAllCases = 200, kBatch = 16, kContext = 640;

/// Whole numbers that depend on the case and on what they are for, on every machine the same.
class Draw {
 public:
  explicit Draw(int index) : state_(static_cast<uint64_t>(index) * 0x9e3779b97f4a7c15u) {}
  int upto(int count) {  // 0 to count - 1; splitmix64
    uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return static_cast<int>((z ^ (z >> 31)) % static_cast<uint64_t>(count));
  }
  template <class T, size_t N>
  T one_of(const T (&list)[N]) {
    return list[upto(static_cast<int>(N))];
  }

 private:
  uint64_t state_;
};

/// What came of a request, all of it: the bits of every log probability too.
struct Record {
  std::vector<TokenId> tokens;
  std::string text;
  FinishReason finish = FinishReason::failed;
  std::vector<uint32_t> logprobs;  // of each token: its id and bits, then those of the likeliest
  int cached = 0;

  bool same_answer(const Record& other) const {
    return tokens == other.tokens && text == other.text && finish == other.finish &&
           logprobs == other.logprobs;
  }
};

Record record(Generation& generation) {
  Record r;
  const auto add = [&](const TokenLogprob& entry) {
    r.logprobs.push_back(static_cast<uint32_t>(entry.id));
    r.logprobs.push_back(std::bit_cast<uint32_t>(entry.logprob));
  };
  while (auto event = generation.next()) {
    r.tokens.insert(r.tokens.end(), event->tokens.begin(), event->tokens.end());
    r.text += event->text;
    for (const TokenLogprobs& token : event->logprobs) {
      add(token.token);
      for (const TokenLogprob& other : token.top) add(other);
    }
    if (event->finish) r.finish = *event->finish;
    r.cached = event->usage.cached_tokens;
  }
  return r;
}

class EqualityTest : public SharingTest {
 protected:
  /// The model as the program carries it: quantized, which is where rows could learn of each other.
  void SetUp() override {
    ConvertOptions options;
    options.model = pocket(), options.out_file = model_ = folder_.file("pocket.gguf");
    options.type = DType::q8_0;
    const auto converted = convert(options);
    ASSERT_TRUE(converted) << converted.error().message;
    const auto engine = open_embedded({});
    for (int i = 0; i < kAllCases; i++) cases_.push_back(make_case(*engine, i));
    const char* wanted = std::getenv("SAMBAY_EQUALITY_CASES");
    choose_cases(wanted ? std::atoi(wanted) : kDailyCases);
    for (const Request& request : cases_) alone_.push_back(run(*engine, request));
  }

  std::unique_ptr<Engine> open_embedded(EngineOptions options) {
    options.model = model_, options.max_context = kContext;
    if (options.threads == 0) options.threads = 1;
    options.max_queue = kAllCases;
    auto engine = Engine::open(options);
    EXPECT_TRUE(engine) << engine.error().message;
    return *std::move(engine);
  }

  /// Greedy and sampled ones; questions, texts of all lengths up to several windows and pages, and texts that
  /// begin alike.
  static Request make_case(const Engine& engine, int i) {
    Draw draw(i);
    Request request;
    switch (i % 4) {
      case 0:
      case 1: request = ask(engine, question(draw)); break;
      case 2: {
        constexpr int kLengths[] = {1, 2, 5, 30, 63, 64, 65, 127, 128, 129, 191, 200, 256, 300, 385};
        request.prompt = long_prompt(draw.one_of(kLengths), static_cast<TokenId>(1000 + i));
        break;
      }
      default: {  // one of three beginnings, then something of its own
        request.prompt = long_prompt(70 + 61 * draw.upto(3), 7);
        const std::vector<TokenId> own = long_prompt(1 + draw.upto(40), static_cast<TokenId>(2000 + i));
        request.prompt.insert(request.prompt.end(), own.begin(), own.end());
      }
    }
    request.key = "case " + std::to_string(i % 4 == 3 ? -1 : i);
    request.sampling = sampling(draw);
    request.sampling.seed = static_cast<uint64_t>(draw.upto(1 << 30));
    request.max_tokens = 1 + draw.upto(32);
    request.ignore_eos = draw.upto(2) == 0;
    request.top_logprobs = draw.upto(6);
    return request;
  }
  static std::string question(Draw& draw) {
    const std::string a = std::to_string(draw.upto(1000)), b = std::to_string(1 + draw.upto(1000));
    switch (draw.upto(4)) {
      case 0: return "What is " + a + " + " + b + "?";
      case 1: return "What is " + a + " * " + b + "?";
      case 2: return "Anna has " + a + " apples and buys " + b + " more. How many apples does she have now?";
      default: return "Sort these numbers: " + b + ", 17, " + a + ", 4, 250.";
    }
  }
  static SamplingOptions sampling(Draw& draw) {
    SamplingOptions s;
    s.top_p = 1;
    switch (draw.upto(4)) {
      case 0: s.temperature = 0; break;
      case 1: s.temperature = 1.5f; break;
      case 2: s.temperature = 1, s.top_k = 40, s.top_p = 0.9f; break;
      default: s.temperature = 2, s.min_p = 0.02f, s.repeat_penalty = 1.1f, s.frequency_penalty = 0.5f;
    }
    return s;
  }

  /// `count` of all cases, chosen by a hash of their numbers.
  void choose_cases(int count) {
    std::vector<std::pair<int, size_t>> order;
    for (size_t i = 0; i < cases_.size(); i++)
      order.emplace_back(Draw(static_cast<int>(i) + 12345).upto(1 << 30), i);
    std::sort(order.begin(), order.end());
    order.resize(static_cast<size_t>(std::clamp(count, 1, kAllCases)));
    std::vector<Request> chosen;
    for (const auto& [hash, i] : order) chosen.push_back(std::move(cases_[i]));
    cases_ = std::move(chosen);
  }

  static Record run(Engine& engine, Request request) {
    auto generation = engine.submit(std::move(request));
    EXPECT_TRUE(generation) << generation.error().message;
    return record(*generation);
  }
  /// All of them, kBatch at once.
  std::vector<Record> run_together(Engine& engine) {
    std::vector<Generation> generations;
    for (const Request& request : cases_) generations.push_back(*engine.submit(request));
    std::vector<Record> records;
    for (Generation& generation : generations) records.push_back(record(generation));
    return records;
  }

  void expect_alone(const Record& found, size_t i, std::string_view way) {
    compared_++;
    if (found.same_answer(alone_[i])) return;
    if (differences_++ < 5)
      ADD_FAILURE() << way << ": case of " << cases_[i].prompt.size() << " tokens, temperature "
                    << cases_[i].sampling.temperature << ": " << found.tokens.size() << " tokens, \""
                    << found.text << "\", alone " << alone_[i].tokens.size() << ", \"" << alone_[i].text
                    << '"';
  }
  void compare_all(const std::vector<Record>& records, const std::string& way) {
    for (size_t i = 0; i < records.size(); i++) expect_alone(records[i], i, way);
  }
  void conclude() {
    std::cout << cases_.size() << " cases, " << compared_ << " comparisons with the answer alone, "
              << differences_ << " differences\n";
    EXPECT_EQ(differences_, 0);
  }

  test::TempFolder folder_;
  std::string model_;
  std::vector<Request> cases_;
  std::vector<Record> alone_;
  int compared_ = 0, differences_ = 0;
};

TEST_F(EqualityTest, SameBitsInBatchesOf16InAnyChunksWithAndWithoutCache) {
  for (const int chunk : {1, 7, 64, 512})
    for (const int64_t cache : {int64_t{0}, 512 * kMiB}) {
      EngineOptions options;
      options.max_sequences = kBatch, options.chunk = chunk, options.prefix_cache_bytes = cache;
      options.threads = chunk == 64 ? 2 : 1;
      const auto engine = open_embedded(options);
      const std::string way = "chunk " + std::to_string(chunk) + (cache ? ", with cache" : ", without cache");
      compare_all(run_together(*engine), way);
      if (cache == 0) continue;
      const std::vector<Record> again = run_together(*engine);
      compare_all(again, way + ", again");
      for (size_t i = 0; i < again.size(); i++)
        EXPECT_EQ(again[i].cached, static_cast<int>(cases_[i].prompt.size())) << way;
      EXPECT_EQ(engine->stats().cache_evicted, 0u);
    }
  conclude();
}

TEST_F(EqualityTest, SameBitsAfterBeingParked) {
  // Nobody is parked before an answer is longer than what it was promised.
  cases_.resize(std::min(cases_.size(), size_t{2 * kBatch}));
  alone_.clear();
  for (size_t i = 0; i < cases_.size(); i++) {
    cases_[i].max_tokens = 150 + static_cast<int>(i) * 3;
    cases_[i].ignore_eos = true;
    alone_.push_back(run(*open_embedded({}), cases_[i]));
  }
  EngineOptions options;
  options.max_sequences = kBatch, options.total_context = kContext;
  options.spill_folder = folder_.path();
  const auto engine = open_embedded(options);
  compare_all(run_together(*engine), "parked");
  EXPECT_GT(engine->stats().parked, 0u);
  conclude();
}

/// Saved when a beginning of the prompt was read (all of it, for every other case), restored by another
/// engine.
TEST_F(EqualityTest, SameBitsAfterRestoreInTheMiddleOfThePrompt) {
  EngineOptions options = with_cache();
  options.max_sequences = 1, options.chunk = 64;
  const auto writer = open_embedded(options), reader = open_embedded(options);
  const std::string path = folder_.file("state");
  for (size_t i = 0; i < cases_.size(); i++) {
    Request beginning = cases_[i];
    beginning.key = std::to_string(i);
    const auto size = static_cast<int>(beginning.prompt.size());
    const int cut = i % 2 || size == 1 ? size : 1 + Draw(static_cast<int>(i)).upto(size - 1);
    beginning.prompt.resize(static_cast<size_t>(cut));
    beginning.max_tokens = 1;
    run(*writer, beginning);
    const auto saved = writer->save_slot(0, path, beginning.key);
    ASSERT_TRUE(saved) << saved.error().message;
    const auto restored = reader->restore_slot(0, path, beginning.key);
    ASSERT_TRUE(restored) << restored.error().message;
    Request whole = cases_[i];
    whole.key = beginning.key;
    const Record found = run(*reader, whole);
    EXPECT_EQ(found.cached, cut);
    expect_alone(found, i, "restored");
  }
  conclude();
}

/// Greedy answers saved in their middle and continued by another engine: the rest is that of the whole one.
TEST_F(EqualityTest, SameBitsAfterRestoreInTheMiddleOfTheAnswer) {
  EngineOptions options = with_cache();
  options.max_sequences = 1;
  const auto writer = open_embedded(options), reader = open_embedded(options);
  const std::string path = folder_.file("state");
  int continued = 0;
  for (size_t i = 0; i < cases_.size(); i++) {
    const Record& alone = alone_[i];
    const auto half = static_cast<int>(alone.tokens.size() / 2);
    if (cases_[i].sampling.temperature > 0 || half == 0) continue;
    Request request = cases_[i];
    request.key = std::to_string(i);
    request.max_tokens = half;
    run(*writer, request);
    ASSERT_TRUE(writer->save_slot(0, path, request.key));
    ASSERT_TRUE(reader->restore_slot(0, path, request.key));
    const auto middle = alone.tokens.begin() + half;
    request.prompt.insert(request.prompt.end(), alone.tokens.begin(), middle);
    request.max_tokens = cases_[i].max_tokens - half;
    const Record found = run(*reader, request);
    EXPECT_EQ(found.cached, static_cast<int>(request.prompt.size()) - 1);  // the last one was only chosen
    const size_t bits_of_one = alone.logprobs.size() / alone.tokens.size();
    compared_++, continued++;
    const auto rest = alone.logprobs.begin() + half * static_cast<std::ptrdiff_t>(bits_of_one);
    const bool same = found.tokens == std::vector<TokenId>(middle, alone.tokens.end()) &&
                      found.finish == alone.finish &&
                      found.logprobs == std::vector<uint32_t>(rest, alone.logprobs.end());
    EXPECT_TRUE(same) << i;
    differences_ += !same;
  }
  EXPECT_GT(continued, 0);
  conclude();
}

}  // namespace
}  // namespace sambay
