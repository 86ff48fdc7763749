#include "tools/bench_plan.h"
#include "tools/system_state.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>

#include "base/printable.h"

namespace sambay {
namespace {

constexpr size_t kMostEntries = 64, kMostCases = 4096;
constexpr int kMostTokens = 1 << 20, kMostSequences = 1024, kMostThreads = 1024;
constexpr int kLongSamples = 5;       // depths of a long run
constexpr int kLongSampleTokens = 4;  // decoded at each

Result<void> range(std::string_view flag, int64_t value, int low, int high) {
  if (value >= low && value <= high) return {};
  return fail(ErrorCode::invalid_argument, fmt::format("{} {}: must be {} to {}", flag, value, low, high));
}
Result<void> range(std::string_view flag, const std::vector<int>& values, int low, int high) {
  if (values.empty()) return fail(ErrorCode::invalid_argument, fmt::format("{}: nothing given", flag));
  for (const int value : values) SAMBAY_TRY_VOID(range(flag, value, low, high));
  return {};
}

/// Between the commas; an empty text is one empty part.
std::vector<std::string_view> parts_of(std::string_view text) {
  std::vector<std::string_view> parts;
  for (size_t comma; (comma = text.find(',')) != text.npos; text.remove_prefix(comma + 1))
    parts.push_back(text.substr(0, comma));
  parts.push_back(text);
  return parts;
}

bool parse_whole(std::string_view text, int64_t& value) {
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  return status == std::errc() && end == text.data() + text.size();
}

Result<std::vector<std::string_view>> few_parts(std::string_view flag, std::string_view text) {
  std::vector<std::string_view> parts = parts_of(text);
  if (parts.size() <= kMostEntries) return parts;
  return fail(ErrorCode::invalid_argument,
              fmt::format("{}: {} entries; at most {} are allowed", flag, parts.size(), kMostEntries));
}

std::vector<BenchCase> long_cases(const LongRun& run) {
  std::vector<BenchCase> cases = {{BenchTest::prefill, run.prompt, 0, 1, run.prompt, run.prompt}};
  const int tokens = std::min(kLongSampleTokens, run.generate);
  const int most = run.generate - tokens;  // generated before the last sample
  const int samples = std::min(kLongSamples, most + 1);
  for (int i = 0; i < samples; i++) {
    const int before = samples > 1 ? static_cast<int>(int64_t{most} * i / (samples - 1)) : 0;
    cases.push_back({BenchTest::decode, run.prompt, run.prompt + before, run.concurrency, tokens,
                     run.prompt + run.generate});
  }
  return cases;
}

std::string too_deep(const BenchOptions& options, const BenchCase& c, int limit) {
  if (options.long_run)
    return fmt::format("--long {}:{}: {} tokens, and the model's context is {}", options.long_run->prompt,
                       options.long_run->generate, options.long_run->prompt + options.long_run->generate,
                       limit);
  return fmt::format("{} {} at -d {}: {} tokens, and the model's context is {}",
                     c.test == BenchTest::prefill ? "-p" : "-n", c.tokens, c.depth, c.room, limit);
}

}  // namespace

Result<std::vector<int>> parse_counts(std::string_view flag, std::string_view text, int low, int high) {
  const Result<std::vector<std::string_view>> parts = few_parts(flag, text);
  if (!parts) return tl::unexpected(parts.error());
  std::vector<int> counts;
  for (const std::string_view part : *parts) {
    int64_t value = 0;
    if (!parse_whole(part, value) || value < low || value > high)
      return fail(ErrorCode::invalid_argument,
                  fmt::format("{} {}: '{}' is no whole number from {} to {}", flag,
                              printable(text.substr(0, 80)), printable(part.substr(0, 40)), low, high));
    counts.push_back(static_cast<int>(value));
  }
  return counts;
}

Result<std::vector<DType>> parse_kv_types(std::string_view flag, std::string_view text) {
  const Result<std::vector<std::string_view>> parts = few_parts(flag, text);
  if (!parts) return tl::unexpected(parts.error());
  std::vector<DType> types;
  for (const std::string_view part : *parts) {
    const std::optional<DType> type = dtype_from_name(part);
    if (!type || !dtype_info(*type).is_kv) {
      std::string known;
      for (const DTypeInfo& info : all_dtypes())
        if (info.is_kv) known += (known.empty() ? "" : ", ") + std::string(info.name);
      return fail(ErrorCode::invalid_argument,
                  fmt::format("{} {}: '{}' is no type of KV caches; there are {}", flag,
                              printable(text.substr(0, 80)), printable(part.substr(0, 40)), known));
    }
    types.push_back(*type);
  }
  return types;
}

Result<LongRun> parse_long_run(std::string_view text) {
  const size_t colon = text.find(':');
  int64_t prompt = 0, generate = 0;
  if (colon == text.npos || !parse_whole(text.substr(0, colon), prompt) ||
      !parse_whole(text.substr(colon + 1), generate) || prompt < 1 || prompt > kMostTokens || generate < 1 ||
      generate > kMostTokens)
    return fail(ErrorCode::invalid_argument,
                fmt::format("--long {}: expected PROMPT:GENERATED, as in 2048:32768, each 1 to {}",
                            printable(text.substr(0, 40)), kMostTokens));
  return LongRun{static_cast<int>(prompt), static_cast<int>(generate), 1};
}

MemoryRequest BenchCase::memory(DType kv, int chunk, int threads) const {
  MemoryRequest request;
  request.kv = kv;
  request.sequences = batch;
  request.positions = room;
  request.chunk = test == BenchTest::prefill ? std::min(chunk, tokens) : 1;
  request.logit_rows = batch;
  request.threads = threads;
  return request;
}

std::vector<BenchCase> bench_cases(const BenchOptions& o) {
  if (o.long_run) return long_cases(*o.long_run);
  std::vector<BenchCase> cases;
  for (const int depth : o.depths)
    for (const int prompt : o.prompts)
      if (prompt > 0) cases.push_back({BenchTest::prefill, prompt, depth, 1, prompt, depth + prompt});
  for (const int depth : o.depths)
    for (const int batch : o.batches)
      for (const int tokens : o.generate)
        if (tokens > 0) cases.push_back({BenchTest::decode, 0, depth, batch, tokens, depth + tokens});
  return cases;
}

Result<void> check_bench_options(const BenchOptions& o) {
  SAMBAY_TRY_VOID(range("-p", o.prompts, 0, kMostTokens));
  SAMBAY_TRY_VOID(range("-n", o.generate, 0, kMostTokens));
  SAMBAY_TRY_VOID(range("-d", o.depths, 0, kMostTokens));
  SAMBAY_TRY_VOID(range("--batch", o.batches, 1, kMostSequences));
  SAMBAY_TRY_VOID(range("-t", o.threads, 0, kMostThreads));
  SAMBAY_TRY_VOID(range("-r", o.repetitions, 1, 1000));
  SAMBAY_TRY_VOID(range("--chunk", o.chunk, 1, 65536));
  if (o.long_run) SAMBAY_TRY_VOID(range("--concurrency", o.long_run->concurrency, 1, kMostSequences));
  const size_t cases = bench_cases(o).size();
  if (cases == 0)
    return fail(ErrorCode::invalid_argument, "-p 0 -n 0: nothing to measure; at least one must be positive");
  if (cases * o.threads.size() * o.kvs.size() > kMostCases)
    return fail(ErrorCode::invalid_argument,
                fmt::format("{} combinations; at most {} are run at once",
                            cases * o.threads.size() * o.kvs.size(), kMostCases));
  return {};
}

Result<MemoryPlan> plan_bench(const BenchOptions& o, const ModelFootprint& model, int64_t other_bytes) {
  const std::vector<BenchCase> cases = bench_cases(o);
  for (const BenchCase& c : cases)
    if (c.room > model.max_context)
      return fail(ErrorCode::invalid_argument, too_deep(o, c, model.max_context));
  MemoryPlan most;
  for (const int threads : o.threads)
    for (const DType kv : o.kvs)
      for (const BenchCase& c : cases) {
        MemoryRequest request = c.memory(kv, o.chunk, threads);
        const char* batch = o.long_run ? "--concurrency" : "--batch";
        request.other_bytes = other_bytes;
        const int64_t limit = o.memory_limit > 0 ? o.memory_limit : available_bytes();
        auto fits = check_memory(model, request, limit, {nullptr, "--kv", c.batch > 1 ? batch : nullptr});
        if (!fits && o.memory_limit == 0)
          fits.error().message = "this machine has no more to give than " + fits.error().message;
        SAMBAY_TRY_VOID(fits);
        request.other_bytes = 0;
        MemoryPlan plan = plan_memory(model, request);
        if (plan.total() > most.total()) most = std::move(plan);
      }
  return most;
}

}  // namespace sambay
