// From the engine's events to an HTTP answer: what all generating routes have in common.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "sambay/sambay.h"
#include "server/http_types.h"
#include "server/service.h"

namespace sambay::server {

/// Passes the engine's "there is something to read" on to whoever waits, once somebody does. Thread-safe.
class Bell {
 public:
  void ring();
  void attach(std::function<void()> wake);

 private:
  std::mutex mutex_;
  std::function<void()> wake_;
};

/// What was submitted for one HTTP request: a Generation for each prompt, n answers each.
struct Submission {
  std::vector<Generation> generations;
  std::shared_ptr<Bell> bell;
  int n = 1;
  int choice_count() const { return static_cast<int>(generations.size()) * n; }
};

/// A text with special tokens as text or as tokens, or ids as they are. Errors: 400.
Parsed<std::vector<TokenId>> encode_prompt(const Engine& engine, const Prompt& prompt, bool parse_special);

/// The ids of a prompt of parts.
Parsed<std::vector<TokenId>> encode_prompt(const Engine& engine, const MixedPrompt& prompt,
                                           bool parse_special);

/// Moves biases on texts to their tokens. Errors: 400.
std::optional<ApiError> resolve_text_bias(const Engine& engine, GenerationFields& fields);

/// The engine's request of what all generating requests share.
Request make_request(const GenerationFields& fields, std::vector<TokenId> prompt);

/// Hands them to the engine, all or none, under the caller's key. `prompt_field` is the name that a fault of
/// the prompt gets as `param`. Errors: 400, 429 (queue full), 5xx.
Parsed<Submission> submit(Call& call, std::vector<Request> requests, const char* prompt_field);

/// Sum over the answers of one HTTP request.
struct UsageSum {
  int prompt_tokens = 0, cached_tokens = 0, completion_tokens = 0, reasoning_tokens = 0;
};

/// Reads the events of a Submission; a route derives from it and says how they are written.
class AnswerProducer : public Producer {
 public:
  AnswerProducer(Call& call, Submission submission, bool streams);
  ~AnswerProducer() override;

  void start(std::function<void()> wake) override { submission_.bell->attach(std::move(wake)); }
  bool streams() const override { return streams_; }
  bool poll(std::string& out) override;
  HttpResponse finish() override;
  void cancel() override;
  std::string_view keep_alive() const override { return ": keep-alive\n\n"; }

 protected:
  /// One event of one answer, never one with an error. When streaming, appends what clients shall read now.
  virtual void on_event(int choice, Event& event, std::string& out) = 0;
  /// When streaming: what comes last.
  virtual void on_end(std::string& out) = 0;
  /// When not streaming: the answer's body.
  virtual std::string body() = 0;

  const UsageSum& usage() const { return usage_; }
  Service& service() const { return service_; }
  int choice_count() const { return submission_.choice_count(); }
  int answers_per_prompt() const { return submission_.n; }

 private:
  /// What is known of a choice so far.
  struct Progress {
    double last_token_s = -1;  // < 0: none yet
    Usage usage;
    bool ended = false;
  };
  int choice_of(size_t generation, const Event& event) const {
    return static_cast<int>(generation) * submission_.n + event.index;
  }
  void measure(int choice, const Event& event);
  void ended(int choice, const Event& event);
  void count(int choice);
  void count_abandoned();

  Service& service_;
  Submission submission_;
  const bool streams_;
  const std::string request_id_, key_id_;
  const RateLimits limits_;
  const double received_s_;
  std::vector<Progress> progress_;  // of each choice
  UsageSum usage_;
  std::optional<ApiError> error_;
  bool complete_ = false;
};

/// An HttpResponse around a producer; with the headers that streams need.
HttpResponse answer_with(std::unique_ptr<Producer> producer);

/// "stop" or "length", as OpenAI's clients know it.
std::string_view openai_finish(FinishReason reason);
/// "chatcmpl-" and 24 random characters.
std::string new_id(std::string_view prefix);

}  // namespace sambay::server
