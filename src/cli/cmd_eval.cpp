// sambay eval
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "base/atomic_file.h"
#include "cli/command.h"
#include "cli/embedded.h"
#include "cli/isa_option.h"
#include "cli/memory_option.h"
#include "cli/output.h"
#include "cli/progress_line.h"
#include "eval/card.h"
#include "eval/scores.h"
#include "formats/checkpoint.h"
#include "tools/info.h"

namespace sambay {
namespace {

constexpr const char* kExamples = R"(Examples:
  sambay eval pocket                                  the model inside the program, all families
  sambay eval pocket --family add --family div --limit 50 --failures
  sambay eval pocket -m models/pocket --card models/pocket/card.json

A problem's answer is right when it is exactly the expected one. Its work is right when it is the expected
work, or when every line of arithmetic is right by itself, the others are as expected, and the last line
gives the answer. Low scores are a result, not an error: the status is 0.)";

struct EvalCommand {
  EvalOptions eval;
  std::string problems, card;
  std::vector<std::string> families, types = {"f32", "f16", "bf16", "q8_0"};
  int limit = 0;
  bool json = false, failures = false;
};

Result<ProblemSet> open_problems(const EvalCommand& o) {
  if (!o.problems.empty()) return read_problems(o.problems);
  const auto bytes = problems_in_program();
  if (bytes.empty())
    return fail(ErrorCode::not_found, "this build carries no problems; give a file with --problems");
  return parse_problems({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, "embedded problems");
}

Result<int> make_card(const EvalCommand& o, const ProblemSet& set, const std::vector<Problem>& problems) {
  CardOptions options;
  options.eval = o.eval;
  options.scratch_beside = o.card;
  options.should_stop = interrupted;
  for (const std::string& type : o.types) options.types.push_back(*type_mix_from_name(type));
  ProgressLine line;
  options.progress = [&](const std::string& text) { line.show(text); };
  SAMBAY_TRY(const QualityCard card, make_quality_card(options, set, problems), "eval");
  SAMBAY_TRY_VOID(write_quality_card(card, o.card));
  line.clear();
  SAMBAY_TRY_VOID(write_stdout(o.json ? quality_card_json(card, false) : format_quality_card(card)));
  return 0;
}

/// The card that the model has may be replaced: it is what --card is for.
Result<void> check_card_path(const EvalCommand& o) {
  std::vector<std::string> inputs = checkpoint_files(o.eval.model);
  std::erase_if(inputs, [](const std::string& file) { return file.ends_with("/card.json"); });
  inputs.push_back(o.problems);
  return refuse_output_over_input("--card", o.card, inputs);
}

Result<int> eval(const EvalCommand& o) {
  if (!o.card.empty()) SAMBAY_TRY_VOID(check_card_path(o));
  SAMBAY_TRY(const ProblemSet set, open_problems(o), "problems");
  SAMBAY_TRY(const std::vector<Problem> problems, choose_problems(set, o.families, o.limit), "eval");
  if (!o.card.empty()) return make_card(o, set, problems);
  ProgressLine line;
  EvalCallbacks callbacks;
  callbacks.should_stop = interrupted;
  callbacks.progress = [&](size_t done, size_t total, const std::string& family) {
    line.show(fmt::format("{} of {} problems ({})", done, total, family));
  };
  auto report = evaluate_problems(o.eval, problems, callbacks);
  line.clear();
  if (!report) return tl::unexpected(std::move(report).error());
  report->problems_seed = set.seed;
  report->split = set.split;
  if (o.json) {
    SAMBAY_TRY_VOID(write_stdout(scores_json(*report, o.failures)));
  } else {
    SAMBAY_TRY_VOID(write_stdout(format_scores(*report) + (o.failures ? format_failures(*report) : "")));
  }
  return 0;
}

}  // namespace

void add_eval(CLI::App& app, Action& action) {
  auto o = std::make_shared<EvalCommand>();
  CLI::App* group = app.add_subcommand("eval", "Measure how well a model does on problems");
  group->require_subcommand(1);
  CLI::App* cmd = group->add_subcommand("pocket", "Held-out problems of the families the small model knows");
  cmd->footer(kExamples);
  cmd->add_option("-m,--model", o->eval.model,
                  "Model: folder, .safetensors or GGUF (default: the embedded one)");
  cmd->add_option("--problems", o->problems, "JSON lines (default: those in the program)");
  cmd->add_option("--family", o->families, "Only this family; repeatable")->allow_extra_args(false);
  cmd->add_option("--limit", o->limit, "Only the first N problems of each family, 0 = all (0)");
  cmd->add_option("-n,--predict,--n-predict", o->eval.max_tokens, "Tokens of an answer at most (1024)");
  cmd->add_option("--parallel,--batch", o->eval.parallel, "Problems answered at once (16)");
  cmd->add_option("-t,--threads", o->eval.threads, "Threads (default: one per physical core)")
      ->check(CLI::Range(1, 1024));
  add_memory_option(*cmd, o->eval.memory_limit);
  add_isa_option(*cmd, o->eval.isa);
  cmd->add_flag("--json", o->json, "One JSON object");
  auto* failures = cmd->add_flag("--failures", o->failures, "Also every problem that went wrong");
  auto* card = cmd->add_option("--card", o->card,
                               "Evaluate every type of --types, compare each with the weights as they are, "
                               "and write a quality card; beside the weights it becomes part of the model")
                   ->excludes(failures);
  cmd->add_option("--types", o->types, "Types for --card, as in convert --type (f32,f16,bf16,q8_0)")
      ->delimiter(',')
      ->check(CLI::IsMember(mix_names()))
      ->needs(card);
  cmd->callback([&action, o] { action = [o] { return eval(*o); }; });
}

}  // namespace sambay
