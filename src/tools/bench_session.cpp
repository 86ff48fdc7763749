#include "tools/bench_session.h"

#include <fmt/core.h>

#include <algorithm>
#include <system_error>

#include "kernels/cpu/kernels.h"
#include "model/sambay_config.h"
#include "tools/logits.h"
#include "tools/random_blocks.h"
#include "tools/system_state.h"

namespace sambay {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

template <class T, class F>
double median_of(const std::vector<T>& values, F&& number) {
  std::vector<double> numbers;
  for (const T& value : values) numbers.push_back(number(value));
  return spread_of(std::move(numbers)).median;
}

}  // namespace

Result<BenchSubject> BenchSubject::open(const BenchOptions& o) {
  BenchSubject subject;
  if (o.synthetic.empty()) {
    SAMBAY_TRY(Checkpoint opened, Checkpoint::open(o.model), "loading model");
    subject.checkpoint = std::make_unique<Checkpoint>(std::move(opened));
    SAMBAY_TRY(subject.footprint, model_footprint(*subject.checkpoint), "loading model");
    return subject;
  }
  SAMBAY_TRY(subject.synthetic, sambay_preset(o.synthetic), "--synthetic");
  SyntheticLayout layout(*subject.synthetic, o.type);
  subject.footprint = std::move(layout.footprint);
  const auto largest = std::ranges::max_element(layout.header.tensor_bytes);
  subject.other_bytes = std::max(subject.other_bytes, *largest);
  return subject;
}

void BenchSession::tell(const std::string& line) const {
  if (events_.progress) events_.progress(line);
}

Result<void> BenchSession::check_stop() const {
  if (events_.should_stop && events_.should_stop()) return fail(ErrorCode::cancelled, "interrupted");
  return {};
}

Result<void> BenchSession::load() {
  SAMBAY_TRY_VOID(check_stop());
  SAMBAY_TRY(std::unique_ptr<Ops> ops, make_cpu_ops({asked_threads_, o_.isa}), "starting");
  ops_ = std::make_unique<WatchedOps>(std::move(ops));
  threads_ = ops_->threads();
  try {
    pool_ = std::make_unique<ThreadPool>(std::max(threads_, kThreadsToPin));
  } catch (const std::system_error& e) {
    return fail(ErrorCode::out_of_memory,
                fmt::format("{} threads: the system refuses them ({})", threads_, e.what()));
  }
  SAMBAY_TRY_VOID(load_model_and_work());
  SAMBAY_TRY(const CpuKernels* kernels, select_kernels(o_.isa), "starting");
  if (!synthetic_) load_peak_ = peak_resident_bytes();
  SAMBAY_TRY(probe_, CeilingProbe::create(*kernels, *pool_, threads_), "the machine's limits");
  described_.isa = kernels->name;
  described_.int8_instructions = kernels->int8_instructions;
  return {};
}

Result<void> BenchSession::load_model_and_work() {
  if (subject_.synthetic) {
    tell(fmt::format("making random {} weights at the shapes of {}", o_.type.name, o_.synthetic));
    SAMBAY_TRY(SyntheticModel made, SyntheticModel::create(*subject_.synthetic, o_.type, threads_),
               "--synthetic");
    synthetic_ = std::make_unique<SyntheticModel>(std::move(made));
  }
  const Checkpoint& checkpoint = synthetic_ ? synthetic_->checkpoint() : *subject_.checkpoint;
  int step_rows = 1;
  for (const BenchCase& c : bench_cases(o_))
    step_rows =
        std::max(step_rows, plan_memory(subject_.footprint, c.memory(kv_, o_.chunk, threads_)).step_rows);
  tell("loading the model");
  const auto start = Clock::now();
  SAMBAY_TRY(model_, load_model(checkpoint, *ops_, {kv_, step_rows}), "loading model");
  described_.load_seconds = seconds_since(start);
  SAMBAY_TRY(work_, ModelWork::of(checkpoint), "loading model");
  described_.name = synthetic_ ? "synthetic:" + o_.synthetic : (o_.model.empty() ? "embedded" : o_.model);
  described_.type = stored_mix_name(checkpoint);
  described_.weight_bytes = static_cast<int64_t>(work_->weight_bytes());
  return {};
}

/// Caches and tokens for a case; the caches of the case before are used again when they are the same.
Result<void> BenchSession::prepare(const BenchCase& c) {
  const int step = c.test == BenchTest::prefill ? std::min(o_.chunk, c.tokens) : 1;
  if (!sequences_ || batch_ != c.batch || room_ != c.room || step_ != step) {
    sequences_.reset();  // the old ones go first
    const CachePlan plan = plan_caches(model_->cache_spec(), kv_, c.batch, c.room, step);
    SAMBAY_TRY(sequences_, SequenceSet::create(*model_, plan, *pool_), "caches");
    batch_ = c.batch, room_ = c.room, step_ = step;
  }
  tokens_.resize(static_cast<size_t>(c.test == BenchTest::prefill ? c.tokens : c.batch));
  logits_.resize(static_cast<size_t>(c.batch) * static_cast<size_t>(model_->info().vocab));
  sequences_->start_at(c.depth, c.tokens);
  return {};
}

Result<void> BenchSession::read_prompt(const BenchCase& c) {
  for (size_t i = 0; i < tokens_.size(); i++)
    tokens_[i] = static_cast<TokenId>(random_bits(i + 1) % static_cast<uint64_t>(model_->info().vocab));
  const auto count = static_cast<size_t>(c.tokens);
  for (size_t done = 0; done < count;) {
    SAMBAY_TRY_VOID(check_stop());
    const size_t rows = std::min(count - done, static_cast<size_t>(o_.chunk));
    sequences_->prefill({tokens_.data() + done, rows}, logits(done + rows == count ? 1 : 0));
    done += rows;
  }
  return {};
}

