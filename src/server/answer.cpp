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
/// `prompt_field` is what the request calls its prompt.
ApiError refused(const Error& error, const Engine& engine, const std::vector<int>& prompt_tokens,
                 const char* prompt_field) {
  const int limit = engine.info().max_context;
  for (const int tokens : prompt_tokens) {
    if (error.code != ErrorCode::invalid_argument || tokens < limit) continue;
    return {
        .message = fmt::format("the request exceeds the available context size: '{}' has {} tokens and is "
                               "too large for a context of {}",
                               prompt_field, tokens, limit),
        .type = "exceed_context_size_error",
        .param = prompt_field,
        .code = "context_length_exceeded",
        .numbers = {{"n_prompt_tokens", tokens}, {"n_ctx", limit}}};
  }
  ApiError refusal = from_engine(error);
  if (refusal.param == "prompt") refusal.param = prompt_field;
  return refusal;
}

/// One prompt alone is no "request 0" in messages.
Result<std::vector<Generation>> submit_to(Engine& engine, std::vector<Request> requests) {
  if (requests.size() != 1) return engine.submit(std::move(requests));
  Result<Generation> generation = engine.submit(std::move(requests.front()));
  if (!generation) return tl::unexpected(std::move(generation).error());
  std::vector<Generation> list;
  list.push_back(*std::move(generation));
  return list;
}

/// One choice that fails fails its request: OpenAI's form has no place for an error beside other choices.
ApiError failed_answer(const Error& error, int choice, int choice_count) {
  ApiError result = from_engine(error);
  if (error.code ==
      ErrorCode::corrupt)  // no file's fault, and not the request's: a number that is not finite
    result.status = 500, result.type = "server_error", result.code = "not_finite";
  if (choice_count > 1) result.message = fmt::format("choice {}: {}", choice, result.message);
  return result;
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

Parsed<Submission> submit(Call& call, std::vector<Request> requests, const char* prompt_field) {
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
  Result<std::vector<Generation>> generations = submit_to(engine, std::move(requests));
  if (!generations) return tl::unexpected(refused(generations.error(), engine, prompt_tokens, prompt_field));
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
      progress_(static_cast<size_t>(submission_.choice_count())) {}

AnswerProducer::~AnswerProducer() {
  count_abandoned();
  // Of several prompts the first one's.
  const Usage first = progress_.empty() ? Usage() : progress_.front().usage;
  log_line("info", complete_ ? "answer" : "answer_abandoned",
           {{"id", request_id_},
            {"key", key_id_},
            {"prompt_tokens", int64_t{usage_.prompt_tokens}},
            {"cached_tokens", int64_t{usage_.cached_tokens}},
            {"cache", std::string(to_string(first.cache))},
            {"shared_tokens", int64_t{first.shared_tokens}},
            {"completion_tokens", int64_t{usage_.completion_tokens}},
            {"reasoning_tokens", int64_t{usage_.reasoning_tokens}},
            {"error", error_ ? error_->code : std::string()},
            {"ms", std::round((monotonic_s() - received_s_) * 10000) / 10}});
}

void AnswerProducer::measure(int choice, const Event& event) {
  Progress& progress = progress_[static_cast<size_t>(choice)];
  progress.usage = event.usage;
  if (event.tokens.empty()) return;
  const double now = monotonic_s();
  const int count = static_cast<int>(event.tokens.size());
  if (progress.last_token_s < 0)
    service_.metrics().observe_first_token(now - received_s_);
  else
    service_.metrics().observe_tokens(now - progress.last_token_s, count);
  progress.last_token_s = now;
}

void AnswerProducer::ended(int choice, const Event& event) {
  progress_[static_cast<size_t>(choice)].ended = true;
  count(choice);
  service_.metrics().observe_answer({.finish = *event.finish,
                                     .usage = event.usage,
                                     .e2e_s = monotonic_s() - received_s_,
                                     .first_of_request = choice % submission_.n == 0});
}

/// Adds a choice to the sums and charges its tokens, once.
void AnswerProducer::count(int choice) {
  const Usage& usage = progress_[static_cast<size_t>(choice)].usage;
  if (choice % submission_.n == 0) {
    usage_.prompt_tokens += usage.prompt_tokens;
    usage_.cached_tokens += usage.cached_tokens;
  }
  usage_.completion_tokens += usage.completion_tokens;
  usage_.reasoning_tokens += usage.reasoning_tokens;
  service_.limiter().charge_tokens(key_id_, limits_, usage.completion_tokens, monotonic_s());
}

/// What was decoded for answers that nobody waits for any more is charged too: the client left, or another
/// choice of its request failed.
void AnswerProducer::count_abandoned() {
  for (size_t g = 0; g < submission_.generations.size(); g++) {
    Generation& generation = submission_.generations[g];
    generation.cancel();
    while (std::optional<Event> event = generation.poll()) {
      Progress& progress = progress_[static_cast<size_t>(choice_of(g, *event))];
      progress.usage = event->usage;
    }
  }
  for (size_t choice = 0; choice < progress_.size(); choice++)
    if (!progress_[choice].ended) count(static_cast<int>(choice));
}

bool AnswerProducer::poll(std::string& out) {
  if (complete_) return true;
  bool all_done = true;
  for (size_t g = 0; g < submission_.generations.size() && !error_; g++) {
    Generation& generation = submission_.generations[g];
    while (!error_) {
      std::optional<Event> event = generation.poll();
      if (!event) break;
      const int choice = choice_of(g, *event);
      measure(choice, *event);
      if (event->finish) ended(choice, *event);
      if (event->error)
        error_ = failed_answer(*event->error, choice, submission_.choice_count());
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
