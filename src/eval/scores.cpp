#include "eval/scores.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <memory>

#include "base/printable.h"
#include "formats/checkpoint.h"
#include "model/memory_plan.h"
#include "sambay/sambay.h"
#include "text/tokenizer_memory.h"
#include "tools/work_check.h"

namespace sambay {
namespace {

constexpr int kMaxContext = 4096;  // more than any problem needs; a large model would reserve far more

/// A fitting context without asking for one that the model does not have, if the memory allows it.
Result<int> choose_context(const EvalOptions& options) {
  SAMBAY_TRY(const Checkpoint checkpoint, Checkpoint::open(options.model), "loading model");
  SAMBAY_TRY(const ModelFootprint footprint, model_footprint(checkpoint), "loading model");
  const int context = std::min(kMaxContext, footprint.max_context);
  MemoryRequest request =
      answering_request(DType::f16, options.parallel, context, EngineOptions().chunk, options.threads);
  request.tokenizer_bytes = tokenizer_memory(checkpoint, footprint.vocab);
  // The engine would refuse too, but advise what this command does not have.
  SAMBAY_TRY_VOID(check_memory(footprint, request, options.memory_limit, {nullptr, nullptr, "--parallel"}));
  return context;
}

/// What one generation wrote.
struct Written {
  std::string thinking, answer;
  FinishReason finish = FinishReason::failed;
  int tokens = 0;
};

class Evaluation {
 public:
  Evaluation(const EvalOptions& options, Engine& engine, const EvalCallbacks& callbacks, size_t total)
      : options_(options), engine_(engine), callbacks_(callbacks), total_(total) {}

  /// One family; all its problems are through the engine when it returns, so that its time is its own.
  Result<void> run(std::span<const Problem> problems, EvalReport& report) {
    const auto start = std::chrono::steady_clock::now();
    FamilyScore score;
    score.family = problems.front().family;
    score.problems = static_cast<int64_t>(problems.size());
    std::deque<std::pair<const Problem*, Generation>> running;
    // As many wait as run, so that a slow answer at the head leaves no place empty.
    const auto most = 2 * static_cast<size_t>(options_.parallel);
    for (size_t next = 0; next < problems.size() || !running.empty();) {
      while (next < problems.size() && running.size() < most) {
        const Problem& problem = problems[next++];
        SAMBAY_TRY(Generation generation, submit(problem), problem.key);
        running.emplace_back(&problem, std::move(generation));
      }
      const Problem& problem = *running.front().first;
      auto written = collect(running.front().second);
      if (!written && written.error().code == ErrorCode::cancelled)
        return tl::unexpected(std::move(written).error());
      if (!written) return tl::unexpected(std::move(written).error().during(problem.key));
      judge(problem, *written, score, report);
      running.pop_front();
      if (callbacks_.progress) callbacks_.progress(++done_, total_, score.family);
    }
    score.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    report.families.push_back(std::move(score));
    return {};
  }

 private:
  Result<Generation> submit(const Problem& problem) {
    Request request;
    SAMBAY_TRY(request.prompt, engine_.chat_template()->encode(*engine_.tokenizer(), problem.messages),
               "prompt");
    request.sampling = engine_.default_sampling();
    request.sampling.temperature = 0;
    request.max_tokens = options_.max_tokens;
    return engine_.submit(std::move(request));
  }

  Result<Written> collect(Generation& generation) const {
    Written written;
    ReasoningSplitter splitter;
    const auto take = [&](const std::vector<ReasoningSplitter::Piece>& pieces) {
      for (const auto& piece : pieces) (piece.reasoning ? written.thinking : written.answer) += piece.text;
    };
    while (const auto event = generation.next()) {
      if (callbacks_.should_stop && callbacks_.should_stop())
        return fail(ErrorCode::cancelled, "interrupted");
      take(splitter.push(event->text));
      if (event->error) return tl::unexpected(*event->error);
      written.tokens = event->usage.completion_tokens;
      if (event->finish) written.finish = *event->finish;
    }
    take(splitter.finish());
    // Line feeds between thinking and answer belong to neither, as `sambay run` has it.
    if (!written.thinking.empty())
      written.answer.erase(0, std::min(written.answer.find_first_not_of("\r\n"), written.answer.size()));
    return written;
  }

