// sambay run: one question, one answer.
#include <fmt/core.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <limits>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "cli/answer_printer.h"
#include "cli/command.h"
#include "cli/isa_option.h"
#include "cli/memory_option.h"
#include "cli/output.h"
#include "sambay/sambay.h"

namespace sambay {
namespace {

constexpr const char* kExamples = R"(Examples:
  sambay run "What is 347 + 589?"
  sambay run -m flash-q8_0.gguf -c 32768 -n 4096 -f question.txt
  echo "What is 12 * 12?" | sambay run --json
  sambay run --raw -n 20 --temp 0 "<|user|>What is 3 + 4?<|end|><|assistant|>"
  sambay run -- "-5 + 3 = ?"                    after --, everything is the question

On a terminal the thinking is dimmed and timings follow on standard error; elsewhere there is the answer
alone. Ctrl-C ends the answer with status 130, after the step that is running (with a large model a chunk of
the prompt takes seconds: --chunk makes it shorter, a second Ctrl-C leaves at once).)";
constexpr size_t kMaxPromptBytes = size_t{64} << 20;

struct RunOptions {
  EngineOptions engine;
  std::string prompt, file, system, tools, kv = "f16", color = "auto";
  bool has_prompt = false, raw = false, json = false, show_thinking = false, hide_thinking = false,
       ignore_eos = false;
  bool timings = false, no_timings = false;
  int max_tokens = -1;
  std::vector<std::string> stop;
  // Set only when given, so that the model's own defaults hold otherwise.
  std::optional<float> temperature, top_p, min_p, repeat_penalty, presence_penalty, frequency_penalty;
  std::optional<int> top_k, penalty_last_n;
  std::string seed_text = "-1";
  std::vector<std::string> logit_bias_texts;
  // Read from those texts by check_flags.
  std::optional<uint64_t> seed;
  std::vector<std::pair<TokenId, float>> logit_bias;
};

Result<std::string> read_stream(std::FILE* file, const std::string& name) {
  std::string text;
  char buffer[65536];
  for (bool more = true; more && !interrupted();) {
    const size_t n = std::fread(buffer, 1, sizeof buffer, file);
    more = n == sizeof buffer;  // less is the end, an error, or a signal
    text.append(buffer, n);
    if (text.size() > kMaxPromptBytes)
      return fail(ErrorCode::invalid_argument,
                  fmt::format("{}: a prompt may have {} bytes", name, kMaxPromptBytes));
  }
  if (interrupted()) return fail(ErrorCode::cancelled, "interrupted");
  if (!std::ferror(file)) return text;
  const ErrorCode code = errno == EISDIR ? ErrorCode::not_found : ErrorCode::io;
  return fail(code, fmt::format("{}: {}", name, std::strerror(errno)));
}

/// From -p or the argument, -f, or standard input, in this order.
Result<std::string> read_prompt(const RunOptions& o) {
  std::string text = o.prompt;
  if (!o.file.empty() && o.file != "-") {
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(o.file.c_str(), "rb"), std::fclose);
    if (!file) return fail(ErrorCode::not_found, fmt::format("{}: {}", o.file, std::strerror(errno)));
    SAMBAY_TRY(text, read_stream(file.get(), o.file), "reading");
  } else if (!o.has_prompt) {
    if (o.file.empty() && isatty(0))
      return fail(ErrorCode::invalid_argument,
                  "no prompt: give one as an argument, with -f FILE, or on standard input");
    SAMBAY_TRY(text, read_stream(stdin, "standard input"), "reading");
  }
  if (!o.raw)  // a file's last newline is not part of the question
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  if (text.empty()) return fail(ErrorCode::invalid_argument, "the prompt is empty");
  return text;
}

