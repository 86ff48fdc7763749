// sambay.cpp: the public C++ API. Open an engine, submit requests, read events. See also text.h and error.h.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
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
  int max_sequences = 8;  ///< running at once, each answer of a request counted; more are queued
  int max_queue = 64;     ///< requests waiting; more are refused, but for the rest of a list
  int chunk = 256;        ///< prompt tokens per step; changes speed and memory, never results
  KvType kv = KvType::f16;
  /// Tokens that all running sequences may keep together. 0: max_sequences full contexts, so that nothing can
  /// run short. -1: as many as memory_limit allows, at least one full context. When they run short, the
  /// youngest sequences are parked on disk until there is room.
  int64_t total_context = 0;
  /// Bytes for the prefix cache: states and keys of prompts that were read, found again by their tokens. 0:
  /// none. Part of the memory plan.
  int64_t prefix_cache_bytes = 0;
  /// A request finds what requests of other keys left. Off: timing tells nobody what others asked.
  bool share_prefix_cache = false;
  /// Existing folder for files without a name: parked sequences and what the prefix cache has no room for. ""
  /// = the system's temporary folder.
  std::string spill_folder;
  int64_t spill_bytes = 0;    ///< what the prefix cache may keep there; 0: nothing. Parking is not limited
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

inline constexpr int kMaxTopLogprobs = 20;
inline constexpr int kMaxAnswers = 128;

struct Request {
  std::vector<TokenId> prompt;
  SamplingOptions sampling;
  int max_tokens = -1;  ///< of each answer; -1: up to the context limit; 0: only reads the prompt
  /// The answer ends before the first of these to be complete in it, wherever token borders fall. UTF-8; at
  /// most 64, none empty or longer than 4,096 bytes.
  std::vector<std::string> stop;
  bool ignore_eos = false;  ///< never choose a stop token

  /// Answers to the same prompt, which is read once: 1 to kMaxAnswers and at most max_sequences. Answer i
  /// draws with seed + i, as a request of its own with that seed would.
  int n = 1;
  /// -1: none. From 0 on, Event::logprobs has the chosen tokens' log probabilities and this many of the
  /// likeliest tokens, at most kMaxTopLogprobs. They are the model's own: before bias, penalties and filters.
  int top_logprobs = -1;
  bool prompt_logprobs = false;  ///< the same for the prompt's tokens; reads it slowly and without the cache
  /// The last event carries Event::embedding; no answer is generated. The prompt may fill the whole context.
  bool embed = false;

  int priority = 0;  ///< larger ones start first
  std::string key;   ///< whose it is: keys share the engine evenly, and find only their own cached prefixes
  int deadline_ms = 0;  ///< from submit(); then the answer ends as it is (FinishReason::deadline); 0: none

  bool use_cache = true;  ///< look the prompt up in the prefix cache, and leave it there
  /// Prompt positions (lengths of beginnings) that other prompts will share, such as the end of system
  /// message and tools. Ascending, each below prompt.size(); at most 16.
  std::vector<int> cache_marks;
  /// The place to run in (SlotInfo::id) if it is free. -1, or if it is not: the one that remembers most of
  /// this prompt (half at least), else one that remembers nothing, else the one used longest ago.
  int slot = -1;

  /// Tokens that the thinking section may have; -1: any number. From 90 % on it closes at the next sentence
  /// end, at 100 % at once. Where max_tokens (or the context) sets an end, the larger of 256 tokens and an
  /// eighth stays for the answer, but not more than half of it. Needs a tokenizer.
  int thinking_budget = -1;
  bool starts_in_thinking = false;  ///< the prompt ends inside of a thinking section
  /// What closes it; empty: the token </think>, or "\n</think>\n\n" where the vocabulary has no such token.
  std::vector<TokenId> thinking_close;

  /// An event when the request starts (what was cached is read then), and after each step that reads a part
  /// of the prompt.
  bool report_progress = false;
  /// Called by the engine's thread when an event can be read and none could before: for readers that poll().
  /// Must return soon, not throw, and call nothing of this engine. Never called after the last event was
  /// announced; may still be running when the Generation has been destroyed.
  std::function<void()> on_ready;
};

