#include "server/openai_types.h"

#include <fmt/core.h>

#include <functional>

#include "server/request_fields.h"

namespace sambay::server {
namespace {

/// Reads a body's object with `read`, and returns the first fault if there is one.
template <class T>
Parsed<T> parse(std::string_view body, const std::function<void(FieldReader&, T&)>& read) {
  nlohmann::json object;
  if (auto fault = parse_body(body, object)) return tl::unexpected(*std::move(fault));
  std::optional<ApiError> fault;
  FieldReader fields(object, "", fault);
  T out;
  read(fields, out);
  if (fault) return tl::unexpected(*std::move(fault));
  return out;
}

void read_chat_logprobs(FieldReader& fields, ChatRequest& out) {
  bool wanted = false;
  int top = 0;
  fields.read("logprobs", wanted);
  fields.read("top_logprobs", top, 0, kMaxTopLogprobs);
  if (top > 0 && !wanted) fields.fail(invalid_value("top_logprobs", "needs 'logprobs': true"));
  if (wanted) out.top_logprobs = top;
}

void read_response_fields(FieldReader& fields, LlamaCompletionRequest& out) {
  const nlohmann::json* list = fields.find("response_fields");
  if (!list) return;
  if (!list->is_array()) return fields.fail(invalid_type("response_fields", "an array", type_name(*list)));
  for (size_t i = 0; i < list->size(); i++) {
    if (!(*list)[i].is_string())
      return fields.fail(
          invalid_type(fmt::format("response_fields[{}]", i), "a string", type_name((*list)[i])));
    out.response_fields.push_back((*list)[i].get<std::string>());
  }
}

}  // namespace

Parsed<ChatRequest> parse_chat_request(std::string_view body, const RequestDefaults& defaults) {
  return parse<ChatRequest>(body, [&](FieldReader& fields, ChatRequest& out) {
    out.conversation = read_conversation(fields, defaults);
    read_generation_fields(fields, defaults, true, out.common);
    read_chat_logprobs(fields, out);
  });
}

Parsed<CompletionRequest> parse_completion_request(std::string_view body, const RequestDefaults& defaults) {
  return parse<CompletionRequest>(body, [&](FieldReader& fields, CompletionRequest& out) {
    out.prompts = read_prompts(fields, "prompt");
    read_generation_fields(fields, defaults, true, out.common);
    fields.read("echo", out.echo);
    fields.read("logprobs", out.top_logprobs, 0, kMaxTopLogprobs);
    int best_of = out.common.n;
    fields.read("best_of", best_of, 1, kMaxAnswers);
    if (best_of != out.common.n)
      fields.fail(unsupported("best_of", "all answers are returned: it must equal 'n' or be absent"));
  });
}

Parsed<EmbeddingRequest> parse_embedding_request(std::string_view body) {
  return parse<EmbeddingRequest>(body, [&](FieldReader& fields, EmbeddingRequest& out) {
    // llama-server's own name for it is "content".
    const bool llama = !fields.find("input") && fields.find("content");
    bool is_list = false;
    out.input = read_mixed_prompts(fields, llama ? "content" : "input", is_list);
    std::string format, ignored;
    fields.read("model", ignored);
    fields.read("user", ignored);
    fields.read("dimensions", out.dimensions, 1, 1 << 20);
    if (!fields.read("encoding_format", format)) return;
    if (format != "float" && format != "base64")
      return fields.fail(invalid_value("encoding_format", "must be float or base64"));
    out.base64 = format == "base64";
  });
}

Parsed<LlamaCompletionRequest> parse_llama_completion_request(std::string_view body,
                                                              const RequestDefaults& defaults) {
  return parse<LlamaCompletionRequest>(body, [&](FieldReader& fields, LlamaCompletionRequest& out) {
    out.prompts = read_mixed_prompts(fields, "prompt", out.is_list);
    read_generation_fields(fields, defaults, false, out.common);
    fields.read("n_probs", out.n_probs, 0, kMaxTopLogprobs);
    fields.read("return_tokens", out.return_tokens);
    fields.read("t_max_predict_ms", out.common.deadline_ms, 0, 1 << 30);
    read_response_fields(fields, out);
    bool post_sampling = false;
    fields.read("post_sampling_probs", post_sampling);
    if (post_sampling)
      fields.fail(unsupported("post_sampling_probs", "there are the model's own probabilities alone"));
    if (out.common.n != 1) fields.fail(unsupported("n", "/completion gives one answer"));
    if (out.common.stream && out.prompts.size() > 1)
      fields.fail(unsupported("stream", "a stream has one prompt"));
  });
}

Parsed<TokenizeRequest> parse_tokenize_request(std::string_view body) {
  return parse<TokenizeRequest>(body, [&](FieldReader& fields, TokenizeRequest& out) {
    if (!fields.read("content", out.content) && !fields.read("prompt", out.content) && fields.good())
      fields.fail(missing("content"));
    fields.read("parse_special", out.parse_special);
    fields.read("with_pieces", out.with_pieces);
    bool ignored = false;  // no token is ever added at either end
    fields.read("add_special", ignored);
  });
}

Parsed<std::vector<TokenId>> parse_detokenize_request(std::string_view body) {
  return parse<std::vector<TokenId>>(body, [&](FieldReader& fields, std::vector<TokenId>& out) {
    const nlohmann::json* list = fields.find("tokens");
    if (!list) return fields.fail(missing("tokens"));
    if (!list->is_array()) return fields.fail(invalid_type("tokens", "an array", type_name(*list)));
    for (size_t i = 0; i < list->size(); i++) {
      out.emplace_back();
      if (!read_token(fields, (*list)[i], fmt::format("tokens[{}]", i), out.back())) return;
    }
  });
}

Parsed<Conversation> parse_template_request(std::string_view body, const RequestDefaults& defaults) {
  return parse<Conversation>(body, [&](FieldReader& fields, Conversation& out) {
    refuse_unsupported_fields(fields);
    out = read_conversation(fields, defaults);
  });
}

Parsed<std::string> parse_slot_file_request(std::string_view body) {
  return parse<std::string>(body, [&](FieldReader& fields, std::string& out) {
    if (!fields.read("filename", out)) {
      if (fields.good()) fields.fail(missing("filename"));
      return;
    }
    const bool plain = !out.empty() && out.size() <= 200 && out[0] != '.' &&
                       std::all_of(out.begin(), out.end(), [](unsigned char c) {
                         return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                                c == '-' || c == '_' || c == '.';
                       });
    if (!plain)
      fields.fail(invalid_value(
          "filename", "must be letters, digits, '-', '_' and '.', not beginning with '.', at most 200"));
  });
}

}  // namespace sambay::server
