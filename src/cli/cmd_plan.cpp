// sambay plan
#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>

#include "cli/command.h"
#include "cli/memory_option.h"
#include "cli/output.h"
#include "tools/plan.h"

namespace sambay {
namespace {

constexpr const char* kExamples = R"(Examples:
  sambay plan flash-q8_0.gguf -c 65536
  sambay plan flash-q8_0.gguf --parallel 8 --kv q8_0 --memory 6G
  sambay plan --synthetic phi4-mini-flash --type q8_0 --json
  sambay plan flash-q4_k_m.gguf --parallel 64 --total-context auto --prefix-cache 512M --memory 4G

`sambay serve` with the same options needs the same bytes; its own defaults are --parallel 8 --prefix-cache 1G.

The bytes are those of a run whose contexts are full; pages of the model's file count, as they must stay in
memory for speed, though the system could drop them. Nothing but headers is read.)";

}  // namespace

void add_plan(CLI::App& app, Action& action) {
  struct PlanCommand {
    PlanOptions plan;
    std::string type = "q8_0", kv = "f16";
    std::optional<int64_t> prefix_cache;
    bool json = false;
  };
  auto o = std::make_shared<PlanCommand>();
  CLI::App* cmd = app.add_subcommand("plan", "How much memory a model needs, and what would fit");
  cmd->footer(kExamples);
  auto* model = cmd->add_option("model,-m,--model", o->plan.model,
                                "Model: folder, .safetensors or GGUF (default: the embedded one)");
  auto* synthetic = cmd->add_option("--synthetic", o->plan.synthetic,
                                    "The shapes of phi4-mini-flash or small, without a file")
                        ->excludes(model);
  cmd->add_option("--type", o->type, "Type of synthetic weights (q8_0)")
      ->check(CLI::IsMember(mix_names()))
      ->needs(synthetic);
  cmd->add_option("-c,--ctx-size", o->plan.context, "Context of each sequence (65536, or the model's limit)");
  cmd->add_option("--parallel", o->plan.parallel, "Sequences at once (1)");
  add_total_context_option(*cmd, o->plan.total_context);
  add_prefix_cache_option(*cmd, o->prefix_cache);
  cmd->add_option("--kv,--cache-type", o->kv, "Type of the KV cache: f32, f16 or q8_0 (f16)")
      ->check(CLI::IsMember({"f32", "f16", "q8_0"}));
  cmd->add_option("--chunk,--ubatch-size", o->plan.chunk, "Prompt tokens per step (256)");
  cmd->add_option("-t,--threads", o->plan.threads, "Threads (default: one per physical core)")
      ->check(CLI::Range(1, 1024));
  add_memory_option(*cmd, o->plan.memory_limit)
      ->description("Also say what fits in this: 3.5G, 800M, 2GB, bytes");
  cmd->add_flag("--json", o->json, "One JSON object");
  cmd->callback([&action, o] {
    action = [o]() -> Result<int> {
      o->plan.type = *type_mix_from_name(o->type);
      o->plan.kv = *dtype_from_name(o->kv);
      o->plan.prefix_cache_bytes = o->prefix_cache.value_or(0);
      const Result<PlanReport> report = make_plan(o->plan);
      if (!report) return tl::unexpected(report.error());
      SAMBAY_TRY_VOID(write_stdout(o->json ? plan_json(*report) : format_plan(*report)));
      return 0;
    };
  });
}

}  // namespace sambay
