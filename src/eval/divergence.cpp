#include "eval/divergence.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>

#include "formats/checkpoint.h"
#include "model/model.h"
#include "model/sambay_config.h"
#include "ops/ops.h"
#include "sambay/text.h"
#include "text/tokenizer_data.h"
#include "tools/logits.h"
#include "tools/single_sequence.h"

namespace sambay {
namespace {

constexpr int kRows = 64;  // per step

/// log of the sum of exp, without overflow.
double log_sum_exp(std::span<const float> logits) {
  const double top = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float x : logits) sum += std::exp(x - top);
  return top + std::log(sum);
}

/// A model with one sequence that is fed text after text.
class TeacherForced {
 public:
  static Result<TeacherForced> open(const std::string& path, Ops& ops, int positions) {
    TeacherForced out;
    SAMBAY_TRY(Checkpoint opened, Checkpoint::open(path), "loading model");
    out.checkpoint_ = std::make_unique<Checkpoint>(std::move(opened));
    SAMBAY_TRY(out.model_, load_model(*out.checkpoint_, ops, {DType::f32}), "loading model");
    SAMBAY_TRY(SingleSequence sequence, SingleSequence::create(*out.model_, DType::f32, positions, kRows),
               "caches");
    out.sequence_ = std::make_unique<SingleSequence>(std::move(sequence));
    out.logits_.resize(static_cast<size_t>(kRows) * static_cast<size_t>(out.vocab()));
    return out;
  }
  const Checkpoint& checkpoint() const { return *checkpoint_; }
  int vocab() const { return model_->info().vocab; }
  void begin() { sequence_->skip_to(0); }
  /// Up to kRows tokens; logits of the last `wanted` rows.
  void feed(std::span<const TokenId> tokens, int wanted) {
    std::vector<int> rows(static_cast<size_t>(wanted));
    std::iota(rows.begin(), rows.end(), static_cast<int>(tokens.size()) - wanted);
    sequence_->run(tokens, rows, {logits_.data(), wanted, vocab()});
  }
  std::span<const float> row(int i) const {
    const auto width = static_cast<size_t>(vocab());
    return std::span(logits_).subspan(static_cast<size_t>(i) * width, width);
  }

 private:
  std::unique_ptr<Checkpoint> checkpoint_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<SingleSequence> sequence_;
  std::vector<float> logits_;
};

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
    Solved out;
    SAMBAY_TRY(const auto prompt, template_.encode(*tokenizer_, problem.messages), "prompt");
    std::vector<ChatMessage> messages = problem.messages;
    messages.push_back({"assistant", "<think>" + problem.thinking + "</think>" + problem.answer});
    SAMBAY_TRY(out.ids, template_.encode(*tokenizer_, messages, false), "solution");
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
  for (int i = 0; i < rows; i++) {
    sum.kl_sum += kl_divergence(reference.row(i), model.row(i));
    sum.same_first += argmax(reference.row(i)) == argmax(model.row(i));
    sum.tokens++;
  }
}

/// One conversation through all models, side by side.
void measure(const Solved& solved, TeacherForced& reference, std::span<TeacherForced> models,
             std::span<Divergence> sums) {
  reference.begin();
  for (TeacherForced& model : models) model.begin();
  // Row i decides about token i + 1; nobody asks what follows the last token.
  const size_t count = solved.ids.size() - 1;
  for (size_t at = 0; at < count;) {
    const size_t rows = std::min<size_t>(kRows, count - at);
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

}  // namespace

double kl_divergence(std::span<const float> p_logits, std::span<const float> q_logits) {
  const double p_log_sum = log_sum_exp(p_logits), q_log_sum = log_sum_exp(q_logits);
  double sum = 0;
  for (size_t i = 0; i < p_logits.size(); i++) {
    const double p_log = p_logits[i] - p_log_sum, q_log = q_logits[i] - q_log_sum;
    sum += std::exp(p_log) * (p_log - q_log);
  }
  return std::max(sum, 0.0);  // it is never negative; rounding may be
}

Result<std::vector<Divergence>> measure_divergence(const DivergenceOptions& options,
                                                   std::span<const Problem> problems) {
  SAMBAY_TRY(const std::unique_ptr<Ops> ops, make_cpu_ops({options.threads, options.isa}), "starting");
  SAMBAY_TRY(const Checkpoint checkpoint, Checkpoint::open(options.reference), "loading model");
  SAMBAY_TRY(const SambaYConfig config, load_sambay_config(checkpoint), "loading model");
  SAMBAY_TRY(const Solver solver, Solver::open(checkpoint, config.vocab), options.reference);
  std::vector<Solved> solved;
  size_t longest = 1;
  for (const Problem& problem : problems) {
    SAMBAY_TRY(Solved one, solver.solve(problem), problem.key);
    longest = std::max(longest, one.ids.size());
    solved.push_back(std::move(one));
  }
  const int positions = static_cast<int>(longest);
  SAMBAY_TRY(TeacherForced reference, TeacherForced::open(options.reference, *ops, positions), "reference");
  std::vector<TeacherForced> models;
  for (const std::string& path : options.models) {
    SAMBAY_TRY(TeacherForced model, TeacherForced::open(path, *ops, positions), path);
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
