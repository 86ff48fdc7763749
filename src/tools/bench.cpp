#include "tools/bench.h"

#include <fmt/core.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/thread_pool.h"
#include "formats/checkpoint.h"
#include "model/memory_plan.h"
#include "model/model.h"
#include "model/sambay_config.h"
#include "ops/ops.h"
#include "tools/logits.h"
#include "tools/single_sequence.h"
#include "tools/synthetic.h"

namespace sambay {
namespace {

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

Result<void> check(const BenchOptions& o) {
  const auto range = [](const char* flag, int value, int low, int high) -> Result<void> {
    if (value >= low && value <= high) return {};
    return fail(ErrorCode::invalid_argument, fmt::format("{} {}: must be {} to {}", flag, value, low, high));
  };
  SAMBAY_TRY_VOID(range("-p", o.prompt, 0, 1 << 20));
  SAMBAY_TRY_VOID(range("-n", o.generate, 0, 1 << 20));
  SAMBAY_TRY_VOID(range("-d", o.depth, 0, 1 << 20));
  SAMBAY_TRY_VOID(range("-r", o.repetitions, 1, 1000));
  SAMBAY_TRY_VOID(range("--chunk", o.chunk, 1, 65536));
  if (o.prompt == 0 && o.generate == 0)
    return fail(ErrorCode::invalid_argument, "-p 0 -n 0: nothing to measure; at least one must be positive");
  return {};
}

/// Reads `bytes` once with every thread of the pool and returns bytes per second.
double read_speed(ThreadPool& pool, const std::byte* data, int64_t bytes) {
  const auto start = Clock::now();
  pool.parallel_for(bytes / 64, 1024, [&](int64_t first, int64_t last) {
    uint64_t sums[8] = {};
    for (int64_t line = first; line < last; line++) {
      uint64_t words[8];
      std::memcpy(words, data + line * 64, 64);
      for (int i = 0; i < 8; i++) sums[i] += words[i];
    }
    uint64_t total = 0;
    for (uint64_t sum : sums) total += sum;
    asm volatile("" : : "r"(total));  // the sum is wanted, as far as the compiler knows
  });
  return static_cast<double>(bytes) / seconds_since(start);
}

class Bench {
 public:
  Bench(const BenchOptions& options, const std::function<void(const std::string&)>& progress,
        const std::function<bool()>& stop)
      : o_(options), progress_(progress), stop_(stop) {}

  Result<BenchReport> run() {
    SAMBAY_TRY_VOID(check(o_));
    SAMBAY_TRY_VOID(load());
    measure_bandwidth();
    if (o_.prompt > 0) SAMBAY_TRY_VOID(prefill());
    if (o_.generate > 0) SAMBAY_TRY_VOID(decode());
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    report_.peak_bytes = int64_t{usage.ru_maxrss} * 1024;
    return std::move(report_);
  }

 private:
  /// What the tests need at their peak, if the limit allows it.
  Result<MemoryPlan> plan(const ModelFootprint& footprint) const {
    MemoryRequest request;
    request.kv = o_.kv;
    request.positions = std::max(o_.prompt, o_.generate > 0 ? o_.depth + o_.generate + 1 : 0);
    request.chunk = o_.prompt > 0 ? o_.chunk : 1;
    request.threads = o_.threads;
    SAMBAY_TRY_VOID(check_memory(footprint, request, o_.memory_limit, {nullptr, "--kv", nullptr}));
    return plan_memory(footprint, request);
  }

