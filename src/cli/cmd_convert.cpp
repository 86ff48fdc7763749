// sambay convert
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>

#include "cli/command.h"
#include "convert/convert.h"

namespace sambay {
namespace {

/// One line that is rewritten, on a terminal only.
class ProgressLine {
 public:
  void show(const ConvertProgress& progress) {
    if (!terminal_) return;
    const auto now = std::chrono::steady_clock::now();
    if (shown_ && now - last_ < std::chrono::milliseconds(100)) return;
    last_ = now;
    shown_ = true;
    std::fprintf(stderr, "\r%s %3d %% of %.1f MiB  %.*s\x1b[K", progress.verifying ? "verifying" : "writing",
                 static_cast<int>(100 * progress.done_bytes / progress.total_bytes),
                 static_cast<double>(progress.total_bytes) / 1048576.0,
                 static_cast<int>(std::min<size_t>(progress.tensor.size(), 40)), progress.tensor.data());
  }
  void clear() {
    if (shown_) std::fputs("\r\x1b[K", stderr);
    shown_ = false;
  }

 private:
  bool terminal_ = ::isatty(STDERR_FILENO) == 1;
  bool shown_ = false;
  std::chrono::steady_clock::time_point last_;
};

Result<int> run_convert(ConvertOptions& options) {
  ProgressLine line;
  options.progress = [&line](const ConvertProgress& progress) { line.show(progress); };
  options.should_stop = interrupted;
  const std::string name = options.model.empty() ? "embedded model" : options.model;
  if (isatty(2))  // elsewhere standard error is for errors: one line, or none
    std::fprintf(stderr, "converting %s to %s (%s)\n", name.c_str(), options.out_file.c_str(),
                 dtype_info(options.type).name);
  const auto start = std::chrono::steady_clock::now();
  const Result<ConvertReport> report = convert(options);
  line.clear();
  if (!report) return tl::unexpected(report.error());
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::fputs(format_report(*report).c_str(), stdout);
  std::fprintf(stderr, "wrote and verified %s: %.2f MiB in %.1f s\n", options.out_file.c_str(),
               static_cast<double>(report->file_bytes) / 1048576.0, seconds);
  return 0;
}

}  // namespace

void add_convert(CLI::App& app, Action& action) {
  auto options = std::make_shared<ConvertOptions>();
  auto type = std::make_shared<std::string>("bf16");
  CLI::App* cmd = app.add_subcommand("convert", "Write a model as one GGUF file");
  cmd->add_option("model,-m,--model", options->model,
                  "Model: folder, .safetensors or GGUF (default: the embedded one)");
  cmd->add_option("-o,--out", options->out_file,
                  "File to write; it appears, or replaces one that is there, when complete and verified")
      ->required();
  cmd->add_option("--type", *type, "Type of the matrices (default bf16); everything else becomes f32")
      ->check(CLI::IsMember({"f32", "f16", "bf16", "q8_0"}));
  cmd->add_option("-t,--threads", options->threads, "Threads (default: one per physical core)")
      ->check(CLI::Range(1, 1024));
  cmd->callback([&action, options, type] {
    action = [options, type]() -> Result<int> {
      options->type = *dtype_from_name(*type);
      return run_convert(*options);
    };
  });
}

}  // namespace sambay