/// What --tools names: JSON itself when it begins like JSON, else a file. Without white space around it.
Result<std::string> read_tools(const RunOptions& o) {
  constexpr const char* kBlanks = " \t\r\n";
  std::string text = o.tools;
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string::npos || (text[begin] != '[' && text[begin] != '{')) {
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(o.tools.c_str(), "rb"),
                                                               std::fclose);
    if (!file)
      return fail(ErrorCode::not_found, fmt::format("{}: {} (neither a file nor JSON that begins with [)",
                                                    o.tools, std::strerror(errno)));
    SAMBAY_TRY(text, read_stream(file.get(), o.tools), "reading");
  }
  text.erase(0, std::min(text.find_first_not_of(kBlanks), text.size()));
  while (!text.empty() && std::string_view(kBlanks).find(text.back()) != std::string_view::npos)
    text.pop_back();
  SAMBAY_TRY_VOID(check_tools(text));
  return text;
}

/// "15043+1", "15043-1.5", "15043-inf", as llama.cpp writes it.
Result<std::pair<TokenId, float>> parse_logit_bias(const std::string& text) {
  TokenId id = 0;
  float bias = 0;
  const char* end = text.data() + text.size();
  const auto [sign, id_status] = std::from_chars(text.data(), end, id);
  bool good = id_status == std::errc() && sign != end && (*sign == '+' || *sign == '-');
  if (good && std::string_view(sign + 1, end) == "inf") {
    bias = std::numeric_limits<float>::infinity();
  } else if (good) {
    const auto [stop, status] = std::from_chars(sign + 1, end, bias);
    good = status == std::errc() && stop == end && std::isfinite(bias);
  }
  if (!good)
    return fail(ErrorCode::invalid_argument,
                fmt::format("'{}' is not TOKEN_ID(+|-)BIAS such as 15043+1 or 15043-inf", text));
  return std::pair{id, *sign == '-' ? -bias : bias};
}

/// -1 asks for a random one, as llama.cpp's users know it.
Result<std::optional<uint64_t>> parse_seed(const std::string& text) {
  if (text == "-1") return std::nullopt;
  uint64_t seed = 0;
  const char* end = text.data() + text.size();
  const auto [stop, status] = std::from_chars(text.data(), end, seed);
  if (status == std::errc() && stop == end) return seed;
  return fail(ErrorCode::invalid_argument,
              fmt::format("'{}' is not a number from 0 to {}, or -1 for a random one", text,
                          std::numeric_limits<uint64_t>::max()));
}

/// What the user said, over the model's own defaults.
SamplingOptions sampling_options(const RunOptions& o, SamplingOptions s) {
  s.temperature = o.temperature.value_or(s.temperature);
  s.top_k = o.top_k.value_or(s.top_k);
  s.top_p = o.top_p.value_or(s.top_p);
  s.min_p = o.min_p.value_or(s.min_p);
  s.repeat_penalty = o.repeat_penalty.value_or(s.repeat_penalty);
  s.penalty_last_n = o.penalty_last_n.value_or(s.penalty_last_n);
  s.presence_penalty = o.presence_penalty.value_or(s.presence_penalty);
  s.frequency_penalty = o.frequency_penalty.value_or(s.frequency_penalty);
  s.seed = o.seed;
  s.logit_bias = o.logit_bias;
  return s;
}

Result<Request> make_request(const RunOptions& o, const Engine& engine, const std::string& prompt) {
  if (!engine.tokenizer())
    return fail(ErrorCode::unsupported,
                "this model has no tokenizer; put tokenizer.json beside its weights, or use `sambay logits` "
                "with token ids");
  Request request;
  if (o.raw) {
    SAMBAY_TRY(request.prompt, engine.tokenizer()->encode(prompt, true), "prompt");
  } else {
    if (!engine.chat_template()) return tl::unexpected(engine.chat_template().error());
    std::vector<ChatMessage> messages;
    if (!o.system.empty() || !o.tools.empty()) messages.push_back({"system", o.system, o.tools});
    messages.push_back({"user", prompt});
    SAMBAY_TRY(request.prompt, engine.chat_template()->encode(*engine.tokenizer(), messages), "prompt");
  }
  request.sampling = sampling_options(o, engine.default_sampling());
  request.max_tokens = o.max_tokens;
  request.stop = o.stop;
  request.ignore_eos = o.ignore_eos;
  return request;
}