  Result<void> load() {
    SAMBAY_TRY(ops_, make_cpu_ops({o_.threads, o_.isa}), "starting");
    MemoryPlan memory;
    if (!o_.synthetic.empty()) {
      SAMBAY_TRY(const SambaYConfig config, sambay_preset(o_.synthetic), "--synthetic");
      SAMBAY_TRY(memory, plan(SyntheticLayout(config, o_.type).footprint), "bench");
      progress_(fmt::format("making random {} weights at the shapes of {}", o_.type.name, o_.synthetic));
      SAMBAY_TRY(SyntheticModel synthetic, SyntheticModel::create(config, o_.type, o_.threads),
                 "--synthetic");
      synthetic_ = std::make_unique<SyntheticModel>(std::move(synthetic));
    } else {
      SAMBAY_TRY(Checkpoint opened, Checkpoint::open(o_.model), "loading model");
      checkpoint_ = std::make_unique<Checkpoint>(std::move(opened));
      SAMBAY_TRY(const ModelFootprint footprint, model_footprint(*checkpoint_), "loading model");
      SAMBAY_TRY(memory, plan(footprint), "bench");
    }
    report_.planned_bytes = memory.total();
    const Checkpoint& checkpoint = synthetic_ ? synthetic_->checkpoint() : *checkpoint_;
    SAMBAY_TRY(model_, load_model(checkpoint, *ops_, {o_.kv, memory.step_rows}), "loading model");
    for (const TensorView& tensor : checkpoint.tensors())
      if (!largest_ || tensor.bytes.size() > largest_->bytes.size()) largest_ = &tensor;
    report_.model =
        o_.synthetic.empty() ? (o_.model.empty() ? "embedded" : o_.model) : "synthetic:" + o_.synthetic;
    report_.type = dtype_info(largest_->type).name;
    report_.kv = dtype_info(o_.kv).name;
    report_.isa = std::string(ops_->name().substr(ops_->name().find('/') + 1));
    report_.threads = ops_->threads();
    report_.weight_bytes = model_->info().weight_bytes;
    return {};
  }

  /// The best of a few passes over the largest tensor, long enough to leave every cache on real shapes.
  void measure_bandwidth() {
    progress_("measuring the memory bandwidth");
    ThreadPool pool(report_.threads);
    const auto bytes = static_cast<int64_t>(largest_->bytes.size());
    for (int i = 0; i < 5; i++)
      report_.read_bytes_per_s =
          std::max(report_.read_bytes_per_s, read_speed(pool, largest_->bytes.data(), bytes));
  }

  Result<void> prefill() {
    std::vector<TokenId> ids(static_cast<size_t>(o_.prompt));
    for (size_t i = 0; i < ids.size(); i++)
      ids[i] = static_cast<TokenId>(i * 7919 % static_cast<size_t>(model_->info().vocab));
    std::vector<double> rates;
    for (int r = 0; r < o_.repetitions; r++) {
      progress_(fmt::format("prefill of {} tokens, {} of {}", o_.prompt, r + 1, o_.repetitions));
      SAMBAY_TRY(SingleSequence s, SingleSequence::create(*model_, o_.kv, o_.prompt, o_.chunk), "caches");
      const auto start = Clock::now();
      for (size_t done = 0; done < ids.size();) {
        const size_t rows = std::min(ids.size() - done, static_cast<size_t>(o_.chunk));
        SAMBAY_TRY_VOID(step(s, {ids.data() + done, rows}, done + rows == ids.size()));
        done += rows;
      }
      rates.push_back(o_.prompt / seconds_since(start));
    }
    add_result("prefill", o_.prompt, 0, o_.prompt, rates);
    return {};
  }

  Result<void> decode() {
    std::vector<double> rates;
    for (int r = 0; r < o_.repetitions; r++) {
      progress_(fmt::format("decode of {} tokens at depth {}, {} of {}", o_.generate, o_.depth, r + 1,
                            o_.repetitions));
      SAMBAY_TRY(SingleSequence s, SingleSequence::create(*model_, o_.kv, o_.depth + o_.generate + 1, 1),
                 "caches");
      s.skip_to(o_.depth);
      TokenId token = 0;
      SAMBAY_TRY_VOID(step(s, {&token, 1}, true));  // touches every page of the weights once
      const auto start = Clock::now();
      for (int i = 0; i < o_.generate; i++) {
        token = argmax(logits_);
        SAMBAY_TRY_VOID(step(s, {&token, 1}, true));
      }
      rates.push_back(o_.generate / seconds_since(start));
    }
    add_result("decode", 0, o_.depth, o_.generate, rates);
    BenchResult& result = report_.results.back();
    const double bytes = static_cast<double>(report_.weight_bytes) + cache_bytes(o_.depth + o_.generate / 2);
    result.bandwidth_share = result.median * bytes / report_.read_bytes_per_s;
    return {};
  }

