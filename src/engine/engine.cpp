// The public Engine: opens a model, checks requests, hands them to the loop.
#include <fmt/core.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "base/utf8.h"
#include "engine/engine_loop.h"
#include "model/memory_plan.h"
#include "model/sambay_config.h"
#include "text/tokenizer_data.h"
#include "text/tokenizer_memory.h"

namespace sambay {
namespace {

constexpr size_t kMaxStops = 64, kMaxStopBytes = 4096, kMaxCacheMarks = 16;

template <class T>
Result<void> in_range(const char* name, T value, T low, T high) {
  if (value >= low && value <= high) return {};
  return fail(ErrorCode::invalid_argument, fmt::format("{} is {}: must be {} to {}", name, value, low, high));
}

Result<void> validate(const EngineOptions& o) {
  SAMBAY_TRY_VOID(in_range("max_sequences", o.max_sequences, 1, 4096));
  SAMBAY_TRY_VOID(in_range("max_queue", o.max_queue, 0, 1 << 20));
  SAMBAY_TRY_VOID(in_range("chunk", o.chunk, 1, 65536));
  constexpr int64_t kMost = int64_t{1} << 60;
  SAMBAY_TRY_VOID(in_range("memory_limit", o.memory_limit, int64_t{0}, kMost));
  SAMBAY_TRY_VOID(in_range("total_context", o.total_context, int64_t{-1}, kMost));
  SAMBAY_TRY_VOID(in_range("prefix_cache_bytes", o.prefix_cache_bytes, int64_t{0}, kMost));
  SAMBAY_TRY_VOID(in_range("spill_bytes", o.spill_bytes, int64_t{0}, kMost));
  return in_range("threads", o.threads, 0, 1024);
}

Result<int> context_size(int asked, int model_limit) {
  if (asked == 0) return std::min(kDefaultContext, model_limit);
  if (asked < 2 || asked > model_limit)
    return fail(
        ErrorCode::invalid_argument,
        fmt::format("a context of {} tokens: this model's is 2 to {} (its config's max_position_embeddings)",
                    asked, model_limit));
  return asked;
}

SamplingOptions sampling_of(const GenerationDefaults& d) {
  SamplingOptions s;
  s.temperature = d.temperature.value_or(s.temperature);
  s.top_p = d.top_p.value_or(s.top_p);
  s.min_p = d.min_p.value_or(s.min_p);
  s.top_k = d.top_k.value_or(s.top_k);
  return s;
}

DType kv_dtype(KvType type) {
  switch (type) {
    case KvType::f32: return DType::f32;
    case KvType::f16: return DType::f16;
    case KvType::q8_0: return DType::q8_0;
  }
  return DType::f16;
}

/// What will be allocated, if the limit allows it.
Result<MemoryPlan> plan_engine(const EngineOptions& o, const Checkpoint& checkpoint, int context) {
  SAMBAY_TRY(const ModelFootprint footprint, model_footprint(checkpoint), "loading model");
  MemoryRequest request = answering_request(kv_dtype(o.kv), o.max_sequences, context, o.chunk, o.threads);
  request.tokenizer_bytes = tokenizer_memory(checkpoint, footprint.vocab);
  request.prefix_bytes = o.prefix_cache_bytes;
  request.total_positions = o.total_context;
  if (o.total_context < 0) request.total_positions = largest_total(footprint, request, o.memory_limit);
  MemoryKnobs knobs;
  knobs.sequences = "--parallel";
  SAMBAY_TRY_VOID(check_memory(footprint, request, o.memory_limit, knobs));
  SAMBAY_TRY_VOID(check_prefix_bytes(footprint, request, "prefix_cache_bytes"));
  return plan_memory(footprint, request);
}

/// How a thinking section ends: the token that the model learnt for it, else the words.
std::vector<TokenId> closing_tokens(const Tokenizer& tokenizer) {
  if (const auto token = tokenizer.added_token("</think>")) return {*token};
  return tokenizer.encode("\n</think>\n\n").value_or(std::vector<TokenId>());
}

Result<void> validate_stops(const std::vector<std::string>& stops) {
  if (stops.size() > kMaxStops)
    return fail(ErrorCode::invalid_argument,
                fmt::format("stop: {} strings; at most {}", stops.size(), kMaxStops));
  for (const std::string& stop : stops)
    if (stop.empty() || stop.size() > kMaxStopBytes)
      return fail(ErrorCode::invalid_argument,
                  fmt::format("stop: a string of {} bytes; must be 1 to {}", stop.size(), kMaxStopBytes));
  // A string that begins inside a character would cut one in two.
  for (const std::string& stop : stops)
    if (valid_utf8_prefix(stop) != stop.size())
      return fail(ErrorCode::invalid_argument, "stop: a string that is not UTF-8");
  return {};
}

}  // namespace

struct Engine::Impl {
  std::unique_ptr<Tokenizer> tokenizer;
  Result<ChatTemplate> chat_template =
      fail(ErrorCode::not_found, "this model has no tokenizer and so no chat template");
  SamplingOptions default_sampling;
  std::vector<TokenId> thinking_close;
  std::unique_ptr<EngineLoop> loop;  // last: it uses the tokenizer until it ends

