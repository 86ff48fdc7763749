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
  std::string model;      ///< Hugging Face folder, .safetensors, or GGUF; "" = the embedded model
  int threads = 0;        ///< 0: one per physical core
  std::string isa;        ///< "" = best supported; "scalar", "avx2", ...
  int max_context = 0;    ///< tokens, prompt and answer; 0: the smaller of 65,536 and the model's own limit
  int max_sequences = 8;  ///< running at once; more are queued
  int max_queue = 64;     ///< waiting; more are refused
  int chunk = 256;        ///< prompt tokens per step; changes speed and memory, never results
  KvType kv = KvType::f16;
  int64_t memory_limit = 0;   ///< bytes that all of it may need with every context full; 0: no limit
  std::string chat_template;  ///< "" = the model's own; a family name ("phi") forces one
};

/// Applied in this order: logit_bias, penalties, temperature, top-k, top-p, min-p, draw; each filter looks at
/// the probabilities that the one before it left. temperature 0 = the most likely token after bias and
/// penalties. Among equals the lowest id comes first everywhere. Equal seeds give equal draws on every
/// machine.
struct SamplingOptions {
  float temperature = 0.6f;      ///< >= 0
  int top_k = 0;                 ///< the k most likely tokens; 0 = off
  float top_p = 0.95f;           ///< (0, 1]: the fewest tokens that together have this probability; 1 = off
  float min_p = 0;               ///< [0, 1]: tokens at least this likely relative to the likeliest; 0 = off
  float repeat_penalty = 1;      ///< > 0: divides positive and multiplies negative logits of tokens seen
  int penalty_last_n = 64;       ///< tokens that repeat_penalty looks back on, prompt included; -1 = all
  float presence_penalty = 0;    ///< [-2, 2]: subtracted for each token that was generated before
  float frequency_penalty = 0;   ///< [-2, 2]: subtracted as often as the token was generated before
  std::optional<uint64_t> seed;  ///< unset: random, reported in Usage
  std::vector<std::pair<TokenId, float>> logit_bias;  ///< added to the logit; -infinity forbids the token
};

struct Request {
  std::vector<TokenId> prompt;
  SamplingOptions sampling;
  int max_tokens = -1;  ///< -1: up to the context limit; 0: only reads the prompt
  /// The answer ends before the first of these to be complete in it, wherever token borders fall. UTF-8; at
  /// most 64, none empty or longer than 4,096 bytes.
  std::vector<std::string> stop;
  bool ignore_eos = false;  ///< never choose a stop token
};

/// stop: a stop token or stop string; length: max_tokens or the context limit.
enum class FinishReason { stop, length, cancelled, failed };
std::string_view to_string(FinishReason reason);

struct Usage {
  int prompt_tokens = 0;
  int completion_tokens = 0;  ///< every token chosen, a stop token included
  uint64_t seed = 0;
  double queue_ms = 0;        ///< from submit() to the first step
  double prompt_ms = 0;       ///< from there to the first chosen token
  double predicted_ms = 0;    ///< from the first chosen token to the last
  std::string stop_string;    ///< the stop string that ended the answer, if one did
  bool context_full = false;  ///< finish length because the context limit was reached
};

/// What came since the last event: one token, or several when the reader is slower than the model.
struct Event {
  std::vector<TokenId> tokens;         ///< a stop token included
  std::string text;                    ///< whole UTF-8 characters; control tokens give none
  std::optional<FinishReason> finish;  ///< set on the last event only
  Usage usage;                         ///< complete on the last event
  std::optional<Error> error;          ///< with FinishReason::failed
};

/// A running request; destroying it cancels. One thread at a time, except cancel(), which any thread may
/// call. When the engine goes first, the last event says cancelled.
class Generation {
 public:
  Generation(Generation&&) noexcept;
  Generation& operator=(Generation&&) noexcept;
  ~Generation();
  /// Blocks for the next event; nullopt after the last one. Nothing is lost: the texts of all events, in
  /// order, are the answer.
  std::optional<Event> next();
  /// Ends the answer after the step that is running; what was generated still comes.
  void cancel();
  struct Shared;
  explicit Generation(std::shared_ptr<Shared> shared);

 private:
  std::shared_ptr<Shared> shared_;
};

struct EngineInfo {
  std::string model_name, architecture, isa;
  int vocab = 0, layers = 0, max_context = 0, threads = 0;
  int64_t parameter_count = 0, weight_bytes = 0;
  int64_t cache_bytes_per_sequence = 0;  ///< state and KV pages of one sequence at max_context
};

/// Owns model, pools and one thread that runs them. All member functions may be called from any thread.
class Engine {
 public:
  /// Opens the model and reserves the memory of max_sequences full contexts (as address space: memory is used
  /// as contexts grow). Errors: invalid_argument (an option, with its name), those of the model's files,
  /// out_of_memory, also when more than memory_limit would be needed: then nothing was loaded and the message
  /// says what would fit.
  static Result<std::unique_ptr<Engine>> open(const EngineOptions& options);
  ~Engine();  ///< cancels what runs

  const EngineInfo& info() const;
  /// nullptr for a model without tokenizer: text is then empty and stop strings never match.
  const Tokenizer* tokenizer() const;
  /// An error if the model has no template or one that no renderer here knows.
  const Result<ChatTemplate>& chat_template() const;
  /// The model's own sampling defaults, over SamplingOptions{}.
  const SamplingOptions& default_sampling() const;

  /// Errors: invalid_argument (id out of range, prompt empty or not shorter than the context, a value out of
  /// range, with the name of its field), out_of_memory when max_sequences run and max_queue wait already,
  /// internal after the engine died.
  Result<Generation> submit(Request request);

 private:
  struct Impl;
  explicit Engine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sambay