Result<void> BenchSession::decode_tokens(const BenchCase& c, int tokens) {
  for (int i = 0; i < tokens; i++) {
    SAMBAY_TRY_VOID(check_stop());
    for (size_t s = 0; s < tokens_.size(); s++) {
      const uint64_t bits = random_bits(static_cast<uint64_t>(i) * 1024 + s + 1);
      tokens_[s] = static_cast<TokenId>(bits % static_cast<uint64_t>(model_->info().vocab));
    }
    sequences_->decode(tokens_, logits(c.batch));
  }
  return {};
}

/// Touches what the first repetition would otherwise be the first to touch.
Result<void> BenchSession::warm_up(const BenchCase& c) {
  if (c.test == BenchTest::decode) return decode_tokens(c, 1);
  const size_t rows = std::min(tokens_.size(), static_cast<size_t>(o_.chunk));
  std::fill(tokens_.begin(), tokens_.end(), 0);
  sequences_->prefill({tokens_.data(), rows}, logits(1));
  return {};
}

Result<void> BenchSession::run_once(const BenchCase& c) {
  if (c.test == BenchTest::decode) return decode_tokens(c, c.tokens);
  SAMBAY_TRY_VOID(read_prompt(c));
  tokens_[0] = argmax(std::span(logits_).first(static_cast<size_t>(model_->info().vocab)));
  return {};
}

Result<BenchSession::Repetition> BenchSession::repetition(const BenchCase& c) {
  sequences_->start_at(c.depth, c.tokens);
  std::vector<Ceilings> seen = {probe_->sample()};
  ops_->start([&] { seen.push_back(probe_->sample()); });
  const auto start = Clock::now();
  const auto done = run_once(c);
  const double seconds = seconds_since(start) - ops_->paused_seconds();
  std::vector<OpTime> profile = ops_->times();
  ops_->start();  // nobody to call any more
  SAMBAY_TRY_VOID(done);
  seen.push_back(probe_->sample());
  return Repetition{seconds, mean_of(seen), std::move(profile)};
}

Result<BenchResult> BenchSession::measure(const BenchCase& c) {
  const bool prefill = c.test == BenchTest::prefill;
  const std::string what =
      fmt::format("{} threads, {} KV: {} of {} tokens at depth {}", threads_, dtype_info(kv_).name,
                  prefill ? "prefill" : "decode", c.tokens, c.depth);
  tell(what);
  SAMBAY_TRY_VOID(prepare(c));
  SAMBAY_TRY_VOID(warm_up(c));
  std::vector<Repetition> repetitions;
  const OtherCpu others;
  for (int r = 0; r < o_.repetitions; r++) {
    tell(fmt::format("{}, {} of {}", what, r + 1, o_.repetitions));
    SAMBAY_TRY(Repetition done, repetition(c), "measuring");
    repetitions.push_back(std::move(done));
  }
  BenchResult result = summarize(c, repetitions);
  result.other_cpu = others.share();
  result.peak_bytes = std::max(load_peak_, resident_bytes() - probe_->bytes());
  return result;
}

BenchResult BenchSession::summarize(const BenchCase& c, const std::vector<Repetition>& repetitions) const {
  const bool prefill = c.test == BenchTest::prefill;
  const double tokens = static_cast<double>(c.tokens) * c.batch;
  // Work of all tokens of a repetition; that of a step is taken in the middle.
  Work work = prefill ? work_->prefill(c.tokens, o_.chunk)
                      : work_->decode_step(c.batch, c.depth + 0.5 * (c.tokens - 1), kv_);
  if (!prefill) work = {work.bytes * c.tokens, work.int8 * c.tokens, work.f32 * c.tokens};

  BenchResult result;
  result.test = prefill ? "prefill" : "decode";
  result.kv = kv_;
  result.threads = threads_;
  result.prompt = c.prompt, result.depth = c.depth, result.batch = c.batch, result.tokens = c.tokens;
  std::vector<double> rates;
  for (const Repetition& r : repetitions) rates.push_back(tokens / r.seconds);
  result.tokens_per_s = spread_of(std::move(rates));
  if (prefill) result.ttft_ms = 1e3 * median_of(repetitions, [](const Repetition& r) { return r.seconds; });
  result.bytes_per_token = work.bytes / tokens;
  result.multiply_adds_per_token = work.multiply_adds() / tokens;
  result.ceilings = {median_of(repetitions, [](const Repetition& r) { return r.ceilings.read_bytes; }),
                     median_of(repetitions, [](const Repetition& r) { return r.ceilings.int8; }),
                     median_of(repetitions, [](const Repetition& r) { return r.ceilings.f32; })};
  result.bandwidth_share = median_of(
      repetitions, [&](const Repetition& r) { return work.bytes / r.seconds / r.ceilings.read_bytes; });
  result.arithmetic_share = median_of(repetitions, [&](const Repetition& r) {
    return (work.int8 / r.ceilings.int8 + work.f32 / r.ceilings.f32) / r.seconds;
  });
  // The profile is that of the repetition in the middle, as the speed is.
  std::vector<const Repetition*> by_time;
  for (const Repetition& r : repetitions) by_time.push_back(&r);
  std::ranges::sort(by_time, {}, [](const Repetition* r) { return r->seconds; });
  const Repetition& middle = *by_time[by_time.size() / 2];
  result.profile = middle.profile;
  result.profile_seconds = middle.seconds;
  result.planned_bytes = plan_memory(subject_.footprint, c.memory(kv_, o_.chunk, threads_)).total();
  return result;
}

}  // namespace sambay
