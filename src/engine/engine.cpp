// The public Engine: opens a model, checks requests, hands them to the loop.
#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "base/utf8.h"
#include "engine/engine_loop.h"
#include "model/memory_plan.h"
#include "model/sambay_config.h"
#include "text/tokenizer_data.h"
#include "text/tokenizer_memory.h"

namespace sambay {
namespace {

constexpr size_t kMaxStops = 64, kMaxStopBytes = 4096;

template <class T>
Result<void> in_range(const char* name, T value, T low, T high) {
  if (value >= low && value <= high) return {};
  return fail(ErrorCode::invalid_argument, fmt::format("{} is {}: must be {} to {}", name, value, low, high));
}

Result<void> validate(const EngineOptions& o) {
  SAMBAY_TRY_VOID(in_range("max_sequences", o.max_sequences, 1, 4096));
  SAMBAY_TRY_VOID(in_range("max_queue", o.max_queue, 0, 1 << 20));
  SAMBAY_TRY_VOID(in_range("chunk", o.chunk, 1, 65536));
  SAMBAY_TRY_VOID(in_range("memory_limit", o.memory_limit, int64_t{0}, int64_t{1} << 60));
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
  MemoryKnobs knobs;
  knobs.sequences = "--parallel";
  SAMBAY_TRY_VOID(check_memory(footprint, request, o.memory_limit, knobs));
  return plan_memory(footprint, request);
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
  std::unique_ptr<EngineLoop> loop;  // last: it uses the tokenizer until it ends
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

Result<Generation> Engine::submit(Request request) {
  const EngineInfo& m = info();
  SAMBAY_TRY_VOID(sambay::validate(request.sampling, m.vocab));
  SAMBAY_TRY_VOID(validate_stops(request.stop));
  if (request.max_tokens < -1)
    return fail(ErrorCode::invalid_argument,
                fmt::format("max_tokens is {}: must be 0 or more, or -1 for no limit", request.max_tokens));
  if (request.prompt.empty()) return fail(ErrorCode::invalid_argument, "prompt: it has no tokens");
  if (request.prompt.size() >= static_cast<size_t>(m.max_context))
    return fail(ErrorCode::invalid_argument,
                fmt::format("prompt: {} tokens leave no room for an answer in a context of {}",
                            request.prompt.size(), m.max_context));
  for (size_t i = 0; i < request.prompt.size(); i++)
    if (request.prompt[i] < 0 || request.prompt[i] >= m.vocab)
      return fail(ErrorCode::invalid_argument,
                  fmt::format("prompt: token {} is {}: ids are 0 to {}", i, request.prompt[i], m.vocab - 1));
  const uint64_t seed = request.sampling.seed ? *request.sampling.seed : random_seed();
  return impl_->loop->submit(
      std::make_unique<Sequence>(std::move(request), seed, impl_->tokenizer.get(), impl_->loop->stop_ids()));
}

Result<std::vector<Generation>> Engine::submit(std::vector<Request> requests) {
  std::vector<Generation> generations;
  for (Request& request : requests) {
    SAMBAY_TRY(Generation generation, submit(std::move(request)), "prompt");
    generations.push_back(std::move(generation));
  }
  return generations;
}

Result<std::vector<float>> Engine::embed(std::vector<TokenId>) {
  return fail(ErrorCode::unsupported, "not yet");
}

Stats Engine::stats() const { return {}; }
std::vector<SlotInfo> Engine::slots() const { return {}; }

Result<SlotFile> Engine::save_slot(int, const std::string&) {
  return fail(ErrorCode::unsupported, "not yet");
}

Result<SlotFile> Engine::restore_slot(int, const std::string&, const std::string&) {
  return fail(ErrorCode::unsupported, "not yet");
}

Result<int> Engine::erase_slot(int) { return fail(ErrorCode::unsupported, "not yet"); }
Result<void> Engine::health() const { return {}; }

}  // namespace sambay
