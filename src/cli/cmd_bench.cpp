// sambay bench
#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "cli/command.h"
#include "cli/isa_option.h"
#include "cli/memory_option.h"
#include "cli/output.h"
#include "cli/progress_line.h"
#include "tools/bench.h"
#include "tools/bench_plan.h"
#include "tools/bench_plot.h"
#include "tools/ceilings.h"

namespace sambay {
namespace {

constexpr const char* kExamples = R"(Examples:
  sambay bench flash-q4_0.gguf -p 512 -n 64 -d 0,4096,32768
  sambay bench --synthetic phi4-mini-flash --type q4_k_m -p 0 -n 32 --batch 1,4,16 --kv f16,q8_0
  sambay bench --synthetic phi4-mini-flash --type q4_0 --long 2048:32768 --concurrency 16
  sambay bench limits                                  what this machine could do at most
  sambay bench serve --concurrency 1,8                 a load on a server
  sambay bench ... --csv > run.csv; sambay bench plot run.csv -o run.svg --kind depth

-p, -n, -d, --batch, -t and --kv take lists (128,512); every combination is run. `read` is the share of the
memory's bandwidth, `arith` that of the multiplications: int8 for block-quantized weights, f32 for others;
both as they were in the course of the run.)";

struct BenchCommand {
  BenchOptions bench;
  std::string type = "q8_0", prompts = "512", generate = "64", depths = "0", batches = "1", threads,
              kv = "f16";
  std::string long_run;
  int concurrency = 1;
  bool json = false, csv = false, profile = false;
};

Result<void> read_lists(BenchCommand& c) {
  constexpr int kMost = 1 << 20;
  BenchOptions& o = c.bench;
  SAMBAY_TRY(o.prompts, parse_counts("-p", c.prompts, 0, kMost), "bench");
  SAMBAY_TRY(o.generate, parse_counts("-n", c.generate, 0, kMost), "bench");
  SAMBAY_TRY(o.depths, parse_counts("-d", c.depths, 0, kMost), "bench");
  SAMBAY_TRY(o.batches, parse_counts("--batch", c.batches, 1, 1024), "bench");
  if (!c.threads.empty()) {
    SAMBAY_TRY(o.threads, parse_counts("-t", c.threads, 1, 1024), "bench");
  }
  SAMBAY_TRY(o.kvs, parse_kv_types("--kv", c.kv), "bench");
  if (!c.long_run.empty()) {
    SAMBAY_TRY(o.long_run, parse_long_run(c.long_run), "bench");
    o.long_run->concurrency = c.concurrency;
  }
  o.type = *type_mix_from_name(c.type);
  return {};
}

Result<int> run(BenchCommand& c) {
  SAMBAY_TRY_VOID(read_lists(c));
  ProgressLine line;
  BenchEvents events;
  BenchModel model;
  events.should_stop = interrupted;
  events.progress = [&](const std::string& text) { line.show(text); };
  events.loaded = [&](const BenchModel& m) -> Result<void> {
    model = m;
    line.clear();
    return write_stdout(c.json ? "" : c.csv ? bench_csv_head() : bench_table_head(m));
  };
  events.result = [&](const BenchModel& m, const BenchResult& r) -> Result<void> {
    line.clear();
    const bool show_profile = c.profile && !r.profile.empty();
    if (c.json) return write_stdout(bench_json_row(m, r, show_profile));
    if (c.csv) return write_stdout(bench_csv_row(m, r));
    return write_stdout(bench_table_row(r) + (show_profile ? bench_table_profile(r) : ""));
  };
  auto results = run_bench(c.bench, events);
  line.clear();
  if (!results) return tl::unexpected(std::move(results).error());
  if (!c.json && !c.csv) SAMBAY_TRY_VOID(write_stdout(bench_table_foot(model, *results)));
  return 0;
}

void add_limits(CLI::App& bench, Action& action) {
  struct Limits {
    LimitsOptions limits;
    bool json = false;
  };
  auto o = std::make_shared<Limits>();
  CLI::App* cmd = bench.add_subcommand(
      "limits", "What this machine could do at most: memory read, int8 and f32 multiply-adds");
  cmd->add_option("-t,--threads", o->limits.threads, "Threads, beside one (default: one per physical core)")
      ->check(CLI::Range(1, 1024));
  cmd->add_option("-r,--repetitions", o->limits.repetitions, "Repetitions (5)");
  cmd->add_flag("--json", o->json, "One JSON object");
  cmd->callback([&action, o] {
    action = [o]() -> Result<int> {
      ProgressLine line;
      const auto report =
          measure_limits(o->limits, [&](const std::string& text) { line.show(text); }, interrupted);
      line.clear();
      if (!report) return tl::unexpected(report.error());
      SAMBAY_TRY_VOID(write_stdout(o->json ? limits_json(*report) : format_limits(*report)));
      return 0;
    };
  });
}

void add_plot(CLI::App& bench, Action& action) {
  struct Plot {
    std::string csv, svg, kind = "depth";
  };
  auto o = std::make_shared<Plot>();
  CLI::App* cmd = bench.add_subcommand("plot", "A picture of what bench --csv measured");
  cmd->add_option("csv", o->csv, "Output of sambay bench --csv")->required();
  cmd->add_option("-o,--out", o->svg, "SVG file to write")->required();
  cmd->add_option("--kind", o->kind, "depth (tokens/s), latency (seconds) or roofline (depth)")
      ->check(CLI::IsMember({"depth", "latency", "roofline"}));
  cmd->callback([&action, o] {
    action = [o]() -> Result<int> {
      SAMBAY_TRY(const PlotKind kind, plot_kind(o->kind), "bench plot");
      SAMBAY_TRY_VOID(plot_bench_file(o->csv, o->svg, kind));
      return 0;
    };
  });
}

void add_options(CLI::App* cmd, BenchCommand& c) {
  BenchOptions& o = c.bench;
  auto* model = cmd->add_option("model,-m,--model", o.model,
                                "Model: folder, .safetensors or GGUF (default: the embedded one)");
  auto* synthetic =
      cmd->add_option("--synthetic", o.synthetic, "Random weights at the shapes of: phi4-mini-flash, small")
          ->excludes(model);
  cmd->add_option("--type", c.type, "Type of synthetic weights, as in convert --type (q8_0)")
      ->check(CLI::IsMember(mix_names()))
      ->needs(synthetic);
  auto* prompts = cmd->add_option("-p,--n-prompt", c.prompts, "Prompt tokens (512; 0 = no prefill test)");
  auto* generate = cmd->add_option("-n,--n-gen", c.generate, "Generated tokens (64; 0 = no decode test)");
  auto* depths = cmd->add_option("-d,--n-depth", c.depths, "Tokens of context before (0)");
  auto* batches = cmd->add_option("--batch", c.batches, "Sequences that decode in one step (1)");
  cmd->add_option("-t,--threads", c.threads, "Threads (one per physical core)");
  cmd->add_option("--kv,--cache-type", c.kv, "Type of the KV cache: f32, f16 or q8_0 (f16)");
  auto* long_run =
      cmd->add_option("--long", c.long_run,
                      "PROMPT:GENERATED tokens, as in 2048:32768: sampled along the way, integrated")
          ->excludes(prompts)
          ->excludes(generate)
          ->excludes(depths)
          ->excludes(batches);
  cmd->add_option("--concurrency", c.concurrency, "Sequences of --long at once (1)")->needs(long_run);
  cmd->add_option("-r,--repetitions", o.repetitions, "Repetitions (3)");
  add_isa_option(*cmd, o.isa);
  cmd->add_option("--chunk,--ubatch-size", o.chunk, "Prompt rows per step (256)");
  add_memory_option(*cmd, o.memory_limit);
  auto* json = cmd->add_flag("--json", c.json, "JSON Lines, one object per result");
  auto* csv = cmd->add_flag("--csv", c.csv, "CSV with a head line")->excludes(json);
  cmd->add_flag("--profile", c.profile, "Below each result: which operations took the time")->excludes(csv);
}

}  // namespace

void add_bench(CLI::App& app, Action& action) {
  auto c = std::make_shared<BenchCommand>();
  CLI::App* cmd =
      app.add_subcommand("bench", "Measure prefill and decode speed beside the machine's ceilings");
  cmd->footer(kExamples);
  add_options(cmd, *c);
  add_limits(*cmd, action);
  add_plot(*cmd, action);
  add_bench_serve(*cmd, action);
  cmd->callback([&action, c, cmd] {
    if (cmd->get_subcommands().empty()) action = [c] { return run(*c); };
  });
}

}  // namespace sambay
