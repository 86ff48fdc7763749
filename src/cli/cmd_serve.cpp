// sambay serve: the OpenAI-compatible HTTP server.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/byte_size.h"
#include "cli/command.h"
#include "cli/isa_option.h"
#include "cli/llama_flags.h"
#include "cli/memory_option.h"
#include "server/serve.h"

namespace sambay {
namespace {

constexpr const char* kExamples = R"(Examples:
  sambay serve                                    the embedded model, http://127.0.0.1:8080
  sambay serve -m flash-q4_k_m.gguf -c 65536 -np 8 --memory 4G
  sambay serve --host 0.0.0.0 --api-key-file keys.txt --ssl-cert-file c.pem --ssl-key-file k.pem
  curl http://127.0.0.1:8080/v1/chat/completions -d '{"messages": [{"role": "user", "content": "What is 3 + 4?"}]}'

Flags of llama-server are understood where they mean something, and accepted with a notice where they do not.
SIGTERM or Ctrl-C: no new requests, those that run may end; a second time: at once. SIGHUP: reads the key file again.)";

struct ServeFlags {
  server::ServeOptions serve;
  std::string kv = "f16", kv_k, kv_v, spill_limit, reasoning_format = "auto", seed = "-1", pooling = "mean";
  int cache_ram_mib = -1, batch_size = 0;
  std::optional<double> timeout;
  std::optional<float> temperature, top_p, min_p, repeat_penalty, presence_penalty, frequency_penalty;
  std::optional<int> top_k, penalty_last_n;
  std::vector<std::string> api_keys, cors_origins;  // each may be several, with commas between
  std::string alias, tags;                          // the same
  std::string reasoning = "auto";
  bool no_page = false;
};

Result<KvType> kv_type(const ServeFlags& f) {
  std::string type = f.kv;
  if (!f.kv_k.empty() || !f.kv_v.empty()) {
    if (f.kv_k != f.kv_v && !f.kv_k.empty() && !f.kv_v.empty())
      return fail(ErrorCode::invalid_argument, "--cache-type-k and --cache-type-v must be the same here");
    type = f.kv_k.empty() ? f.kv_v : f.kv_k;
  }
  if (type == "f32") return KvType::f32;
  if (type == "f16") return KvType::f16;
  if (type == "q8_0") return KvType::q8_0;
  return fail(ErrorCode::invalid_argument, fmt::format("'{}': a KV cache can be f32, f16 or q8_0", type));
}

void adjust(const ServeFlags& f, SamplingOptions& s) {
  s.temperature = f.temperature.value_or(s.temperature);
  s.top_k = std::max(f.top_k.value_or(s.top_k), 0);
  s.top_p = f.top_p.value_or(s.top_p);
  s.min_p = f.min_p.value_or(s.min_p);
  s.repeat_penalty = f.repeat_penalty.value_or(s.repeat_penalty);
  s.penalty_last_n = f.penalty_last_n.value_or(s.penalty_last_n);
  s.presence_penalty = f.presence_penalty.value_or(s.presence_penalty);
  s.frequency_penalty = f.frequency_penalty.value_or(s.frequency_penalty);
  if (f.seed != "-1") s.seed = std::strtoull(f.seed.c_str(), nullptr, 10);
}

/// "" is what a shell makes of a variable that is not set: without it, nothing would be locked.
const CLI::Validator kNotEmpty([](std::string& text) { return text.empty() ? "must not be empty" : ""; }, "");

std::vector<std::string> split_at_commas(const std::string& list) {
  std::vector<std::string> out;
  for (size_t at = 0; at <= list.size();) {
    const size_t comma = std::min(list.find(',', at), list.size());
    if (comma > at) out.push_back(list.substr(at, comma - at));
    at = comma + 1;
  }
  return out;
}

std::vector<std::string> split_all(const std::vector<std::string>& lists) {
  std::vector<std::string> out;
  for (const std::string& list : lists)
    for (std::string& item : split_at_commas(list)) out.push_back(std::move(item));
  return out;
}

Result<void> resolve(ServeFlags& f) {
  server::ServeOptions& o = f.serve;
  SAMBAY_TRY(o.engine.kv, kv_type(f), "serve");
  // llama-server's word for the default.
  if (o.engine.max_sequences == -1) o.engine.max_sequences = EngineOptions{}.max_sequences;
  o.engine.threads = std::max(o.engine.threads, 0);
  if (f.batch_size > 0) o.engine.chunk = std::min(o.engine.chunk, f.batch_size);
  if (f.cache_ram_mib >= 0 && !o.prefix_cache_bytes) o.prefix_cache_bytes = int64_t{f.cache_ram_mib} << 20;
  if (!f.spill_limit.empty()) {
    SAMBAY_TRY(o.engine.spill_bytes, parse_byte_size(f.spill_limit), "--spill");
  }
  if (f.timeout) o.http.body_seconds = o.http.write_seconds = *f.timeout;
  o.api_keys = split_all(f.api_keys);
  if (o.api_keys.empty() && !f.api_keys.empty())  // the door would stand open
    return fail(ErrorCode::invalid_argument, "--api-key: there is no key in it");
  o.cors_origins = split_all(f.cors_origins);
  std::erase(o.cors_origins, "localhost");  // llama-server's word for what is always allowed here
  // As llama-server: all of them name the model, and the first in the alphabet is the one that it goes by.
  o.aliases = split_at_commas(f.alias);
  std::sort(o.aliases.begin(), o.aliases.end());
  o.tags = split_at_commas(f.tags);
  if (f.reasoning == "off") o.defaults.thinking_budget = 0;
  o.web_page = !f.no_page;
  o.defaults.reasoning_format =
      f.reasoning_format == "none" ? server::ReasoningFormat::none : server::ReasoningFormat::deepseek;
  o.adjust_sampling = [&f](SamplingOptions& sampling) { adjust(f, sampling); };
  return {};
}

Result<int> run_serve(ServeFlags& f) {
  SAMBAY_TRY_VOID(resolve(f));
  SAMBAY_TRY_VOID(server::serve(f.serve));
  return 0;
}

void add_model_flags(CLI::App* cmd, ServeFlags& f) {
  EngineOptions& e = f.serve.engine;
  const char* group = "Model";
  cmd->add_option("-m,--model", e.model, "Model: folder, .safetensors or GGUF (default: the embedded one)")
      ->group(group);
  cmd->add_option("-a,--alias", f.alias, "The model's name towards clients (its own); several with commas")
      ->group(group);
  cmd->add_option("--tags", f.tags, "Words about the model that /v1/models repeats, with commas")
      ->group(group);
  cmd->add_option("-c,--ctx-size", e.max_context,
                  "Context of each conversation, prompt and answer together (65536, or the model's limit)")
      ->group(group);
  cmd->add_option("--parallel", e.max_sequences, "-np; answers that are generated at once (8)")->group(group);
  cmd->add_option("-t,--threads", e.threads, "Threads (one per physical core)")
      ->check(CLI::Range(1, 1024) | CLI::IsMember({-1}))
      ->group(group);
  add_memory_option(*cmd, e.memory_limit)->group(group);
  cmd->add_option("--kv,--cache-type", f.kv, "Type of the KV cache: f32, f16 or q8_0 (f16)")->group(group);
  cmd->add_option("--cache-type-k", f.kv_k, "-ctk; the same")->group(group);
  cmd->add_option("--cache-type-v", f.kv_v, "-ctv; the same")->group(group);
  cmd->add_option("--chunk,--ubatch-size", e.chunk, "-ub; prompt tokens per step (256)")->group(group);
  cmd->add_option("-b,--batch-size", f.batch_size, "The same; the smaller of both holds")
      ->check(CLI::Range(1, std::numeric_limits<int>::max()))
      ->group(group);
  add_isa_option(*cmd, e.isa)->group(group);
  cmd->add_option("--chat-template", e.chat_template, "Force a template family: phi")->group(group);
  add_total_context_option(*cmd, e.total_context)->group(group);
  add_prefix_cache_option(*cmd, f.serve.prefix_cache_bytes)
      ->description("Bytes for the prefix cache, e.g. 512M; 0 = none (1G, or what --memory leaves)")
      ->group(group);
  cmd->add_option("--cache-ram", f.cache_ram_mib, "The same in MiB")->group(group);
  cmd->add_flag("--share-prefix-cache", e.share_prefix_cache, "Keys may find each other's prefixes")
      ->group(group);
  cmd->add_option("--spill", f.spill_limit, "Bytes of disk that the prefix cache may use (0)")->group(group);
  cmd->add_option("--spill-folder", e.spill_folder, "Where (the system's temporary folder)")->group(group);
}

void add_http_flags(CLI::App* cmd, ServeFlags& f) {
  server::HttpOptions& h = f.serve.http;
  const char* group = "HTTP";
  cmd->add_option("--host", h.host, "Address to listen on (127.0.0.1)")->group(group);
  cmd->add_option("--port", h.port, "Port, 0 = any (8080)")->check(CLI::Range(0, 65535))->group(group);
  cmd->add_option("--ssl-cert-file", h.tls_cert, "TLS certificate chain, PEM")
      ->check(kNotEmpty)
      ->group(group);
  cmd->add_option("--ssl-key-file", h.tls_key, "TLS private key, PEM")->check(kNotEmpty)->group(group);
  cmd->add_option("--api-key", f.api_keys, "A key that clients must show; repeatable, or with commas")
      ->allow_extra_args(false)
      ->check(kNotEmpty)
      ->group(group);
  cmd->add_option("--api-key-file", f.serve.api_key_file,
                  "File of keys, one a line: KEY or sha256:HEX, then name=NAME rpm=N tpm=N if wanted")
      ->check(kNotEmpty)
      ->group(group);
  cmd->add_flag("--insecure", f.serve.insecure, "Listen beyond this machine without a key")->group(group);
  cmd->add_option("--rate-requests", f.serve.rate_limits.requests_per_minute,
                  "Requests a minute for each key, 0 = no limit (0)")
      ->check(CLI::NonNegativeNumber)
      ->group(group);
  cmd->add_option("--rate-tokens", f.serve.rate_limits.tokens_per_minute, "Tokens a minute for each key (0)")
      ->check(CLI::NonNegativeNumber)
      ->group(group);
  cmd->add_option("--max-queue", f.serve.engine.max_queue, "Requests that may wait; more get status 429 (64)")
      ->group(group);
  cmd->add_option("--max-connections", h.max_connections, "Open connections (4096)")
      ->check(CLI::Range(1, 1 << 20))
      ->group(group);
  cmd->add_option("--max-body", h.max_body_bytes, "Bytes of a request's body (16777216)")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 40))
      ->group(group);
  cmd->add_option("--timeout", f.timeout, "-to; seconds for a body to arrive, and for a client to read (60)")
      ->check(CLI::Range(1.0, 1e6))
      ->group(group);
  cmd->add_option("--header-timeout", h.header_seconds, "Seconds for a request's headers (10)")
      ->check(CLI::Range(0.1, 1e6))
      ->group(group);
  cmd->add_option("--drain", h.drain_seconds, "Seconds that answers may take to end after SIGTERM (30)")
      ->check(CLI::Range(0.0, 1e6))
      ->group(group);
  cmd->add_option("--allowed-host", f.serve.allowed_hosts, "A Host to serve besides this machine's names")
      ->allow_extra_args(false)
      ->group(group);
  cmd->add_option("--cors-origin,--cors-origins", f.cors_origins,
                  "An Origin to allow besides this machine's, * = any; repeatable, or with commas")
      ->allow_extra_args(false)
      ->group(group);
}

