// sambay logits
#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "cli/command.h"
#include "cli/isa_option.h"
#include "cli/memory_option.h"
#include "tools/logits.h"

namespace sambay {

void add_logits(CLI::App& app, Action& action) {
  auto options = std::make_shared<LogitsOptions>();
  auto kv = std::make_shared<std::string>("f32");
  CLI::App* cmd =
      app.add_subcommand("logits", "Write a model's logits for given token ids, to compare engines");
  cmd->add_option("model,-m,--model", options->model,
                  "Model: folder, .safetensors or GGUF (default: the embedded one)");
  cmd->add_option("--ids", options->ids_file, "Token ids: a JSON array, or one per line")->required();
  cmd->add_option("-o,--out", options->out_file, "Where to write: a .safetensors file")->required();
  cmd->add_option("--greedy", options->greedy, "Continue with N tokens by argmax (stop tokens do not stop)");
  cmd->add_flag("--hidden", options->hidden, "Also write every layer's outputs and the recurrent states");
  cmd->add_flag("--last", options->last, "Only the last row, computed by the prefill shortcut");
  cmd->add_option("--kv,--cache-type", *kv, "Type of the KV cache (default f32)")
      ->check(CLI::IsMember({"f32", "f16", "q8_0"}));
  add_memory_option(*cmd, options->memory_limit);
  add_isa_option(*cmd, options->isa);
  cmd->add_option("-t,--threads", options->threads, "Threads (default: one per physical core)")
      ->check(CLI::Range(1, 1024));
  cmd->add_option("--chunk", options->chunk, "Rows per step (default 256); the numbers do not depend on it");
  cmd->callback([&action, options, kv] {
    action = [options, kv]() -> Result<int> {
      options->kv = *dtype_from_name(*kv);
      SAMBAY_TRY_VOID(write_logits(*options, interrupted));
      return 0;
    };
  });
}

}  // namespace sambay
