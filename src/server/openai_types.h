// Requests of the OpenAI endpoints and of llama-server's own, typed and checked. Unknown fields are ignored;
// known ones of a wrong type or out of range are a 400 that names the field. null means absent.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "sambay/sambay.h"
#include "server/api_error.h"

namespace sambay::server {

template <class T>
using Parsed = tl::expected<T, ApiError>;

/// none: the text as the model wrote it. deepseek (and "auto"): thinking apart, in reasoning_content.
enum class ReasoningFormat { none, deepseek };

/// What everything that generates may say.
struct GenerationFields {
  SamplingOptions sampling;  ///< the request's over the server's defaults
  int max_tokens = -1;
  std::vector<std::string> stop;
  bool ignore_eos = false;
  int n = 1;
  bool stream = false;
  bool include_usage = false;      ///< stream_options
  bool timings_per_token = false;  ///< chunks say how fast it goes
  bool return_progress = false;    ///< chunks say how much of the prompt is read
  bool verbose = false;            ///< the answer says what was read
  /// Texts, each of whose tokens gets the bias; token ids are in `sampling`.
  std::vector<std::pair<std::string, float>> text_bias;
  int thinking_budget = -1;
  ReasoningFormat reasoning_format = ReasoningFormat::deepseek;
  int priority = 0;
  int deadline_ms = 0;
  bool use_cache = true;
  int slot = -1;
};

/// Messages and how the model is asked to go on from them.
struct Conversation {
  std::vector<ChatMessage> messages;
  ChatEnding ending = ChatEnding::generation_prompt;
};

struct ChatRequest {
  GenerationFields common;
  Conversation conversation;
  int top_logprobs = -1;  ///< -1: none asked for
};

/// A text, or token ids as they are.
using Prompt = std::variant<std::string, std::vector<TokenId>>;
/// A prompt that mixes both; each part is encoded apart.
using MixedPrompt = std::vector<Prompt>;

struct CompletionRequest {
  GenerationFields common;
  std::vector<Prompt> prompts;
  bool echo = false;
  int top_logprobs = -1;
};

struct EmbeddingRequest {
  std::vector<MixedPrompt> input;
  bool base64 = false;
  int dimensions = 0;  ///< 0: not said
};

/// llama-server's /completion.
struct LlamaCompletionRequest {
  GenerationFields common;
  std::vector<MixedPrompt> prompts;
  int n_probs = 0;
  bool return_tokens = false;
  std::vector<std::string> response_fields;  ///< the members wanted, "a/b" for nested ones; empty: all
  bool is_list = false;                      ///< the answer is a list too
};

struct TokenizeRequest {
  std::string content;
  bool parse_special = true, with_pieces = false;
};

/// What a request is read over: the server's defaults.
struct RequestDefaults {
  SamplingOptions sampling;
  int max_tokens = -1;   ///< of a request that does not say
  int most_tokens = -1;  ///< that a request gets, whatever it says; -1: any number
  ReasoningFormat reasoning_format = ReasoningFormat::deepseek;
  int thinking_budget = -1;
  bool ignore_eos = false, use_cache = true, verbose = false;
  bool continues_assistant = true;  ///< a conversation that ends with the assistant's message goes on in it
};

Parsed<ChatRequest> parse_chat_request(std::string_view body, const RequestDefaults& defaults);
Parsed<CompletionRequest> parse_completion_request(std::string_view body, const RequestDefaults& defaults);
Parsed<EmbeddingRequest> parse_embedding_request(std::string_view body);
Parsed<LlamaCompletionRequest> parse_llama_completion_request(std::string_view body,
                                                              const RequestDefaults& defaults);
Parsed<TokenizeRequest> parse_tokenize_request(std::string_view body);
Parsed<std::vector<TokenId>> parse_detokenize_request(std::string_view body);
/// {"messages": [...]}: a chat request of which nothing but the prompt is asked.
Parsed<Conversation> parse_template_request(std::string_view body, const RequestDefaults& defaults);
/// {"filename": "..."}: a plain file name without folders.
Parsed<std::string> parse_slot_file_request(std::string_view body);

}  // namespace sambay::server