void add_endpoint_flags(CLI::App* cmd, ServeFlags& f) {
  const char* group = "Endpoints";
  cmd->add_flag("--metrics,!--no-metrics", f.serve.metrics, "/metrics (on)")->group(group);
  cmd->add_flag("--slots,!--no-slots", f.serve.slots, "/slots (on)")->group(group);
  cmd->add_option("--slot-save-path", f.serve.slot_save_path, "Folder for saved slots (none: off)")
      ->check(CLI::ExistingDirectory)
      ->group(group);
  cmd->add_flag("--no-ui,--no-webui", f.no_page, "No web page at /")->group(group);
  cmd->add_flag("-v,--verbose", f.serve.defaults.verbose,
                "Answers say in __verbose what was read, as requests can ask for with \"verbose\": true")
      ->group(group);
}

void add_default_flags(CLI::App* cmd, ServeFlags& f) {
  const char* group = "Defaults of requests (the model's own, else as said)";
  cmd->add_option("-n,--predict,--n-predict", f.serve.defaults.max_tokens,
                  "Tokens that a request gets if it does not say, -1 = until the end (-1)")
      ->group(group);
  cmd->add_option("--max-tokens", f.serve.defaults.most_tokens,
                  "Tokens that a request gets at most, whatever it says, -1 = any number (-1)")
      ->check(CLI::Range(-1, std::numeric_limits<int>::max()))
      ->group(group);
  // The ranges of a request's fields: every request that does not say would be refused otherwise.
  constexpr int kMaxInt = std::numeric_limits<int>::max();
  cmd->add_option("--temp,--temperature", f.temperature, "Temperature (0.6)")
      ->check(CLI::Range(0.0, 1e9))
      ->group(group);
  cmd->add_option("--top-k", f.top_k, "0 = off (0)")->check(CLI::Range(-1, kMaxInt))->group(group);
  cmd->add_option("--top-p", f.top_p, "(0.95)")->check(CLI::Range(1e-6, 1.0))->group(group);
  cmd->add_option("--min-p", f.min_p, "(0)")->check(CLI::Range(0.0, 1.0))->group(group);
  cmd->add_option("--repeat-penalty", f.repeat_penalty, "(1 = off)")
      ->check(CLI::Range(0.01, 100.0))
      ->group(group);
  cmd->add_option("--repeat-last-n", f.penalty_last_n, "-1 = all (64)")
      ->check(CLI::Range(-1, kMaxInt))
      ->group(group);
  cmd->add_option("--presence-penalty", f.presence_penalty, "(0)")
      ->check(CLI::Range(-2.0, 2.0))
      ->group(group);
  cmd->add_option("--frequency-penalty", f.frequency_penalty, "(0)")
      ->check(CLI::Range(-2.0, 2.0))
      ->group(group);
  cmd->add_option("-s,--seed", f.seed, "-1 = random (-1)")
      ->check(CLI::Range(int64_t{-1}, std::numeric_limits<int64_t>::max()))
      ->group(group);
  cmd->add_flag("--ignore-eos", f.serve.defaults.ignore_eos, "Answers go on to their limit (off)")
      ->group(group);
  cmd->add_flag("--cache-prompt,!--no-cache-prompt", f.serve.defaults.use_cache,
                "Prompts are looked up in the prefix cache (on)")
      ->group(group);
  cmd->add_flag("--prefill-assistant,!--no-prefill-assistant", f.serve.defaults.continues_assistant,
                "A last message of the assistant is continued, not answered (on)")
      ->group(group);
  cmd->add_option("--reasoning", f.reasoning, "-rea; off: the same as --reasoning-budget 0 (auto)")
      ->check(CLI::IsMember({"on", "off", "auto"}))
      ->group(group);
  cmd->add_option("--pooling", f.pooling, "How embeddings are made: mean is the only way")
      ->check(CLI::IsMember({"mean"}))
      ->group(group);
  cmd->add_option("--reasoning-format", f.reasoning_format,
                  "none: thinking stays in the text; deepseek or auto: in reasoning_content (auto)")
      ->check(CLI::IsMember({"none", "deepseek", "auto"}))
      ->group(group);
  cmd->add_option("--reasoning-budget", f.serve.defaults.thinking_budget, "Tokens of thinking, -1 = any (-1)")
      ->check(CLI::Range(-1, std::numeric_limits<int>::max()))
      ->group(group);
}

}  // namespace

void add_serve(CLI::App& app, Action& action) {
  auto f = std::make_shared<ServeFlags>();
  CLI::App* cmd = app.add_subcommand("serve", "Serve the model over HTTP: OpenAI's API and llama-server's");
  cmd->footer(kExamples);
  add_model_flags(cmd, *f);
  add_http_flags(cmd, *f);
  add_endpoint_flags(cmd, *f);
  add_default_flags(cmd, *f);
  cmd->callback([&action, f] { action = [f] { return run_serve(*f); }; });
}

}  // namespace sambay
