#include "cli/llama_flags.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace sambay {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kLongNames = {{
    {"-np", "--parallel"},
    {"-ub", "--ubatch-size"},
    {"-to", "--timeout"},
    {"-ctk", "--cache-type-k"},
    {"-ctv", "--cache-type-v"},
    {"-cram", "--cache-ram"},
    {"-rea", "--reasoning"},
    {"--no-webui", "--no-ui"},
}};

struct Ignored {
  std::string_view names;  // separated by blanks
  int values;              // how many arguments follow; -1: one, if it does not begin with '-'
  std::string_view why;
};

constexpr std::array kIgnored = {
    Ignored{"-cb --cont-batching -nocb --no-cont-batching", 0, "batching is always continuous"},
    Ignored{
        "-ngl --gpu-layers --n-gpu-layers -sm --split-mode -mg --main-gpu -ts --tensor-split -dev --device "
        "-ncmoe --n-cpu-moe -fitt --fit-target -fitc --fit-ctx",
        1, "this program computes on the CPU"},
    Ignored{"-kvo --kv-offload -nkvo --no-kv-offload -cmoe --cpu-moe --op-offload --no-op-offload -bs "
            "--backend-sampling --backend_sampling",
            0, "this program computes on the CPU"},
    Ignored{"-fit --fit", -1, "--memory says what may be used"},
    Ignored{"--mlock --mmap --no-mmap -dio --direct-io -ndio --no-direct-io --no-host --swa-full -kvu "
            "--kv-unified -no-kvu --no-kv-unified -nr --no-repack --repack",
            0, "memory is laid out by its own plan"},
    Ignored{"-lm --load-mode", 1, "memory is laid out by its own plan"},
    Ignored{"-fa --flash-attn", -1, "there is one way to compute attention"},
    Ignored{"-tb --threads-batch", 1, "--threads holds for everything"},
    Ignored{"-C --cpu-mask -Cr --cpu-range --cpu-strict -Cb --cpu-mask-batch -Crb --cpu-range-batch "
            "--cpu-strict-batch --prio --prio-batch --poll --poll-batch --numa",
            1, "threads are placed by the system (taskset and nice change that)"},
    Ignored{"--threads-http", 1, "a connection needs no thread"},
    Ignored{"--sse-ping-interval", 1, "a comment comes every 5 seconds"},
    Ignored{"--jinja --no-jinja", 0, "the template's family is recognized"},
    Ignored{"--skip-chat-parsing --no-skip-chat-parsing", 0,
            "--reasoning-format none leaves the text as it is"},
    Ignored{"--reasoning-preserve --no-reasoning-preserve", 0, "messages are read as they are sent"},
    Ignored{"--embedding --embeddings", 0, "/v1/embeddings is always there"},
    Ignored{"--embd-normalize", 1, "embeddings always have unit length"},
    Ignored{"--props --webui --ui", 0, "it is always there"},
    Ignored{"--context-shift --no-context-shift", 0, "a full context ends the answer"},
    Ignored{"--keep", 1, "a full context ends the answer"},
    Ignored{"--cache-idle-slots --no-cache-idle-slots", 0, "the prefix cache keeps every prompt that fits"},
    Ignored{"--cache-reuse -ctxcp --ctx-checkpoints --swa-checkpoints -cms --checkpoint-min-step -sps "
            "--slot-prompt-similarity -dt --defrag-thold",
            1, "the prefix cache needs no settings but its size"},
    Ignored{"--cors-methods --cors-headers", 1, "GET and POST are allowed, and any header"},
    Ignored{"--cors-credentials --no-cors-credentials", 0, "keys are headers, there are no cookies"},
    Ignored{"-lv --verbosity --log-verbosity --log-file --log-prompts-dir", 1,
            "the log is JSON lines on standard error, without texts"},
    Ignored{"--log-colors", -1, "the log is JSON lines on standard error, without texts"},
    Ignored{"--log-verbose --log-disable --log-prefix --no-log-prefix --log-timestamps --no-log-timestamps",
            0, "the log is JSON lines on standard error, without texts"},
    Ignored{"-e --escape --no-escape --no-warmup --warmup --offline --no-perf --perf --check-tensors "
            "--lora-init-without-apply --models-autoload --no-models-autoload --no-ui-mcp-proxy "
            "--no-webui-mcp-proxy -no-ag --no-agent --no-mmproj --no-mmproj-auto --no-mmproj-offload",
            0, "it has no meaning here"},
};

/// What would change the answers, or is the reason for starting the server: better no start than another one.
struct Refused {
  std::string_view names;
  std::string_view why;
};

