#include "eval/divergence.h"

#include <fmt/core.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "eval/teacher_forced.h"
#include "formats/checkpoint.h"
#include "model/sambay_config.h"
#include "ops/ops.h"
#include "sambay/text.h"
#include "text/tokenizer_data.h"

namespace sambay {
namespace {

/// A conversation with its solution, and where the solution begins.
struct Solved {
  std::vector<TokenId> ids;
  size_t first = 0;
};

/// Turns problems into ids as the reference's tokenizer has them.
class Solver {
 public:
  static Result<Solver> open(const Checkpoint& checkpoint, int vocab) {
    Solver solver;
    SAMBAY_TRY(TokenizerData data, load_tokenizer_data(checkpoint), "loading tokenizer");
    auto recognized = ChatTemplate::recognize(data.chat_template);
    if (!recognized) return tl::unexpected(std::move(recognized).error());
    solver.template_ = *std::move(recognized);
    SAMBAY_TRY(solver.tokenizer_, build_tokenizer(std::move(data), checkpoint.name(), vocab),
               "loading tokenizer");
    return solver;
  }
  Result<Solved> solve(const Problem& problem) const {
    if (!problem.thinking)
      return fail(ErrorCode::invalid_argument,
                  "has no expected work ('thinking'), along which the divergence is measured");
    Solved out;
    SAMBAY_TRY(const auto prompt, template_.encode(*tokenizer_, problem.messages), "prompt");
    std::vector<ChatMessage> messages = problem.messages;
    messages.push_back({"assistant", "<think>" + *problem.thinking + "</think>" + problem.answer});
    SAMBAY_TRY(out.ids, template_.encode(*tokenizer_, messages, ChatEnding::closed), "solution");
    // Behind the end of the turn there may be an end of text, which nobody has to write.
    const std::optional<TokenId> end = tokenizer_->added_token("<|end|>");
    while (!out.ids.empty() && end && out.ids.back() != *end) out.ids.pop_back();
    out.first = prompt.size();
    return out;
  }

 private:
  ChatTemplate template_;
  std::unique_ptr<Tokenizer> tokenizer_;
};

void compare(const TeacherForced& reference, const TeacherForced& model, int rows, Divergence& sum) {
  for (int i = 0; i < rows; i++) sum.add(LogitRow(reference.row(i)), LogitRow(model.row(i)));
}

/// One conversation through all models, side by side.
void measure(const Solved& solved, TeacherForced& reference, std::span<TeacherForced> models,
             std::span<Divergence> sums) {
  reference.begin();
  for (TeacherForced& model : models) model.begin();
  // Row i decides about token i + 1; nobody asks what follows the last token.
  const size_t count = solved.ids.size() - 1;
  for (size_t at = 0; at < count;) {
    const size_t rows = std::min<size_t>(TeacherForced::kRows, count - at);
    const size_t first_wanted = std::clamp(solved.first - 1, at, at + rows);
    const int wanted = static_cast<int>(at + rows - first_wanted);
    const auto tokens = std::span(solved.ids).subspan(at, rows);
    reference.feed(tokens, wanted);
    for (size_t m = 0; m < models.size(); m++) {
      models[m].feed(tokens, wanted);
      compare(reference, models[m], wanted, sums[m]);
    }
    at += rows;
  }
}

using SharedCheckpoint = std::shared_ptr<const Checkpoint>;

Result<SharedCheckpoint> open_checkpoint(const std::string& path) {
  SAMBAY_TRY(Checkpoint opened, Checkpoint::open(path), "loading model");
  return std::make_shared<const Checkpoint>(std::move(opened));
}

/// All models side by side, held against the limit.
Result<void> check_all(const DivergenceOptions& options, const Checkpoint& reference,
                       std::span<const SharedCheckpoint> models, int positions) {
  const MemoryRequest request = TeacherForced::memory_request(DType::f32, positions, options.threads);
  SAMBAY_TRY(const ModelFootprint footprint, model_footprint(reference), "reference");
  MemoryPlan plan = plan_memory(footprint, request);
  for (const SharedCheckpoint& model : models) {
    SAMBAY_TRY(const ModelFootprint other, model_footprint(*model), model->name());
    add_model(plan, plan_memory(other, request));
  }
  return check_memory(plan, options.memory_limit);
}

}  // namespace

Result<std::vector<Divergence>> measure_divergence(const DivergenceOptions& options,
                                                   std::span<const Problem> problems) {
  SAMBAY_TRY(const std::unique_ptr<Ops> ops, make_cpu_ops({options.threads, options.isa}), "starting");
  SAMBAY_TRY(const auto checkpoint, open_checkpoint(options.reference), "reference");
  SAMBAY_TRY(const SambaYConfig config, load_sambay_config(*checkpoint), "loading model");
  SAMBAY_TRY(const Solver solver, Solver::open(*checkpoint, config.vocab), options.reference);
  std::vector<Solved> solved;
  size_t longest = 1;
  for (const Problem& problem : problems) {
    SAMBAY_TRY(Solved one, solver.solve(problem), problem.key);
    longest = std::max(longest, one.ids.size());
    solved.push_back(std::move(one));
  }
  const int positions = static_cast<int>(longest);
  std::vector<SharedCheckpoint> checkpoints;
  for (const std::string& path : options.models) {
    SAMBAY_TRY(checkpoints.emplace_back(), open_checkpoint(path), path);
  }
  SAMBAY_TRY_VOID(check_all(options, *checkpoint, checkpoints, positions));
  SAMBAY_TRY(TeacherForced reference, TeacherForced::open(checkpoint, *ops, DType::f32, positions),
             "reference");
  std::vector<TeacherForced> models;
  for (size_t i = 0; i < checkpoints.size(); i++) {
    const std::string& path = options.models[i];
    SAMBAY_TRY(TeacherForced model, TeacherForced::open(checkpoints[i], *ops, DType::f32, positions), path);
    if (model.vocab() != reference.vocab())
      return fail(ErrorCode::unsupported, fmt::format("{}: a vocabulary of {} tokens; the reference has {}",
                                                      path, model.vocab(), reference.vocab()));
    models.push_back(std::move(model));
  }
  std::vector<Divergence> sums(models.size());
  for (size_t i = 0; i < solved.size(); i++) {
    if (options.should_stop && options.should_stop()) return fail(ErrorCode::cancelled, "interrupted");
    measure(solved[i], reference, models, sums);
    if (options.progress) options.progress(i + 1, solved.size());
  }
  return sums;
}

}  // namespace sambay
