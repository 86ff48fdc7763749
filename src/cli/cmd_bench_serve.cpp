// sambay bench serve
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <limits>
#include <memory>
#include <optional>
#include <string>

#include "base/byte_size.h"
#include "base/printable.h"
#include "cli/command.h"
#include "cli/isa_option.h"
#include "cli/memory_option.h"
#include "cli/output.h"
#include "cli/progress_line.h"
#include "loadgen/load.h"
#include "model/sambay_config.h"
#include "sambay/embedded_model.h"
#include "server/serve.h"
#include "tools/bench_plan.h"
#include "tools/plan.h"
#include "tools/synthetic.h"

namespace sambay {
namespace {

constexpr const char* kExamples = R"(Examples:
  sambay bench serve --concurrency 1,8,64                        the embedded model, in a server of this process
  sambay bench serve --url http://127.0.0.1:8000 --rate 0.5,2 --seconds 60 --prompt-tokens 2048 --max-tokens 256
  sambay bench serve --synthetic phi4-mini-flash --type q4_k_m --parallel 4 --concurrency 4 --requests 8 --memory 4G
  sambay bench serve --turns 2 --cold --prompt-tokens 3000 --concurrency 1 --requests 8    what the prefix cache saves

A server in this process shares its cores with the client, which needs few. Prompts are random words, as many as make
--prompt-tokens for this server (two requests find that out and warm it up); each is another, so no cache knows it.)";

struct BenchServe {
  LoadOptions load;
  server::ServeOptions serve;
  std::string url, api = "chat", concurrency, rate, prompts, synthetic, type = "q8_0", kv = "f16",
                   prefix_cache;
  std::optional<double> temperature;
  bool json = false, csv = false;
};

/// "0.5,2": at most 64 positive numbers.
Result<std::vector<double>> parse_rates(const std::string& text) {
  std::vector<double> rates;
  for (size_t at = 0; at <= text.size();) {
    const size_t comma = std::min(text.find(',', at), text.size());
    const std::string part = text.substr(at, comma - at);
    char* end = nullptr;
    const double rate = std::strtod(part.c_str(), &end);
    if (part.empty() || *end != '\0' || !(rate >= 1e-6 && rate <= 1e6) || rates.size() == 64)
      return fail(ErrorCode::invalid_argument,
                  fmt::format("--rate {}: expected at most 64 numbers of requests a second, as in 0.5,2",
                              printable(text)));
    rates.push_back(rate);
    at = comma + 1;
  }
  return rates;
}

Result<void> read_levels(BenchServe& c) {
  if (c.concurrency.empty() && c.rate.empty()) c.concurrency = "8";
  if (!c.concurrency.empty()) {
    SAMBAY_TRY(const auto counts, parse_counts("--concurrency", c.concurrency, 1, 1 << 16), "bench serve");
    for (const int count : counts) c.load.levels.push_back({count, 0});
  }
  if (c.rate.empty()) return {};
  SAMBAY_TRY(const auto rates, parse_rates(c.rate), "bench serve");
  for (const double rate : rates) c.load.levels.push_back({0, rate});
  return {};
}

Result<void> read_prompt_options(BenchServe& c) {
  PromptOptions& p = c.load.prompts;
  p.api = c.api == "chat" ? LoadApi::chat : LoadApi::completions;
  p.temperature = c.temperature;
  if (c.prompts.empty()) return {};
  SAMBAY_TRY(p.file, read_prompts(c.prompts), "bench serve");
  return {};
}

/// Before anything is made; the prefix cache takes what is left.
Result<void> check_synthetic_memory(const BenchServe& c) {
  const EngineOptions& e = c.serve.engine;
  if (e.memory_limit == 0) return {};
  PlanOptions o;
  o.synthetic = c.synthetic;
  o.type = *type_mix_from_name(c.type);
  o.kv = *dtype_from_name(c.kv);
  o.context = e.max_context, o.parallel = e.max_sequences, o.chunk = e.chunk, o.threads = e.threads;
  SAMBAY_TRY(const PlanReport report, make_plan(o), "bench serve");
  if (report.plan.total() <= e.memory_limit) return {};
  return fail(ErrorCode::out_of_memory,
              fmt::format("--memory {}: {} are needed; `sambay plan` says what would fit",
                          format_byte_size(e.memory_limit), format_byte_size(report.plan.total())));
}

/// The engine opens a file or the model in the program; random weights take the latter's place.
Result<std::optional<SyntheticModel>> make_weights(BenchServe& c, ProgressLine& line) {
  if (c.synthetic.empty()) return std::optional<SyntheticModel>();
  SAMBAY_TRY(const SambaYConfig config, sambay_preset(c.synthetic), "--synthetic");
  SAMBAY_TRY_VOID(check_synthetic_memory(c));
  line.show(fmt::format("making random {} weights at the shapes of {}", c.type, c.synthetic));
  SAMBAY_TRY(SyntheticModel model,
             SyntheticModel::create(config, *type_mix_from_name(c.type), c.serve.engine.threads),
             "--synthetic");
  set_embedded_model(model.gguf());
  c.serve.aliases = {fmt::format("synthetic:{}:{}", c.synthetic, c.type)};
  c.load.prompts.api = LoadApi::completions;  // there is no tokenizer
  c.load.prompts.token_ids = config.vocab;
  return std::optional<SyntheticModel>(std::move(model));
}

Result<std::unique_ptr<server::BackgroundServer>> start_server(BenchServe& c, ProgressLine& line) {
  server::ServeOptions& o = c.serve;
  SAMBAY_TRY(const auto kv, parse_kv_types("--kv", c.kv), "bench serve");
  o.engine.kv = kv.front() == DType::f32   ? KvType::f32
                : kv.front() == DType::f16 ? KvType::f16
                                           : KvType::q8_0;
  if (c.prefix_cache == "0") {
    o.prefix_cache_bytes = 0;
  } else if (!c.prefix_cache.empty()) {
    SAMBAY_TRY(o.prefix_cache_bytes, parse_byte_size(c.prefix_cache), "--prefix-cache");
  }
  // How long requests wait is what is measured: none is refused.
  o.engine.max_queue = 1 << 20;
  o.http.max_connections = std::numeric_limits<int>::max();
  o.http.idle_seconds = o.http.write_seconds = 1e6;
  line.show("loading the model");
  return server::BackgroundServer::start(o);
}

LoadEvents make_events(BenchServe& c, ProgressLine& line, LoadSubject& subject) {
  LoadEvents events;
  events.should_stop = interrupted;
  events.progress = [&line](const std::string& text) { line.show(text); };
  events.started = [&](const std::string& model) -> Result<void> {
    subject.model = model;
    line.clear();
    return write_stdout(c.json ? "" : c.csv ? load_csv_head() : load_table_head(subject));
  };
  events.row = [&](const LoadRow& row) -> Result<void> {
    line.clear();
    return write_stdout(c.json  ? load_json_row(subject, row)
                        : c.csv ? load_csv_row(subject, row)
                                : load_table_row(row));
  };
  return events;
}

Result<int> run(BenchServe& c) {
  SAMBAY_TRY_VOID(read_levels(c));
  SAMBAY_TRY_VOID(read_prompt_options(c));
  ProgressLine line;
  LoadSubject subject{c.url, ""};
  std::optional<SyntheticModel> weights;
  std::unique_ptr<server::BackgroundServer> own;
  if (!c.url.empty()) {
    SAMBAY_TRY(c.load.url, parse_server_url(c.url), "bench serve");
  } else {
    SAMBAY_TRY(weights, make_weights(c, line), "bench serve");
    SAMBAY_TRY(own, start_server(c, line), "bench serve");
    SAMBAY_TRY(c.load.url, parse_server_url(fmt::format("http://127.0.0.1:{}", own->port())), "bench serve");
    subject.server = "in-process";
  }
  const LoadEvents events = make_events(c, line, subject);
  const auto rows = run_load(c.load, events);
  line.clear();
  if (!rows) return tl::unexpected(rows.error());
  const bool any_good = std::any_of(rows->begin(), rows->end(), [](const LoadRow& r) { return r.good > 0; });
  if (!any_good) return fail(ErrorCode::io, "bench serve: no request was answered");
  return 0;
}

void add_load_flags(CLI::App* cmd, BenchServe& c) {
  LoadOptions& o = c.load;
  const char* group = "Load";
  cmd->add_option("--concurrency", c.concurrency, "Closed loop: requests open at once; a list (8)")
      ->group(group);
  cmd->add_option("--rate", c.rate, "Open loop: requests a second, arriving at random; a list")->group(group);
  auto* requests =
      cmd->add_option("--requests", o.requests, "Requests of each level (64; with --seconds: any number)")
          ->check(CLI::Range(1, 100'000'000))
          ->group(group);
  cmd->add_option("--seconds", o.seconds, "None begins after this")
      ->check(CLI::Range(0.1, 1e6))
      ->group(group)
      ->each([&o, requests](const std::string&) {
        if (requests->count() == 0) o.requests = 0;
      });
  cmd->add_option("--turns", o.turns, "Turns of each conversation, which then count as --requests (1)")
      ->check(CLI::Range(1, 1000))
      ->group(group);
  cmd->add_flag("--cold", o.cold_turn, "After each conversation one prompt of its length that was never seen")
      ->group(group);
  cmd->add_option("--timeout", o.timeout_seconds, "Seconds for one request (600)")
      ->check(CLI::Range(0.1, 1e6))
      ->group(group);
}

void add_prompt_flags(CLI::App* cmd, BenchServe& c) {
  PromptOptions& p = c.load.prompts;
  const char* group = "Prompts";
  constexpr int kMost = 1 << 20;
  cmd->add_option("-p,--prompt-tokens", p.prompt_tokens, "Tokens of a prompt (256)")
      ->check(CLI::Range(1, kMost))
      ->group(group);
  cmd->add_option("--shared-tokens", p.shared_tokens, "Of these, the same in all, as a system message (0)")
      ->check(CLI::Range(0, kMost))
      ->group(group);
  cmd->add_option("--turn-tokens", p.turn_tokens, "Tokens that each later turn asks (64)")
      ->check(CLI::Range(1, kMost))
      ->group(group);
  cmd->add_option("-n,--max-tokens", p.max_tokens, "Tokens of an answer (128)")
      ->check(CLI::Range(1, kMost))
      ->group(group);
  cmd->add_flag("--ignore-eos,!--no-ignore-eos", p.ignore_eos, "Answers go on to --max-tokens (on)")
      ->group(group);
  cmd->add_option("--prompts", c.prompts, "JSON Lines of {\"messages\": ...} or {\"prompt\": ...} instead")
      ->group(group);
  cmd->add_option("--api", c.api, "chat or completions (chat)")
      ->check(CLI::IsMember({"chat", "completions"}))
      ->group(group);
  cmd->add_option("--token-ids", p.token_ids, "With completions: random ids below this instead of words")
      ->check(CLI::Range(1, std::numeric_limits<int>::max()))
      ->group(group);
  cmd->add_option("--temperature", c.temperature, "Temperature (the server's)")
      ->check(CLI::Range(0.0, 2.0))
      ->group(group);
  cmd->add_option("--seed", p.seed,
                  "Of words and arrivals; a server that was asked the same before may have it "
                  "in a cache (1)")
      ->group(group);
}

/// `url`, and what makes no sense beside it.
void add_server_flags(CLI::App* cmd, BenchServe& c) {
  EngineOptions& e = c.serve.engine;
  const char* group = "Server";
  auto* url = cmd->add_option("--url", c.url, "http://HOST[:PORT][/PATH] or https://, with OpenAI's API");
  url->group(group);
  cmd->add_option("--model-name", c.load.prompts.model, "The model to ask for (the first that it lists)")
      ->group(group);
  cmd->add_option("--api-key", c.load.api_key, "Its key")->group(group)->needs(url);
  cmd->add_option("--ca-file", c.load.ca_file, "Certificates to trust, PEM (the system's)")
      ->check(CLI::ExistingFile)
      ->group(group)
      ->needs(url);
  const char* own = "Without --url: a server in this process";
  auto* model = cmd->add_option("-m,--model", e.model, "Model (default: the embedded one)");
  model->group(own)->excludes(url);
  auto* synthetic =
      cmd->add_option("--synthetic", c.synthetic, "Random weights at the shapes of: phi4-mini-flash, small");
  synthetic->group(own)->excludes(url)->excludes(model);
  cmd->add_option("--type", c.type, "Type of synthetic weights (q8_0)")
      ->check(CLI::IsMember(mix_names()))
      ->group(own)
      ->needs(synthetic);
  cmd->add_option("--parallel", e.max_sequences, "Answers that are generated at once (8)")
      ->group(own)
      ->excludes(url);
  cmd->add_option("-c,--ctx-size", e.max_context, "Context of each (65536, or the model's limit)")
      ->group(own)
      ->excludes(url);
  cmd->add_option("-t,--threads", e.threads, "Threads (one per physical core)")
      ->check(CLI::Range(1, 1024))
      ->group(own)
      ->excludes(url);
  cmd->add_option("--kv", c.kv, "Type of the KV cache: f32, f16 or q8_0 (f16)")
      ->check(CLI::IsMember({"f32", "f16", "q8_0"}))
      ->group(own)
      ->excludes(url);
  cmd->add_option("--chunk", e.chunk, "Prompt tokens per step (256)")->group(own)->excludes(url);
  add_isa_option(*cmd, e.isa)->group(own)->excludes(url);
  cmd->add_option("--prefix-cache", c.prefix_cache, "Bytes, 0 = none (1G, or what --memory leaves)")
      ->group(own)
      ->excludes(url);
  add_memory_option(*cmd, e.memory_limit)->group(own)->excludes(url);
}

}  // namespace

void add_bench_serve(CLI::App& bench, Action& action) {
  auto c = std::make_shared<BenchServe>();
  CLI::App* cmd =
      bench.add_subcommand("serve", "A load on a server with OpenAI's API: rates and waiting times");
  cmd->footer(kExamples);
  add_load_flags(cmd, *c);
  add_prompt_flags(cmd, *c);
  add_server_flags(cmd, *c);
  auto* json = cmd->add_flag("--json", c->json, "JSON Lines, one object per result");
  cmd->add_flag("--csv", c->csv, "CSV with a head line")->excludes(json);
  cmd->callback([&action, c] { action = [c] { return run(*c); }; });
}

}  // namespace sambay