  Result<void> check_prompt(const Request& request) const;
  Result<void> check_answer(const Request& request) const;
  Result<std::shared_ptr<Job>> make_job(Request request) const;
};

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::~Engine() = default;

Result<std::unique_ptr<Engine>> Engine::open(const EngineOptions& options) {
  SAMBAY_TRY_VOID(validate(options));
  SAMBAY_TRY(Checkpoint opened, Checkpoint::open(options.model), "loading model");
  auto checkpoint = std::make_unique<Checkpoint>(std::move(opened));
  SAMBAY_TRY(const SambaYConfig config, load_sambay_config(*checkpoint), "loading model");
  SAMBAY_TRY(const int context, context_size(options.max_context, config.max_context), "-c");

  SAMBAY_TRY(const MemoryPlan plan, plan_engine(options, *checkpoint, context), "planning memory");

  auto impl = std::make_unique<Impl>();
  std::vector<TokenId> stop_ids;
  Result<TokenizerData> data = load_tokenizer_data(*checkpoint);
  if (data) {
    stop_ids = data->stop_ids;
    const std::optional<std::string> chat_template = data->chat_template;
    SAMBAY_TRY(impl->tokenizer, build_tokenizer(*std::move(data), checkpoint->name(), config.vocab),
               "loading tokenizer");
    impl->chat_template = ChatTemplate::recognize(chat_template, options.chat_template);
    if (!options.chat_template.empty() && !impl->chat_template)
      return tl::unexpected(impl->chat_template.error());
  } else if (data.error().code != ErrorCode::not_found) {
    return tl::unexpected(std::move(std::move(data).error()).during("loading tokenizer"));
  }
  if (impl->tokenizer) impl->thinking_close = closing_tokens(*impl->tokenizer);
  impl->default_sampling = sampling_of(load_generation_defaults(*checkpoint));
  SAMBAY_TRY(impl->loop,
             EngineLoop::start(options, std::move(checkpoint), plan, context, std::move(stop_ids)),
             "starting engine");
  return std::unique_ptr<Engine>(new Engine(std::move(impl)));
}

const EngineInfo& Engine::info() const { return impl_->loop->info(); }
const Tokenizer* Engine::tokenizer() const { return impl_->tokenizer.get(); }
const Result<ChatTemplate>& Engine::chat_template() const { return impl_->chat_template; }
const SamplingOptions& Engine::default_sampling() const { return impl_->default_sampling; }

Result<void> Engine::Impl::check_prompt(const Request& r) const {
  const EngineInfo& m = loop->info();
  if (r.prompt.empty()) return fail(ErrorCode::invalid_argument, "prompt: it has no tokens");
  const auto longest = static_cast<size_t>(m.max_context) - (r.embed ? 0 : 1);
  if (r.prompt.size() > longest)
    return fail(ErrorCode::invalid_argument,
                r.embed ? fmt::format("prompt: {} tokens; the context is {}", r.prompt.size(), m.max_context)
                        : fmt::format("prompt: {} tokens leave no room for an answer in a context of {}",
                                      r.prompt.size(), m.max_context));
  for (size_t i = 0; i < r.prompt.size(); i++)
    if (r.prompt[i] < 0 || r.prompt[i] >= m.vocab)
      return fail(ErrorCode::invalid_argument,
                  fmt::format("prompt: token {} is {}: ids are 0 to {}", i, r.prompt[i], m.vocab - 1));
  const auto size = static_cast<int>(r.prompt.size());
  if (r.cache_marks.size() > kMaxCacheMarks)
    return fail(ErrorCode::invalid_argument,
                fmt::format("cache_marks: {}; at most {}", r.cache_marks.size(), kMaxCacheMarks));
  for (size_t i = 0; i < r.cache_marks.size(); i++)
    if (r.cache_marks[i] < 1 || r.cache_marks[i] >= size ||
        (i > 0 && r.cache_marks[i] <= r.cache_marks[i - 1]))
      return fail(ErrorCode::invalid_argument,
                  fmt::format("cache_marks: {} at {}: they ascend from 1 to below the prompt's {} tokens",
                              r.cache_marks[i], i, size));
  return {};
}

Result<void> Engine::Impl::check_answer(const Request& r) const {
  const EngineInfo& m = loop->info();
  SAMBAY_TRY_VOID(sambay::validate(r.sampling, m.vocab));
  SAMBAY_TRY_VOID(validate_stops(r.stop));
  if (r.max_tokens < -1)
    return fail(ErrorCode::invalid_argument,
                fmt::format("max_tokens is {}: must be 0 or more, or -1 for no limit", r.max_tokens));
  SAMBAY_TRY_VOID(in_range("n", r.n, 1, std::min(kMaxAnswers, m.max_sequences)));
  SAMBAY_TRY_VOID(in_range("top_logprobs", r.top_logprobs, -1, kMaxTopLogprobs));
  SAMBAY_TRY_VOID(in_range("deadline_ms", r.deadline_ms, 0, std::numeric_limits<int>::max()));
  SAMBAY_TRY_VOID(in_range("slot", r.slot, -1, m.max_sequences - 1));
  SAMBAY_TRY_VOID(in_range("thinking_budget", r.thinking_budget, -1, std::numeric_limits<int>::max()));
  if (r.thinking_budget >= 0 && !tokenizer)
    return fail(ErrorCode::invalid_argument, "thinking_budget: this model has no tokenizer");
  for (const TokenId id : r.thinking_close)
    if (id < 0 || id >= m.vocab)
      return fail(ErrorCode::invalid_argument, fmt::format("thinking_close: token {} does not exist", id));
  if (r.embed && r.n != 1) return fail(ErrorCode::invalid_argument, "n: an embedding is one");
  return {};
}

Result<std::shared_ptr<Job>> Engine::Impl::make_job(Request request) const {
  SAMBAY_TRY_VOID(check_answer(request));
  SAMBAY_TRY_VOID(check_prompt(request));
  if (request.thinking_close.empty()) request.thinking_close = thinking_close;
  const uint64_t seed = request.sampling.seed ? *request.sampling.seed : random_seed();
  return std::make_shared<Job>(std::move(request), seed, tokenizer.get());
}

Result<Generation> Engine::submit(Request request) {
  Result<std::shared_ptr<Job>> job = impl_->make_job(std::move(request));
  if (!job) return tl::unexpected(std::move(job).error());
  Generation generation((*job)->shared);
  SAMBAY_TRY_VOID(impl_->loop->submit({*job}));
  return generation;
}

Result<std::vector<Generation>> Engine::submit(std::vector<Request> requests) {
  std::vector<std::shared_ptr<Job>> jobs;
  std::vector<Generation> generations;
  for (size_t i = 0; i < requests.size(); i++) {
    SAMBAY_TRY(std::shared_ptr<Job> job, impl_->make_job(std::move(requests[i])),
               fmt::format("request {}", i));
    generations.emplace_back(job->shared);
    jobs.push_back(std::move(job));
  }
  SAMBAY_TRY_VOID(impl_->loop->submit(std::move(jobs)));
  return generations;
}

Result<std::vector<float>> Engine::embed(std::vector<TokenId> tokens) {
  Request request;
  request.prompt = std::move(tokens);
  request.embed = true;
  SAMBAY_TRY(Generation generation, submit(std::move(request)), "embedding");
  std::vector<float> embedding;
  while (std::optional<Event> event = generation.next()) {
    if (event->error) return tl::unexpected(*event->error);
    if (!event->embedding.empty()) embedding = std::move(event->embedding);
  }
  if (embedding.empty()) return fail(ErrorCode::cancelled, "the engine was closed");
  return embedding;
}

Stats Engine::stats() const { return impl_->loop->stats(); }
std::vector<SlotInfo> Engine::slots() const { return impl_->loop->slots(); }
Result<void> Engine::health() const { return impl_->loop->health(); }

Result<SlotFile> Engine::save_slot(int id, const std::string& path, const std::string& key) {
  return impl_->loop->save_slot(id, path, key);
}

Result<SlotFile> Engine::restore_slot(int id, const std::string& path, const std::string& key) {
  return impl_->loop->restore_slot(id, path, key);
}

Result<int> Engine::erase_slot(int id, const std::string& key) { return impl_->loop->erase_slot(id, key); }

}  // namespace sambay
