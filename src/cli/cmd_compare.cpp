// sambay compare
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "cli/command.h"
#include "cli/convert_progress.h"
#include "cli/memory_option.h"
#include "cli/output.h"
#include "cli/progress_line.h"
#include "eval/compare.h"

namespace sambay {
namespace {

constexpr const char* kExamples = R"(Examples:
  sambay compare phi4-mini-flash flash-q8_0.gguf --text wiki.txt --limit 20000
  sambay compare flash-q8_0.gguf --text wiki.txt --kv-b q8_0         one model, two types of KV cache
  sambay compare models/pocket --text README.md --type-b q8_0        converted on the way
  sambay compare --text README.md --isa-b scalar                     the model inside the program

Both read the text in pieces of -c tokens, each piece on its own, and predict every token but the first of a
piece. KL is that of B from A, so A is the one to trust.)";

struct CompareCommand {
  CompareOptions compare;
  std::string type_a, type_b, kv_a = "f16", kv_b = "f16";
  bool has_b = false, json = false;
};

Result<int> run_compare(CompareCommand& o) {
  CompareOptions& compare = o.compare;
  if (!o.has_b) compare.b.model = compare.a.model;
  compare.a.kv = *dtype_from_name(o.kv_a);
  compare.b.kv = *dtype_from_name(o.kv_b);
  if (!o.type_a.empty()) compare.a.type = type_mix_from_name(o.type_a);
  if (!o.type_b.empty()) compare.b.type = type_mix_from_name(o.type_b);
  ProgressLine line;
  compare.should_stop = interrupted;
  compare.progress = [&](int64_t done, int64_t total) {
    line.show(fmt::format("{} of {} tokens", done, total));
  };
  compare.converting = [&](const ConvertProgress& progress) { show_conversion(line, progress); };
  auto report = compare_models(compare);
  line.clear();
  if (!report) return tl::unexpected(std::move(report).error());
  SAMBAY_TRY_VOID(write_stdout(o.json ? comparison_json(*report) : format_comparison(*report)));
  return 0;
}

}  // namespace

void add_compare(CLI::App& app, Action& action) {
  auto o = std::make_shared<CompareCommand>();
  CLI::App* cmd = app.add_subcommand("compare", "How far two models' predictions of a text are apart");
  cmd->footer(kExamples);
  cmd->add_option("A", o->compare.a.model, "Model: folder, .safetensors or GGUF (default: the embedded one)");
  auto* b = cmd->add_option("B", o->compare.b.model, "The other one (default: A)");
  cmd->add_option("--text", o->compare.text_file, "The text, any UTF-8 file")->required();
  cmd->add_option("-c,--chunk,--ctx-size", o->compare.chunk, "Tokens in a piece (512)");
  cmd->add_option("--limit", o->compare.limit, "Only the first N tokens of the text, 0 = all (0)")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 40));
  cmd->add_option("-t,--threads", o->compare.threads, "Threads (default: one per physical core)")
      ->check(CLI::Range(1, 1024));
  add_memory_option(*cmd, o->compare.memory_limit);
  const auto side = [&](const std::string& name, CompareSide& of, std::string& kv, std::string& type) {
    const std::string letter = name == "A" ? "a" : "b";
    cmd->add_option("--kv-" + letter, kv, "Type of " + name + "'s KV cache: f32, f16 or q8_0 (f16)")
        ->check(CLI::IsMember({"f32", "f16", "q8_0"}));
    cmd->add_option("--isa-" + letter, of.isa, "Instruction set of " + name + " (default: best supported)");
    cmd->add_option("--type-" + letter, type,
                    "Convert " + name + " to this type first, in the folder for temporary files")
        ->check(CLI::IsMember(mix_names()));
  };
  side("A", o->compare.a, o->kv_a, o->type_a);
  side("B", o->compare.b, o->kv_b, o->type_b);
  cmd->add_flag("--json", o->json, "One JSON object");
  cmd->callback([&action, o, b] {
    o->has_b = b->count() > 0;
    action = [o] { return run_compare(*o); };
  });
}

}  // namespace sambay
