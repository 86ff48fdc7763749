#include "server/answer.h"

#include <fmt/core.h>

#include <cmath>
#include <random>

#include "server/log.h"

namespace sambay::server {
namespace {

ApiError stopping() {
  return {
      .status = 503, .message = "the server is stopping", .type = "server_error", .code = "server_stopping"};
}

/// Prompts that do not fit are what people meet most: said in the words that clients look for.
ApiError refused(const Error& error, const Engine& engine, const std::vector<int>& prompt_tokens,
                 const char* field) {
  const int limit = engine.info().max_context;
  for (const int tokens : prompt_tokens) {
    if (error.code != ErrorCode::invalid_argument || tokens < limit) continue;
    return {
        .message = fmt::format("the request exceeds the available context size: '{}' has {} tokens and is "
                               "too large for a context of {}",
                               field, tokens, limit),
        .type = "exceed_context_size_error",
        .param = field,
        .code = "context_length_exceeded",
        .numbers = {{"n_prompt_tokens", tokens}, {"n_ctx", limit}}};
  }
  return from_engine(error);
}

}  // namespace

void Bell::ring() {
  std::function<void()> wake;
  {
    const std::lock_guard lock(mutex_);
    wake = wake_;
  }
  if (wake) wake();
}

void Bell::attach(std::function<void()> wake) {
  const std::lock_guard lock(mutex_);
  wake_ = std::move(wake);
}

Parsed<std::vector<TokenId>> encode_prompt(const Engine& engine, const Prompt& prompt, bool parse_special) {
  if (const auto* ids = std::get_if<std::vector<TokenId>>(&prompt)) return *ids;
  if (!engine.tokenizer())
    return tl::unexpected(ApiError{.message = "this model has no tokenizer: prompts must be token ids",
                                   .code = "no_tokenizer"});
  Result<std::vector<TokenId>> ids = engine.tokenizer()->encode(std::get<std::string>(prompt), parse_special);
  if (!ids) return tl::unexpected(from_engine(ids.error()));
  return *std::move(ids);
}

Parsed<std::vector<TokenId>> encode_prompt(const Engine& engine, const MixedPrompt& prompt,
                                           bool parse_special) {
  std::vector<TokenId> ids;
  for (const Prompt& part : prompt) {
    const Parsed<std::vector<TokenId>> more = encode_prompt(engine, part, parse_special);
    if (!more) return more;
    ids.insert(ids.end(), more->begin(), more->end());
  }
  return ids;
}

std::optional<ApiError> resolve_text_bias(const Engine& engine, GenerationFields& fields) {
  constexpr size_t kMaxBiases = 65536;  // texts can be long
  for (const auto& [text, bias] : fields.text_bias) {
    const Parsed<std::vector<TokenId>> ids = encode_prompt(engine, text, true);
    if (!ids) return ids.error();
    for (const TokenId id : *ids) fields.sampling.logit_bias.emplace_back(id, bias);
    if (fields.sampling.logit_bias.size() > kMaxBiases)
      return invalid_value("logit_bias", fmt::format("its texts have more than {} tokens", kMaxBiases));
  }
  fields.text_bias.clear();
  return std::nullopt;
}

Request make_request(const GenerationFields& fields, std::vector<TokenId> prompt) {
  Request request;
  request.prompt = std::move(prompt);
  request.sampling = fields.sampling;
  request.max_tokens = fields.max_tokens;
  request.stop = fields.stop;
  request.ignore_eos = fields.ignore_eos;
  request.n = fields.n;
  request.thinking_budget = fields.thinking_budget;
  request.priority = fields.priority;
  request.deadline_ms = fields.deadline_ms;
  request.use_cache = fields.use_cache;
  request.slot = fields.slot;
  request.report_progress = fields.stream && fields.return_progress;
  return request;
}

Parsed<Submission> submit(Call& call, std::vector<Request> requests, const char* field) {
  Submission submission;
  submission.bell = std::make_shared<Bell>();
  submission.n = requests.empty() ? 1 : requests.front().n;
  std::vector<int> prompt_tokens;
  int64_t total = 0;
  for (Request& request : requests) {
    request.key = call.caller.key_id;
    request.on_ready = [bell = submission.bell] { bell->ring(); };
    prompt_tokens.push_back(static_cast<int>(request.prompt.size()));
    total += prompt_tokens.back();
  }
  Engine& engine = call.service.engine();
  Result<std::vector<Generation>> generations = engine.submit(std::move(requests));
  if (!generations) return tl::unexpected(refused(generations.error(), engine, prompt_tokens, field));
  submission.generations = *std::move(generations);
  call.service.limiter().charge_tokens(call.caller.key_id, call.caller.limits, total, monotonic_s());
  return submission;
}

AnswerProducer::AnswerProducer(Call& call, Submission submission, bool streams)
    : service_(call.service),
      submission_(std::move(submission)),
      streams_(streams),
      request_id_(call.request.id),
      key_id_(call.caller.key_id),
      limits_(call.caller.limits),
      received_s_(call.received_s),
      last_token_s_(static_cast<size_t>(submission_.choice_count()), -1) {}

AnswerProducer::~AnswerProducer() {
  log_line("info", complete_ ? "answer" : "answer_abandoned",
           {{"id", request_id_},
            {"key", key_id_},
            {"prompt_tokens", int64_t{usage_.prompt_tokens}},
            {"cached_tokens", int64_t{usage_.cached_tokens}},
            {"completion_tokens", int64_t{usage_.completion_tokens}},
            {"reasoning_tokens", int64_t{usage_.reasoning_tokens}},
            {"error", error_ ? error_->code : std::string()},
            {"ms", std::round((monotonic_s() - received_s_) * 10000) / 10}});
}

void AnswerProducer::measure(int choice, const Event& event) {
  if (event.tokens.empty()) return;
  const double now = monotonic_s();
  double& last = last_token_s_[static_cast<size_t>(choice)];
  const int count = static_cast<int>(event.tokens.size());
  if (last < 0)
    service_.metrics().observe_first_token(now - received_s_);
  else
    service_.metrics().observe_tokens(now - last, count);
  last = now;
}

void AnswerProducer::ended(int choice, const Event& event) {
  const bool first = choice % submission_.n == 0;
  if (first) {
    usage_.prompt_tokens += event.usage.prompt_tokens;
    usage_.cached_tokens += event.usage.cached_tokens;
  }
  usage_.completion_tokens += event.usage.completion_tokens;
  usage_.reasoning_tokens += event.usage.reasoning_tokens;
  service_.metrics().observe_answer({.finish = *event.finish,
                                     .usage = event.usage,
                                     .e2e_s = monotonic_s() - received_s_,
                                     .first_of_request = first});
  service_.limiter().charge_tokens(key_id_, limits_, event.usage.completion_tokens, monotonic_s());
}

bool AnswerProducer::poll(std::string& out) {
  if (complete_) return true;
  bool all_done = true;
  for (size_t g = 0; g < submission_.generations.size() && !error_; g++) {
    Generation& generation = submission_.generations[g];
    while (!error_) {
      std::optional<Event> event = generation.poll();
      if (!event) break;
      const int choice = static_cast<int>(g) * submission_.n + event->index;
      measure(choice, *event);
      if (event->finish) ended(choice, *event);
      if (event->error)
        error_ = from_engine(*event->error);
      else if (event->finish == FinishReason::cancelled)
        error_ = stopping();
      else if (event->finish == FinishReason::failed)
        error_ =
            ApiError{.status = 500, .message = "the answer failed", .type = "server_error", .code = "failed"};
      else
        on_event(choice, *event, out);
    }
    all_done = all_done && generation.done();
  }
  if (!all_done && !error_) return false;
  complete_ = true;
  if (!streams_) return true;
  if (error_)
    out += "data: " + to_json(*error_) + "\n\n";  // and no [DONE]: it is not
  else
    on_end(out);
  return true;
}

HttpResponse AnswerProducer::finish() {
  if (error_) {
    // A fault of the request that the engine found late is still the request's.
    return to_response(*error_);
  }
  HttpResponse response;
  response.body = body();
  return response;
}

void AnswerProducer::cancel() {
  for (Generation& generation : submission_.generations) generation.cancel();
}

HttpResponse answer_with(std::unique_ptr<Producer> producer) {
  HttpResponse response;
  if (producer->streams()) {
    response.content_type = "text/event-stream; charset=utf-8";
    response.headers = {{"Cache-Control", "no-cache"}, {"X-Accel-Buffering", "no"}};
  }
  response.producer = std::move(producer);
  return response;
}

std::string_view openai_finish(FinishReason reason) {
  return reason == FinishReason::stop ? "stop" : "length";
}

std::string new_id(std::string_view prefix) {
  constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  thread_local std::mt19937_64 random{std::random_device{}()};
  std::uniform_int_distribution<size_t> letter(0, kLetters.size() - 1);
  std::string id(prefix);
  for (int i = 0; i < 24; i++) id += kLetters[letter(random)];
  return id;
}

}  // namespace sambay::server
