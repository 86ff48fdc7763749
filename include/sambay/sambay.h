// sambay.cpp: the public C++ API. Open an engine, submit requests, read events. See also text.h and error.h.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sambay/error.h"
#include "sambay/text.h"

namespace sambay {

enum class KvType { f32, f16, q8_0 };

struct EngineOptions {
  std::string model;        ///< Hugging Face folder, .safetensors, or GGUF; "" = the embedded model
  int threads = 0;          ///< 0: one per physical core
  std::string isa;          ///< "" = best supported; "scalar", "avx2", ...
  int max_context = 0;      ///< tokens, prompt and answer; 0: the smaller of 65,536 and the model's own limit
  int max_sequences = 8;    ///< running at once; more are queued
  int max_queue = 64;       ///< waiting; more are refused
  int chunk = 256;          ///< prompt tokens per step
  KvType kv = KvType::f16;
  std::string chat_template;  ///< "" = the model's own; a family name ("phi") forces one
};

/// Applied in this order: logit_bias, penalties, temperature, top-k, top-p, min-p, draw. temperature 0 = the
/// most likely token (lowest id among equals).
struct SamplingOptions {
  float temperature = 0.6f;  ///< >= 0
  int top_k = 0;             ///< 0 = off
  float top_p = 0.95f;       ///< (0, 1]; 1 = off
  float min_p = 0;           ///< [0, 1]; relative to the most likely token
  float repeat_penalty = 1;  ///< > 0; divides positive and multiplies negative logits of tokens seen
  float presence_penalty = 0, frequency_penalty = 0;  ///< OpenAI's, over generated tokens; [-2, 2]
  int penalty_last_n = 64;   ///< tokens that repeat_penalty looks back on, prompt included; -1 = all
  std::optional<uint64_t> seed;                       ///< unset: random, reported in Usage
  std::vector<std::pair<TokenId, float>> logit_bias;  ///< added to the logit; -inf forbids
};

struct Request {
  std::vector<TokenId> prompt;
  SamplingOptions sampling;
  int max_tokens = 0;  ///< 0: up to the context limit
  std::vector<std::string> stop;  ///< the answer ends before the first of these; found across token borders
  bool ignore_eos = false;        ///< never choose a stop token
};

enum class FinishReason { stop, length, cancelled, failed };
std::string_view to_string(FinishReason reason);

struct Usage {
  int prompt_tokens = 0, completion_tokens = 0;
  uint64_t seed = 0;
  double prompt_ms = 0, predicted_ms = 0;  ///< wall time in prefill and from the first generated token to the last
  double queue_ms = 0;
  std::string stop_string;  ///< the stop string that ended the answer, if one did
  bool context_full = false;  ///< finish length because the context limit was reached
};

/// A step of an answer. text is whole UTF-8; control tokens give none.
struct Event {
  std::vector<TokenId> tokens;
  std::string text;
  std::optional<FinishReason> finish;  ///< set on the last event only
  Usage usage;                         ///< complete on the last event
  std::optional<Error> error;          ///< with FinishReason::failed
};

/// A running request; destroying it cancels. May outlive nothing: the engine must live longer. One thread at a
/// time, except cancel(), which any thread may call.
class Generation {
 public:
  Generation(Generation&&) noexcept;
  Generation& operator=(Generation&&) noexcept;
  ~Generation();
  /// Blocks for the next event; nullopt after the last one.
  std::optional<Event> next();
  void cancel();
  struct Shared;
  explicit Generation(std::shared_ptr<Shared> shared);

 private:
  std::shared_ptr<Shared> shared_;
};

struct EngineInfo {
  std::string model_name, architecture, isa;
  int vocab = 0, layers = 0, max_context = 0, threads = 0;
  int64_t parameter_count = 0, weight_bytes = 0, cache_bytes_per_sequence = 0;
};

/// Owns model, pools and one thread that runs them. All member functions may be called from any thread.
class Engine {
 public:
  static Result<std::unique_ptr<Engine>> open(const EngineOptions& options);
  ~Engine();  ///< cancels what runs

  const EngineInfo& info() const;
  /// nullptr for a model without tokenizer: text is then empty and stop strings never match.
  const Tokenizer* tokenizer() const;
  /// An error if the model has no template or one that no renderer here knows.
  const Result<ChatTemplate>& chat_template() const;
  /// The model's own sampling defaults, over SamplingOptions{}.
  const SamplingOptions& default_sampling() const;

  /// Errors: invalid_argument (id out of range, prompt empty or not shorter than the context, sampling value out of
  /// range, with the name of the field), unsupported never, out_of_memory when the queue is full.
  Result<Generation> submit(Request request);

 private:
  struct Impl;
  explicit Engine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sambay
