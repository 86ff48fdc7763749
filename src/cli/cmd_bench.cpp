// sambay bench
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "cli/command.h"
#include "cli/memory_option.h"
#include "tools/bench.h"

namespace sambay {

void add_bench(CLI::App& app, Action& action) {
  auto options = std::make_shared<BenchOptions>();
  auto type = std::make_shared<std::string>("q8_0");
  auto kv = std::make_shared<std::string>("f16");
  auto json = std::make_shared<bool>(false);
  CLI::App* cmd = app.add_subcommand("bench", "Measure prefill and decode speed beside the memory bandwidth");
  auto* model = cmd->add_option("model,-m,--model", options->model,
                                "Model: folder, .safetensors or GGUF (default: the embedded one)");
  cmd->add_option("--synthetic", options->synthetic,
                  "Random weights at the shapes of: phi4-mini-flash, small")
      ->excludes(model);
  cmd->add_option("--type", *type, "Type of synthetic weights (default q8_0)")
      ->check(CLI::IsMember(mix_names()));
  cmd->add_option("-p,--n-prompt", options->prompt, "Prompt tokens (default 512; 0 = no prefill test)");
  cmd->add_option("-n,--n-gen", options->generate, "Generated tokens (default 64; 0 = no decode test)");
  cmd->add_option("-d,--n-depth", options->depth, "Context before the decode test (default 0)");
  cmd->add_option("-r,--repetitions", options->repetitions, "Repetitions (default 3)");
  cmd->add_option("-t,--threads", options->threads, "Threads (default: one per physical core)")
      ->check(CLI::Range(1, 1024));
  cmd->add_option("--kv,--cache-type", *kv, "Type of the KV cache (default f16)")
      ->check(CLI::IsMember({"f32", "f16", "q8_0"}));
  add_memory_option(*cmd, options->memory_limit);
  cmd->add_option("--isa", options->isa, "Instruction set: avx2 or scalar (default: best supported)");
  cmd->add_option("--chunk,--ubatch-size", options->chunk, "Prompt rows per step (default 256)");
  cmd->add_flag("--json", *json, "JSON Lines, one object per result");
  cmd->callback([&action, options, type, kv, json] {
    action = [options, type, kv, json]() -> Result<int> {
      options->type = *type_mix_from_name(*type);
      options->kv = *dtype_from_name(*kv);
      const bool terminal = isatty(2) != 0;
      const auto progress = [&](const std::string& line) {
        if (terminal) std::fprintf(stderr, "\r\033[K%s", line.c_str());
      };
      auto report = run_bench(*options, progress, interrupted);
      if (terminal) std::fputs("\r\033[K", stderr);
      if (!report) return tl::unexpected(std::move(report).error());
      const std::string text = *json ? to_json_lines(*report) : to_table(*report);
      if (std::fputs(text.c_str(), stdout) < 0 || std::fflush(stdout) != 0)
        return fail(ErrorCode::io, "writing to standard output failed");
      return 0;
    };
  });
}

}  // namespace sambay