  /// What one decode step at a depth reads of the caches: state once, windows once, the shared keys by every
  /// layer of the second half.
  double cache_bytes(int depth) const {
    const CacheSpec& spec = model_->cache_spec();
    double bytes = static_cast<double>(spec.state_bytes);
    for (const KvGroup& group : spec.kv) {
      const KvLayout layout(group, o_.kv);
      const int seen = group.window > 0 ? std::min(depth, group.window) : depth;
      const int readers = group.window > 0 ? 1 : model_->info().layers / 4;
      bytes += static_cast<double>(layout.page_bytes) / kPageTokens * seen * readers;
    }
    return bytes;
  }

  Result<void> step(SingleSequence& s, std::span<const TokenId> ids, bool wants_logits) {
    if (stop_()) return fail(ErrorCode::cancelled, "interrupted");
    logits_.resize(static_cast<size_t>(model_->info().vocab));
    const int last = static_cast<int>(ids.size()) - 1;
    s.run(ids, std::span(&last, wants_logits ? 1 : 0),
          {logits_.data(), wants_logits ? 1 : 0, model_->info().vocab});
    return {};
  }

  void add_result(const char* test, int prompt, int depth, int tokens, std::vector<double>& rates) {
    std::sort(rates.begin(), rates.end());
    report_.results.push_back(
        {test, prompt, depth, tokens, rates[rates.size() / 2], rates.front(), rates.back(), 0});
  }

  const BenchOptions& o_;
  const std::function<void(const std::string&)>& progress_;
  const std::function<bool()>& stop_;
  std::unique_ptr<Ops> ops_;
  std::unique_ptr<Checkpoint> checkpoint_;
  std::unique_ptr<SyntheticModel> synthetic_;
  std::unique_ptr<Model> model_;
  const TensorView* largest_ = nullptr;
  std::vector<float> logits_;
  BenchReport report_;
};

}  // namespace

Result<BenchReport> run_bench(const BenchOptions& options,
                              const std::function<void(const std::string&)>& progress,
                              const std::function<bool()>& stop) {
  return Bench(options, progress, stop).run();
}

std::string to_table(const BenchReport& r) {
  std::string text = fmt::format(
      "model {}   type {}   kv {}   isa {}   threads {}\nweights {:.3f} GB   peak memory {:.3f} GB (planned "
      "{:.3f})   memory read {:.1f} GB/s\n\n",
      r.model, r.type, r.kv, r.isa, r.threads, static_cast<double>(r.weight_bytes) / 1e9,
      static_cast<double>(r.peak_bytes) / 1e9, static_cast<double>(r.planned_bytes) / 1e9,
      r.read_bytes_per_s / 1e9);
  text += fmt::format("{:<8} {:>7} {:>7} {:>12} {:>10} {:>10} {:>11}\n", "test", "tokens", "depth",
                      "tokens/s", "min", "max", "bandwidth");
  for (const BenchResult& result : r.results)
    text +=
        fmt::format("{:<8} {:>7} {:>7} {:>12.2f} {:>10.2f} {:>10.2f} {:>11}\n", result.test, result.tokens,
                    result.depth, result.median, result.min, result.max,
                    result.bandwidth_share > 0 ? fmt::format("{:.0f} %", 100 * result.bandwidth_share) : "-");
  return text;
}

std::string to_json_lines(const BenchReport& r) {
  std::string text;
  for (const BenchResult& result : r.results) {
    nlohmann::ordered_json line = {
        {"model", r.model},
        {"type", r.type},
        {"kv", r.kv},
        {"threads", r.threads},
        {"isa", r.isa},
        {"test", result.test},
        {"prompt", result.prompt},
        {"depth", result.depth},
        {"batch", 1},
        {"tokens", result.tokens},
        {"tokens_per_s", {{"median", result.median}, {"min", result.min}, {"max", result.max}}},
        {"peak_bytes", r.peak_bytes},
        {"planned_bytes", r.planned_bytes},
        {"read_bytes_per_s", r.read_bytes_per_s}};
    if (result.bandwidth_share > 0) line["bandwidth_share"] = result.bandwidth_share;
    text += line.dump() + "\n";
  }
  return text;
}

}  // namespace sambay
