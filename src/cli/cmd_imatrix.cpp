// sambay imatrix
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "cli/command.h"
#include "cli/isa_option.h"
#include "cli/memory_option.h"
#include "cli/progress_line.h"
#include "tools/imatrix.h"

namespace sambay {
namespace {

Result<int> run_imatrix(ImatrixOptions& options) {
  ProgressLine line;
  options.should_stop = interrupted;
  options.progress = [&](int64_t done, int64_t total) {
    line.show(fmt::format("{} of {} tokens", done, total));
  };
  const auto report = write_imatrix(options);
  line.clear();
  if (!report) return tl::unexpected(report.error());
  std::printf("%d matrices over %lld tokens: %s\n", report->matrices, static_cast<long long>(report->tokens),
              options.out_file.c_str());
  return 0;
}

}  // namespace

void add_imatrix(CLI::App& app, Action& action) {
  auto o = std::make_shared<ImatrixOptions>();
  CLI::App* cmd = app.add_subcommand(
      "imatrix", "Measure over a text which columns of the matrices matter, for sambay quantize --imatrix");
  cmd->add_option("model,-m,--model", o->model,
                  "Model: folder, .safetensors or GGUF (default: the embedded one)");
  cmd->add_option("--text", o->text_file, "The text, any UTF-8 file like what the model will see")
      ->required();
  cmd->add_option("-o,--out", o->out_file, "File to write (safetensors)")->required();
  cmd->add_option("-c,--chunk,--ctx-size", o->chunk, "Tokens that are read together (512)");
  cmd->add_option("--limit", o->limit, "Only the first N tokens of the text, 0 = all (0)")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 40));
  add_isa_option(*cmd, o->isa);
  cmd->add_option("-t,--threads", o->threads, "Threads (default: one per physical core)")
      ->check(CLI::Range(1, 1024));
  add_memory_option(*cmd, o->memory_limit);
  cmd->callback([&action, o] { action = [o]() -> Result<int> { return run_imatrix(*o); }; });
}

}  // namespace sambay