/// Cancels the generation when Ctrl-C is pressed, also while it is still reading a long prompt.
class InterruptWatch {
 public:
  explicit InterruptWatch(Generation& generation)
      : thread_([this, &generation](const std::stop_token& done) {
          std::unique_lock lock(mutex_);
          while (!done.stop_requested()) {
            if (interrupted()) return generation.cancel();
            wake_.wait_for(lock, done, std::chrono::milliseconds(20), [] { return false; });
          }
        }) {}

 private:
  std::mutex mutex_;
  std::condition_variable_any wake_;  // only by the stop token: a signal handler may not notify
  std::jthread thread_;
};

/// Counts the tokens of the thinking, its tags included, whatever events they come in.
class ReasoningCounter {
 public:
  explicit ReasoningCounter(const Tokenizer& tokenizer) : detokenizer_(tokenizer) {}
  void add(std::span<const TokenId> tokens) {
    for (TokenId token : tokens) {
      const bool before = splitter_.in_reasoning();
      std::string text;
      detokenizer_.push(token, text);
      splitter_.push(text);
      if (before || splitter_.in_reasoning()) count_++;
    }
  }
  int count() const { return count_; }

 private:
  Detokenizer detokenizer_;
  ReasoningSplitter splitter_;
  int count_ = 0;
};

double per_second(int tokens, double ms) { return ms > 0 ? tokens * 1000.0 / ms : 0; }