/// stop: a stop token or stop string; length: max_tokens or the context limit; deadline: deadline_ms is over.
enum class FinishReason { stop, length, cancelled, failed, deadline };
inline constexpr int kFinishReasonCount = 5;
std::string_view to_string(FinishReason reason);

/// What became of a prompt's look-up in the prefix cache. Every look-up counts as exactly one of these.
enum class CacheResult {
  off,         ///< not looked up: no prefix cache, use_cache is false, or prompt_logprobs or embed is set
  hit,         ///< a beginning was found
  first_seen,  ///< no prompt with this beginning has been here (under this key)
  diverged,    ///< a cached prompt begins alike, but differs before the first place that a state was kept at
  evicted,     ///< it was kept and had to go for others
  busy,        ///< it is kept, but nothing could be freed to continue from it
  damaged,     ///< it was on disk, and cannot be read or is not what was written there
};
inline constexpr int kCacheResultCount = 7;
std::string_view to_string(CacheResult result);

struct Usage {
  int prompt_tokens = 0;
  int cached_tokens = 0;  ///< of those, found in the prefix cache
  CacheResult cache = CacheResult::off;
  int shared_tokens = 0;      ///< the longest beginning that some cached prompt has in common with this one
  int completion_tokens = 0;  ///< every token of this answer, a stop token included
  int reasoning_tokens = 0;   ///< of those, between <think> and </think>, these included
  uint64_t seed = 0;          ///< of this answer
  int slot = -1;              ///< the place it ran in (SlotInfo::id); -1: it never started
  double queue_ms = 0;        ///< from submit() to the first step
  double prompt_ms = 0;       ///< from there to the first chosen token
  double predicted_ms = 0;    ///< from the first chosen token to the last
  double parked_ms = 0;       ///< spent on disk under memory pressure; part of the others
  std::string stop_string;    ///< the stop string that ended the answer, if one did
  bool context_full = false;  ///< finish length because the context limit was reached
  bool thinking_cut = false;  ///< thinking_budget closed the thinking section
};

struct TokenLogprob {
  TokenId id = 0;  ///< its bytes: Tokenizer::bytes
  float logprob = 0;
};

struct TokenLogprobs {
  TokenLogprob token;
  std::vector<TokenLogprob> top;  ///< likeliest first, among equals the lowest id
};

/// What came to one answer since its last event: one token, or several when the reader is slower than the
/// model.
struct Event {
  int index = 0;                        ///< of the answer, 0 to n - 1
  std::vector<TokenId> tokens;          ///< a stop token included
  std::string text;                     ///< whole UTF-8 characters; control tokens give none
  std::vector<TokenLogprobs> logprobs;  ///< one for each of `tokens` when asked for
  /// With prompt_logprobs, in events of answer 0 before its first token: prompt tokens in order, from the
  /// second on (nothing predicts the first).
  std::vector<TokenLogprobs> prompt_logprobs;
  int prompt_done = 0;                 ///< prompt tokens read so far, cached ones included
  std::optional<FinishReason> finish;  ///< set on the answer's last event only
  Usage usage;                         ///< complete on the answer's last event
  std::optional<Error> error;          ///< with FinishReason::failed
  std::vector<float> embedding;        ///< [hidden], unit length, on the last event of Request::embed
};

/// A running request; destroying it cancels. One thread at a time, except cancel(), which any thread may
/// call. When the engine goes first, the last event says cancelled.
class Generation {
 public:
  Generation(Generation&&) noexcept;
  Generation& operator=(Generation&&) noexcept;
  ~Generation();
  /// Blocks for the next event; nullopt after the last one of every answer. Nothing is lost: the texts of all
  /// events of an answer, in order, are the answer.
  std::optional<Event> next();
  /// The same without waiting: nullopt also when there is nothing yet (see done()).
  std::optional<Event> poll();
  /// The last event was read.
  bool done() const;
  /// Ends the answers after the step that is running; what was generated still comes.
  void cancel();
  struct Shared;
  explicit Generation(std::shared_ptr<Shared> shared);

 private:
  std::shared_ptr<Shared> shared_;
};

struct EngineInfo {
  std::string model_name, architecture, isa;
  int vocab = 0, layers = 0, hidden = 0, max_context = 0, threads = 0;
  int model_context = 0;  ///< the model's own limit
  int max_sequences = 0, max_queue = 0;
  int64_t parameter_count = 0, weight_bytes = 0;
  int64_t cache_bytes_per_sequence = 0;  ///< state and KV pages of one sequence at max_context
  int64_t planned_bytes = 0;             ///< of memory, all in all, with every context full
  std::vector<TokenId> stop_ids;
};