  static void judge(const Problem& problem, const Written& written, FamilyScore& score, EvalReport& report) {
    const bool ended = written.finish == FinishReason::stop;
    EvalFailure failure{&problem,
                        written.thinking,
                        written.answer,
                        ended && problem.accepts(written.answer),
                        problem.thinking ? work_fault(written.thinking, *problem.thinking, problem.answer)
                                         : arithmetic_fault(written.thinking),
                        ended ? "" : std::string(to_string(written.finish))};
    const bool work_right = failure.work_fault.empty();
    score.answer_right += failure.answer_right;
    score.work_right += work_right;
    score.both_right += failure.answer_right && work_right;
    score.tokens += written.tokens;
    if (!failure.answer_right || !work_right) report.failures.push_back(std::move(failure));
  }

  const EvalOptions& options_;
  Engine& engine_;
  const EvalCallbacks& callbacks_;
  size_t done_ = 0, total_;
};

Result<std::unique_ptr<Engine>> open_engine(const EvalOptions& options) {
  if (options.parallel < 1 || options.parallel > 1024)
    return fail(ErrorCode::invalid_argument,
                fmt::format("--parallel {}: must be 1 to 1024", options.parallel));
  if (options.max_tokens < 1)
    return fail(ErrorCode::invalid_argument,
                fmt::format("-n {}: must be 1 or more tokens", options.max_tokens));
  EngineOptions engine;
  engine.model = options.model;
  engine.threads = options.threads;
  engine.isa = options.isa;
  engine.max_sequences = options.parallel;
  engine.max_queue = options.parallel;
  SAMBAY_TRY(engine.max_context, choose_context(options), "eval");
  SAMBAY_TRY(std::unique_ptr<Engine> opened, Engine::open(engine), "eval");
  if (!opened->tokenizer())
    return fail(ErrorCode::unsupported,
                "this model has no tokenizer, without which it cannot read problems; put tokenizer.json "
                "beside its weights");
  if (!opened->chat_template()) return tl::unexpected(opened->chat_template().error());
  return opened;
}

}  // namespace

FamilyScore EvalReport::total() const {
  FamilyScore sum;
  sum.family = "all";
  for (const FamilyScore& family : families) {
    sum.problems += family.problems;
    sum.answer_right += family.answer_right;
    sum.work_right += family.work_right;
    sum.both_right += family.both_right;
    sum.tokens += family.tokens;
    sum.seconds += family.seconds;
  }
  return sum;
}

Result<std::vector<Problem>> choose_problems(const ProblemSet& set, std::span<const std::string> families,
                                             int limit) {
  if (limit < 0)
    return fail(ErrorCode::invalid_argument,
                fmt::format("--limit {}: must be 1 or more, or 0 for all", limit));
  std::vector<std::string> names;
  for (const Problem& problem : set.problems)
    if (std::find(names.begin(), names.end(), problem.family) == names.end()) names.push_back(problem.family);
  for (const std::string& family : families)
    if (std::find(names.begin(), names.end(), family) == names.end())
      return fail(ErrorCode::invalid_argument,
                  fmt::format("--family: no problems of family '{}'; there are {}", printable(family),
                              fmt::join(names, ", ")));
  std::vector<Problem> chosen;
  for (const std::string& name : names) {
    if (!families.empty() && std::find(families.begin(), families.end(), name) == families.end()) continue;
    int count = 0;
    for (const Problem& problem : set.problems)
      if (problem.family == name && (limit == 0 || count++ < limit)) chosen.push_back(problem);
  }
  return chosen;
}

Result<EvalReport> evaluate_problems(const EvalOptions& options, std::span<const Problem> problems,
                                     const EvalCallbacks& callbacks) {
  SAMBAY_TRY(const std::unique_ptr<Engine> engine, open_engine(options), "eval");
  EvalReport report;
  report.model = engine->info().model_name;
  Evaluation evaluation(options, *engine, callbacks, problems.size());
  for (size_t first = 0; first < problems.size();) {
    size_t last = first;
    while (last < problems.size() && problems[last].family == problems[first].family) last++;
    SAMBAY_TRY_VOID(evaluation.run(problems.subspan(first, last - first), report));
    first = last;
  }
  return report;
}

}  // namespace sambay
