// sambay convert, sambay quantize: the same work; the second asks for more and says more.
#include <fmt/core.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/convert_progress.h"
#include "cli/progress_line.h"
#include "convert/convert.h"

namespace sambay {
namespace {

struct ConvertCommand {
  ConvertOptions options;
  std::string type;
  std::vector<std::string> rules;
  bool all_matrices = false, json = false;
};

Result<int> run_convert(ConvertCommand& command) {
  ConvertOptions& options = command.options;
  options.type = *type_mix_from_name(command.type);
  for (const std::string& text : command.rules) {
    SAMBAY_TRY(TypeRule rule, parse_type_rule(text), "reading the rules");
    options.rules.push_back(std::move(rule));
  }
  ProgressLine line;
  options.progress = [&line](const ConvertProgress& progress) { show_conversion(line, progress); };
  options.should_stop = interrupted;
  const std::string name = options.model.empty() ? "embedded model" : options.model;
  if (isatty(2))  // elsewhere standard error is for errors: one line, or none
    std::fprintf(stderr, "converting %s to %s (%s)\n", name.c_str(), options.out_file.c_str(),
                 options.type.name);
  const auto start = std::chrono::steady_clock::now();
  const Result<ConvertReport> report = convert(options);
  line.clear();
  if (!report) return tl::unexpected(report.error());
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (command.json) {
    std::fputs(report_json(*report).c_str(), stdout);
  } else {
    if (command.all_matrices) std::fputs(format_matrices(*report).c_str(), stdout);
    std::fputs(format_report(*report).c_str(), stdout);
  }
  std::fprintf(stderr, "wrote and verified %s: %.2f MiB in %.1f s\n", options.out_file.c_str(),
               static_cast<double>(report->file_bytes) / 1048576.0, seconds);
  return 0;
}

/// What both commands have.
CLI::App* add_common(CLI::App& app, const char* name, const char* about,
                     const std::shared_ptr<ConvertCommand>& c) {
  CLI::App* cmd = app.add_subcommand(name, about);
  cmd->add_option("model,-m,--model", c->options.model,
                  "Model: folder, .safetensors or GGUF (default: the embedded one)");
  cmd->add_option("-o,--out", c->options.out_file,
                  "File to write; it appears, or replaces one that is there, when complete and verified")
      ->required();
  cmd->add_option("--type", c->type,
                  "Type of the matrices (default " + c->type + "); everything else becomes f32")
      ->check(CLI::IsMember(mix_names()));
  cmd->add_option("-t,--threads", c->options.threads, "Threads (default: one per physical core)")
      ->check(CLI::Range(1, 1024));
  return cmd;
}

}  // namespace

void add_convert(CLI::App& app, Action& action) {
  auto c = std::make_shared<ConvertCommand>();
  c->type = "bf16";
  CLI::App* cmd = add_common(app, "convert", "Write a model as one GGUF file", c);
  cmd->callback([&action, c] { action = [c]() -> Result<int> { return run_convert(*c); }; });
}

void add_quantize(CLI::App& app, Action& action) {
  auto c = std::make_shared<ConvertCommand>();
  c->type = "q4_k_m";
  c->all_matrices = true;
  CLI::App* cmd =
      add_common(app, "quantize", "Write a model with fewer bits per weight, as one GGUF file", c);
  cmd->add_option(
         "--rule", c->rules,
         "PATTERN=TYPE for some matrices, as in \"blk.*.ffn_down.weight=q6_k\"; the last that fits counts")
      ->allow_extra_args(false);
  cmd->add_option("--imatrix", c->options.importance_file,
                  "How much each column matters, from sambay imatrix: errors are weighted by it");
  cmd->add_flag("--json", c->json, "The report as JSON");
  cmd->callback([&action, c] { action = [c]() -> Result<int> { return run_convert(*c); }; });
}

}  // namespace sambay