std::string to_json(const Answer& a, int reasoning_tokens, const Event& last, const EngineInfo& info) {
  const Usage& u = last.usage;
  const int predicted = u.completion_tokens;
  // The first token comes out of the prompt's last step; llama-server counts rates the same way.
  const auto each = [](double ms, int n) { return n > 0 ? ms / n : 0.0; };
  nlohmann::ordered_json json = {{"model", info.model_name},
                                 {"text", a.text},
                                 {"reasoning", a.reasoning},
                                 {"finish_reason", to_string(*last.finish)},
                                 {"seed", u.seed},
                                 {"usage",
                                  {{"prompt_tokens", u.prompt_tokens},
                                   {"completion_tokens", predicted},
                                   {"total_tokens", u.prompt_tokens + predicted},
                                   {"completion_tokens_details", {{"reasoning_tokens", reasoning_tokens}}}}},
                                 {"timings",
                                  {{"prompt_n", u.prompt_tokens},
                                   {"prompt_ms", u.prompt_ms},
                                   {"prompt_per_token_ms", each(u.prompt_ms, u.prompt_tokens)},
                                   {"prompt_per_second", per_second(u.prompt_tokens, u.prompt_ms)},
                                   {"predicted_n", predicted},
                                   {"predicted_ms", u.predicted_ms},
                                   {"predicted_per_token_ms", each(u.predicted_ms, predicted)},
                                   {"predicted_per_second", per_second(predicted, u.predicted_ms)}}}};
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::string timings_line(const Usage& u, const EngineInfo& info, FinishReason finish) {
  // The first token belongs to the prompt's time, the others to theirs.
  const int steps = u.completion_tokens - 1;
  return fmt::format(
      "[{}: prompt {} tokens in {:.0f} ms ({:.1f} tokens/s); answer {} tokens in {:.0f} ms{}; {}{}; seed "
      "{}]\n",
      info.model_name, u.prompt_tokens, u.prompt_ms, per_second(u.prompt_tokens, u.prompt_ms),
      u.completion_tokens, u.predicted_ms,
      steps > 0 ? fmt::format(" ({:.1f} tokens/s)", per_second(steps, u.predicted_ms)) : "",
      to_string(finish), u.context_full ? " (the context is full; -c sets its size)" : "", u.seed);
}

AnswerPrinter::Style style_of(const RunOptions& o) {
  const bool terminal = isatty(1) != 0;
  const char* no_color = std::getenv("NO_COLOR");
  AnswerPrinter::Style style;
  style.silent = o.json;
  style.raw = o.raw;
  style.color = o.color == "always" || (o.color == "auto" && terminal && !(no_color && *no_color));
  style.show_thinking = o.show_thinking || (terminal && !o.hide_thinking);
  style.final_newline = terminal || !o.raw;
  return style;
}

/// Everything that can be said before a large model is opened.
Result<void> check_flags(RunOptions& o) {
  if (o.show_thinking && o.hide_thinking)
    return fail(ErrorCode::invalid_argument, "--show-thinking and --hide-thinking exclude each other");
  if (o.max_tokens < -1)
    return fail(ErrorCode::invalid_argument,
                fmt::format("-n {}: must be 0 or more, or -1 for no limit", o.max_tokens));
  if (o.engine.max_context < 0)
    return fail(ErrorCode::invalid_argument,
                fmt::format("-c {}: must be a number of tokens, or 0 for the default", o.engine.max_context));
  if (o.raw && !o.tools.empty())
    return fail(ErrorCode::invalid_argument,
                "--raw and --tools exclude each other: a raw text has no messages");
  SAMBAY_TRY(o.seed, parse_seed(o.seed_text), "--seed");
  for (const std::string& text : o.logit_bias_texts) {
    SAMBAY_TRY(const auto bias, parse_logit_bias(text), "--logit-bias");
    o.logit_bias.push_back(bias);
  }
  return {};
}

Result<int> run(RunOptions& o) {
  SAMBAY_TRY_VOID(check_flags(o));
  if (!o.tools.empty()) {
    SAMBAY_TRY(o.tools, read_tools(o), "--tools");
  }
  SAMBAY_TRY(const std::string prompt, read_prompt(o), "prompt");
  o.engine.kv = o.kv == "f32" ? KvType::f32 : o.kv == "q8_0" ? KvType::q8_0 : KvType::f16;
  o.engine.max_sequences = 1;
  const Result<std::unique_ptr<Engine>> opened = Engine::open(o.engine);
  if (!opened) return tl::unexpected(opened.error());
  Engine* const engine = opened->get();
  SAMBAY_TRY(Request request, make_request(o, *engine, prompt), "run");
  AnswerPrinter printer(style_of(o));
  ReasoningCounter reasoning(*engine->tokenizer());

  SAMBAY_TRY(Generation generation, engine->submit(std::move(request)), "run");
  Event last;
  {
    const InterruptWatch watch(generation);
    while (std::optional<Event> event = generation.next()) {
      SAMBAY_TRY_VOID(printer.print(event->text));
      reasoning.add(event->tokens);
      last = *std::move(event);
    }
  }
  SAMBAY_TRY_VOID(printer.finish());
  if (last.error) return tl::unexpected(*last.error);
  if (o.json)
    SAMBAY_TRY_VOID(write_stdout(to_json(printer.answer(), reasoning.count(), last, engine->info())));
  if (o.timings || (!o.no_timings && !o.json && isatty(2)))
    std::fputs(timings_line(last.usage, engine->info(), *last.finish).c_str(), stderr);
  return last.finish == FinishReason::cancelled ? exit_code(ErrorCode::cancelled) : 0;
}

void add_sampling_options(CLI::App* cmd, RunOptions& o) {
  const char* group = "Sampling (defaults are the model's own, else as said)";
  cmd->add_option("--temp,--temperature", o.temperature, "Temperature, 0 = most likely token (0.6)")
      ->group(group);
  cmd->add_option("--top-k", o.top_k, "Only the K most likely tokens, 0 = off (0)")->group(group);
  cmd->add_option("--top-p", o.top_p, "Only the most likely tokens of this probability in sum (0.95)")
      ->group(group);
  cmd->add_option("--min-p", o.min_p, "Only tokens this likely relative to the likeliest (0)")->group(group);
  cmd->add_option("-s,--seed", o.seed_text, "Equal seeds give equal answers, -1 = random (-1)")->group(group);
  cmd->add_option("--repeat-penalty", o.repeat_penalty, "Divides logits of tokens seen lately (1 = off)")
      ->group(group);
  cmd->add_option("--repeat-last-n", o.penalty_last_n, "How many tokens back, -1 = all (64)")->group(group);
  cmd->add_option("--presence-penalty", o.presence_penalty, "OpenAI's, -2 to 2 (0)")->group(group);
  cmd->add_option("--frequency-penalty", o.frequency_penalty, "OpenAI's, -2 to 2 (0)")->group(group);
  cmd->add_option("-l,--logit-bias", o.logit_bias_texts,
                  "TOKEN_ID(+|-)BIAS, e.g. 15043+1 or 15043-inf; repeatable")
      ->allow_extra_args(false)
      ->group(group);
  cmd->add_flag("--ignore-eos", o.ignore_eos, "Never choose a stop token")->group(group);
}

void add_engine_options(CLI::App* cmd, RunOptions& o) {
  const char* group = "Engine";
  cmd->add_option("-c,--ctx-size", o.engine.max_context,
                  "Context, prompt and answer together (65536, or the model's limit)")
      ->group(group);
  cmd->add_option("-t,--threads", o.engine.threads, "Threads (one per physical core)")
      ->check(CLI::Range(1, 1024))
      ->group(group);
  cmd->add_option("--kv,--cache-type", o.kv, "Type of the KV cache: f32, f16 or q8_0 (f16)")
      ->check(CLI::IsMember({"f32", "f16", "q8_0"}))
      ->group(group);
  add_isa_option(*cmd, o.engine.isa)->group(group);
  add_memory_option(*cmd, o.engine.memory_limit)->group(group);
  cmd->add_option("--chunk,--ubatch-size", o.engine.chunk, "Prompt tokens per step (256)")->group(group);
}

}  // namespace