constexpr std::array kRefused = {
    Refused{"-hf -hfr --hf-repo -hff --hf-file -hft --hf-token -mu --model-url -dr --docker-repo",
            "nothing is downloaded; huggingface-cli download REPO --local-dir FOLDER, then -m FOLDER"},
    Refused{"--models-dir --models-preset --models-max --sleep-idle-seconds",
            "a server has one model, -m MODEL, and keeps it open"},
    Refused{"-mm --mmproj -mmu --mmproj-url --mmproj-auto --mmproj-offload --media-path --image-min-tokens "
            "--image-max-tokens --mtmd-batch-max-tokens -mv --model-vocoder --tts-use-guide-tokens",
            "this model reads and writes text alone"},
    Refused{"--lora --lora-scaled --control-vector --control-vector-scaled --control-vector-layer-range",
            "there are no adapters; merge them into the model"},
    Refused{"--rerank --reranking", "this model does not rank; /v1/embeddings gives vectors to compare"},
    Refused{"--grammar --grammar-file -j --json-schema -jf --json-schema-file",
            "structured answers are not served yet"},
    Refused{"--tools --mcp-servers-config --mcp-servers-json --ui-mcp-proxy --webui-mcp-proxy -ag --agent",
            "this server runs no tools"},
    Refused{"--samplers --sampler-seq --sampling-seq",
            "the order is fixed: bias, penalties, temperature, top-k, top-p, min-p"},
    Refused{"--top-nsigma --top-n-sigma --xtc-probability --xtc-threshold --typical --typical-p "
            "--dry-multiplier --dry-base --dry-allowed-length --dry-penalty-last-n --dry-sequence-breaker "
            "--adaptive-target --adaptive-decay --dynatemp-range --dynatemp-exp --mirostat --mirostat-lr "
            "--mirostat-ent",
            "there is no such sampler; there are --temp, --top-k, --top-p, --min-p and the penalties"},
    Refused{"-l --logit-bias", "requests have 'logit_bias'"},
    Refused{"-r --reverse-prompt", "requests have 'stop'"},
    Refused{"-p --prompt -f --file -bf --binary-file", "requests have the prompt; sambay run answers one"},
    Refused{"-sp --special", "control tokens are never text; \"return_tokens\": true shows their ids"},
    Refused{"--spm-infill", "this model does not fill gaps"},
    Refused{"--chat-template-file", "templates are recognized by family; --chat-template forces one"},
    Refused{"--chat-template-kwargs",
            "templates have no variables; --reasoning-budget 0 ends thinking at once"},
    Refused{"--reasoning-budget-message", "thinking is closed with the model's own tokens"},
    Refused{
        "--rope-scaling --rope-scale --rope-freq-base --rope-freq-scale --yarn-orig-ctx --yarn-ext-factor "
        "--yarn-attn-factor --yarn-beta-slow --yarn-beta-fast",
        "this model has no positions to scale"},
    Refused{"--override-kv -ot --override-tensor --rpc",
            "the model is taken as its file says, on this machine"},
    Refused{"--list-devices -cl --cache-list --completion-bash",
            "there is the CPU; sambay info shows a model"},
    Refused{"--version", "that is sambay --version"},
    Refused{"--path --ui-config --webui-config --ui-config-file --webui-config-file",
            "the page is part of the program; --no-ui leaves it out"},
    Refused{"--api-prefix --reuse-port", "that is for a proxy in front"},
    Refused{"-md -hfd -hfrd -td -tbd -cd -ctkd -ctvd -devd -ngld -Cd -Crd -Cbd -cmoed -ncmoed -otd --draft "
            "--draft-n --draft-max --draft-min --draft-n-min --draft-p-split --draft-p-min -lcs "
            "--lookup-cache-static -lcd --lookup-cache-dynamic",
            "there is no speculative decoding"},
};

bool has_name(std::string_view names, std::string_view name) {
  for (size_t at = 0; at < names.size();) {
    const size_t end = std::min(names.find(' ', at), names.size());
    if (names.substr(at, end - at) == name) return true;
    at = end + 1;
  }
  return false;
}

const Ignored* find_ignored(std::string_view name) {
  const auto found = std::find_if(kIgnored.begin(), kIgnored.end(),
                                  [&](const Ignored& ignored) { return has_name(ignored.names, name); });
  return found == kIgnored.end() ? nullptr : &*found;
}

const Refused* find_refused(std::string_view name) {
  // llama-server has dozens of these, and presets of models that it downloads.
  if (name.starts_with("--spec-") || name.starts_with("--no-spec-") || name.ends_with("-draft"))
    return &kRefused.back();
  if (name.starts_with("--fim-") || (name.starts_with("--") && name.ends_with("-default")))
    return &kRefused.front();
  const auto found = std::find_if(kRefused.begin(), kRefused.end(),
                                  [&](const Refused& refused) { return has_name(refused.names, name); });
  return found == kRefused.end() ? nullptr : &*found;
}

}  // namespace

Result<std::vector<std::string>> translate_llama_flags(const std::vector<std::string>& arguments,
                                                       std::vector<std::string>& notices) {
  std::vector<std::string> out;
  for (size_t i = 0; i < arguments.size(); i++) {
    const std::string& argument = arguments[i];
    const size_t equals = argument.starts_with("--") ? argument.find('=') : std::string::npos;
    const std::string name = argument.substr(0, equals);
    if (const Refused* refused = find_refused(name))
      return fail(ErrorCode::invalid_argument, name + ": " + std::string(refused->why));
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
