#include "cli/llama_flags.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace sambay {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 11> kLongNames = {{
    {"-np", "--parallel"},
    {"-ub", "--ubatch-size"},
    {"-to", "--timeout"},
    {"-ctk", "--cache-type-k"},
    {"-ctv", "--cache-type-v"},
    {"-cram", "--cache-ram"},
    {"-hf", "--hf-repo"},
    {"-hfr", "--hf-repo"},
    {"-mu", "--model-url"},
    {"-sp", "--special"},
    {"-lcs", "--lookup-cache-static"},
}};

struct Ignored {
  std::string_view names;  // separated by blanks
  int values;              // how many arguments follow; -1: one, if it does not begin with '-'
  std::string_view why;
};

constexpr std::array kIgnored = {
    Ignored{"-cb --cont-batching -nocb --no-cont-batching", 0, "batching is always continuous"},
    Ignored{
        "-ngl --gpu-layers --n-gpu-layers -sm --split-mode -mg --main-gpu -ts --tensor-split -dev --device",
        1, "this program computes on the CPU"},
    Ignored{"--mlock --mmap --no-mmap -nkvo --no-kv-offload --no-host --swa-full -kvu --kv-unified "
            "-no-kvu --no-kv-unified -fit --no-repack --repack",
            0, "memory is laid out by its own plan"},
    Ignored{"-fa --flash-attn", -1, "there is one way to compute attention"},
    Ignored{"-b --batch-size", 1, "--ubatch-size says how many prompt tokens a step reads"},
    Ignored{"-tb --threads-batch", 1, "--threads holds for everything"},
    Ignored{"--threads-http", 1, "a connection needs no thread"},
    Ignored{"--jinja --no-jinja", 0, "the template's family is recognized"},
    Ignored{"--embedding --embeddings", 0, "/v1/embeddings is always there"},
    Ignored{"--props --webui --ui", 0, "it is always there"},
    Ignored{"--context-shift --no-context-shift", 0, "a full context ends the answer"},
    Ignored{"--cache-reuse --pooling --numa --poll --prio -lv --verbosity --log-verbosity --log-file "
            "--slot-prompt-similarity -sps --cache-prompt --defrag-thold -dt --seed-batch",
            1, "it has no meaning here"},
    Ignored{"-v --verbose --log-verbose --log-disable --log-colors --log-prefix --log-timestamps "
            "--no-warmup --warmup --offline --no-perf --perf",
            0, "it has no meaning here"},
};

const Ignored* find_ignored(std::string_view name) {
  for (const Ignored& ignored : kIgnored) {
    for (std::string_view rest = ignored.names; !rest.empty();) {
      const size_t end = std::min(rest.find(' '), rest.size());
      if (rest.substr(0, end) == name) return &ignored;
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  return nullptr;
}

}  // namespace

std::vector<std::string> translate_llama_flags(const std::vector<std::string>& arguments,
                                               std::vector<std::string>& notices) {
  std::vector<std::string> out;
  for (size_t i = 0; i < arguments.size(); i++) {
    const std::string& argument = arguments[i];
    const size_t equals = argument.starts_with("--") ? argument.find('=') : std::string::npos;
    const std::string name = argument.substr(0, equals);
    if (const Ignored* ignored = find_ignored(name)) {
      notices.push_back(name + " is ignored: " + std::string(ignored->why));
      const bool has_next = i + 1 < arguments.size();
      const bool takes =
          ignored->values == 1 || (ignored->values < 0 && has_next && !arguments[i + 1].starts_with('-'));
      if (takes && has_next && equals == std::string::npos) i++;
      continue;
    }
    const auto known = std::find_if(kLongNames.begin(), kLongNames.end(),
                                    [&](const auto& n) { return n.first == argument; });
    out.push_back(known == kLongNames.end() ? argument : std::string(known->second));
  }
  return out;
}

}  // namespace sambay