/// A place that a sequence runs in. Between sequences it remembers the conversation of the last one, as long
/// as the prefix cache keeps that.
struct SlotInfo {
  int id = 0;  ///< 0 to max_sequences - 1
  bool is_processing = false;
  bool is_parked = false;
  int prompt_tokens = 0;     ///< of the request that runs here, or ran last
  int prompt_done = 0;       ///< of those, read so far
  int generated = 0;         ///< tokens of its answer
  int max_tokens = -1;       ///< of its request
  int remembered = 0;        ///< tokens that save_slot() would write; 0: nothing
  SamplingOptions sampling;  ///< of its request, with the seed
};

/// What save_slot() and restore_slot() moved.
struct SlotFile {
  int tokens = 0;
  int64_t bytes = 0;
};

/// Counters since the engine was opened, and how things stand now. For /metrics.
struct Stats {
  // Counters.
  uint64_t requests = 0;                                    ///< accepted
  uint64_t refused = 0;                                     ///< because the queue was full
  std::array<uint64_t, kFinishReasonCount> finished{};      ///< answers by FinishReason
  std::array<uint64_t, kCacheResultCount> cache_lookups{};  ///< by CacheResult
  uint64_t prompt_tokens = 0;                               ///< of requests that began
  uint64_t cached_tokens = 0;                               ///< of those, found in the prefix cache
  uint64_t computed_prompt_tokens = 0;
  uint64_t generated_tokens = 0;
  uint64_t steps = 0, step_rows = 0;               ///< forwards, and rows in all of them
  uint64_t cache_stored = 0, cache_evicted = 0;    ///< snapshots
  uint64_t cache_spilled = 0, cache_reloaded = 0;  ///< snapshots to disk and back
  uint64_t parked = 0, unparked = 0;               ///< sequences
  double step_seconds = 0;
  // Gauges.
  int running = 0;  ///< sequences with a place, parked ones not counted
  int waiting = 0;  ///< requests
  int parked_now = 0;
  int slots_used = 0, slots_total = 0;            ///< states; the prefix cache has some of them
  int64_t kv_pages_used = 0, kv_pages_total = 0;  ///< of all groups
  int64_t kv_bytes_used = 0, kv_bytes_total = 0;
  int64_t cache_bytes = 0, cache_bytes_limit = 0;  ///< prefix cache
  int cache_entries = 0;
  int64_t spill_bytes = 0;
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
  /// range; the message begins with the name of its field), busy when max_sequences run and
  /// max_queue wait already, internal after the engine died.
  Result<Generation> submit(Request request);
  /// All of them or none: several prompts of one caller, taken when one of them would be. Errors as above;
  /// "request 3: " in front where there are several.
  Result<std::vector<Generation>> submit(std::vector<Request> requests);
  /// Mean of the rows of the final norm over the tokens, made unit length: [hidden]. Blocks. Errors: those of
  /// submit(), and of the request.
  Result<std::vector<float>> embed(std::vector<TokenId> tokens);

  Stats stats() const;
  /// All places, by id.
  std::vector<SlotInfo> slots() const;
  /// Writes what the place remembers, to be continued bit for bit by restore_slot() with the same model file
  /// and KV type. These three wait for the step that is running. Errors: invalid_argument (no such place),
  /// busy (a sequence runs in it), not_found (it remembers nothing that is this key's), io.
  Result<SlotFile> save_slot(int id, const std::string& path, const std::string& key = "");
  /// Reads such a file into the prefix cache, under `key`. Errors also: corrupt, unsupported (of another
  /// model, KV type or version), out_of_memory (larger than the prefix cache, or there is none).
  Result<SlotFile> restore_slot(int id, const std::string& path, const std::string& key = "");
  /// Forgets it if it is this key's, and what the prefix cache has of its beginnings; the number of tokens
  /// that were remembered.
  Result<int> erase_slot(int id, const std::string& key = "");

  /// An error after the engine died (out of memory); a server is then neither healthy nor ready.
  Result<void> health() const;

 private:
  struct Impl;
  explicit Engine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sambay