void add_run(CLI::App& app, Action& action) {
  auto o = std::make_shared<RunOptions>();
  CLI::App* cmd = app.add_subcommand("run", "Answer one question");
  cmd->footer(kExamples);
  cmd->add_option("-m,--model", o->engine.model,
                  "Model: folder, .safetensors or GGUF (default: the embedded one)");
  auto* prompt =
      cmd->add_option("prompt,-p,--prompt", o->prompt, "The question; without it -f FILE or standard input");
  cmd->add_option("-f,--file", o->file, "Read the question from a file, - for standard input")
      ->excludes(prompt);
  cmd->add_option("--system,--system-prompt", o->system, "System message");
  cmd->add_option("--tools", o->tools,
                  "Tools that may be called: a JSON array of objects, or a file that holds one; a call comes "
                  "as <|tool_call|>[...]<|/tool_call|>");
  cmd->add_option("-n,--predict,--n-predict", o->max_tokens,
                  "Tokens to generate at most, -1 = until the end (-1)");
  cmd->add_option("-r,--reverse-prompt,--stop", o->stop, "End the answer before this text; repeatable")
      ->allow_extra_args(false);
  cmd->add_flag("--raw", o->raw,
                "No chat template: continue the text, in which special tokens count as such");
  cmd->add_option("--chat-template", o->engine.chat_template, "Force a template family: phi");
  cmd->add_flag("--show-thinking", o->show_thinking, "Show the thinking (default on a terminal)");
  cmd->add_flag("--hide-thinking", o->hide_thinking, "Hide the thinking (default elsewhere)");
  cmd->add_flag("--json", o->json, "One JSON object: text, reasoning, finish_reason, usage, timings");
  cmd->add_option("--color", o->color,
                  "Dim the thinking: auto (a terminal, and NO_COLOR is unset), always or never (auto)")
      ->check(CLI::IsMember({"auto", "always", "never"}));
  cmd->add_flag("--timings", o->timings, "Timings on standard error at the end (default on a terminal)");
  cmd->add_flag("--no-timings", o->no_timings, "No timings");
  add_sampling_options(cmd, *o);
  add_engine_options(cmd, *o);
  cmd->callback([&action, o, prompt] {
    o->has_prompt = prompt->count() > 0;
    action = [o] { return run(*o); };
  });
}

}  // namespace sambay
