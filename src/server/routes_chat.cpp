// POST /v1/chat/completions and /v1/chat/completions/input_tokens
#include <algorithm>
#include <utility>

#include "server/llama_settings.h"
#include "server/routes.h"
#include "server/wire.h"

namespace sambay::server {
namespace {

/// One of the n answers, as far as it has come.
struct Choice {
  ReasoningSplitter splitter;
  std::string content, reasoning;               // only kept when the answer does not stream
  OrderedJson logprobs = OrderedJson::array();  // not sent yet
  bool content_began = false, reasoning_began = false, role_sent = false;
  bool thinks = false;  // the tokens stand between <think> and </think>
  int reported = -1;    // of the prompt
  std::optional<FinishReason> finish;
  Usage usage;
};

class ChatAnswer final : public AnswerProducer {
 public:
  /// `prompt`: as the model reads it.
  ChatAnswer(Call& call, Submission submission, const ChatRequest& request, std::vector<TokenId> prompt,
             bool starts_in_thinking)
      : AnswerProducer(call, std::move(submission), request.common.stream),
        id_(new_id("chatcmpl-")),
        created_(unix_time()),
        splits_(request.common.reasoning_format != ReasoningFormat::none),
        wants_logprobs_(request.top_logprobs >= 0),
        fields_(request.common),
        prompt_(std::move(prompt)),
        tokenizer_(call.service.engine().tokenizer()),
        think_(tokenizer_ ? tokenizer_->added_token("<think>") : std::nullopt),
        end_think_(tokenizer_ ? tokenizer_->added_token("</think>") : std::nullopt),
        choices_(static_cast<size_t>(choice_count())) {
    if (!starts_in_thinking || !splits_) return;
    for (Choice& choice : choices_) {
      choice.splitter.push("<think>");
      choice.thinks = true;
    }
  }

 private:
  void on_event(int index, Event& event, std::string& out) override {
    Choice& choice = choices_[static_cast<size_t>(index)];
    if (wants_logprobs_) take_logprobs(choice, event);
    if (fields_.return_progress && streams())
      for (OrderedJson& progress : progress_json(event, choice.reported))
        out += chunk(index, choice, OrderedJson::object(), {}, {{"prompt_progress", std::move(progress)}});
    OrderedJson more = OrderedJson::object();
    if (fields_.timings_per_token) more["timings"] = timings_json(event.usage);
    for (ReasoningSplitter::Piece& piece : split(choice, event)) {
      trim(choice, piece);
      if (piece.text.empty()) continue;
      if (streams())
        out += chunk(index, choice, delta_of(piece), {}, more);
      else
        (piece.reasoning ? choice.reasoning : choice.content) += piece.text;
    }
    if (!event.finish) return;
    choice.finish = event.finish;
    choice.usage = std::move(event.usage);
    if (!streams()) return;
    if (fields_.verbose) more["__verbose"] = verbose_json();
    out += chunk(index, choice, OrderedJson::object(), choice.finish, more);
  }

  void on_end(std::string& out) override {
    if (fields_.include_usage) {
      OrderedJson last = answer_json(id_, "chat.completion.chunk", created_, service(), OrderedJson::array());
      last["usage"] = usage_json(usage());
      if (choices_.size() == 1) last["timings"] = timings_json(choices_[0].usage);
      out += sse(last);
    }
    out += kSseDone;
  }

  std::string body() override {
    OrderedJson list = OrderedJson::array();
    for (size_t i = 0; i < choices_.size(); i++) list.push_back(choice_json(i));
    OrderedJson answer = answer_json(id_, "chat.completion", created_, service(), std::move(list));
    answer["usage"] = usage_json(usage());
    if (choices_.size() == 1) answer["timings"] = timings_json(choices_[0].usage);
    if (fields_.verbose) answer["__verbose"] = verbose_json();
    return dump(answer);
  }

  /// What the request came to: the text that the model read, and how tokens are chosen.
  OrderedJson verbose_json() const {
    return {{"prompt", tokenizer_->decode(prompt_)},
            {"tokens_evaluated", prompt_.size()},
            {"generation_settings", settings_json(fields_, service().engine().info().stop_ids)}};
  }

  OrderedJson choice_json(size_t i) {
    Choice& choice = choices_[i];
    OrderedJson message = {{"role", "assistant"}};
    // Cut off while it was thinking: there is no answer.
    const bool no_content = choice.content.empty() && !choice.reasoning.empty();
    message["content"] = no_content ? OrderedJson(nullptr) : OrderedJson(choice.content);
    message["refusal"] = nullptr;
    if (!choice.reasoning.empty()) {
      message["reasoning_content"] = choice.reasoning;
      message["reasoning"] = choice.reasoning;
    }
    return {{"index", i},
            {"message", std::move(message)},
            {"logprobs", logprobs_json(choice)},
            {"finish_reason", openai_finish(choice.finish.value_or(FinishReason::length))}};
  }

  std::vector<ReasoningSplitter::Piece> split(Choice& choice, const Event& event) const {
    if (!splits_) return {{false, event.text}};
    std::vector<ReasoningSplitter::Piece> pieces = choice.splitter.push(event.text);
    if (event.finish)
      for (ReasoningSplitter::Piece& piece : choice.splitter.finish()) pieces.push_back(std::move(piece));
    return pieces;
  }

  /// The blank lines around the tags belong to neither side.
  void trim(Choice& choice, ReasoningSplitter::Piece& piece) const {
    bool& began = piece.reasoning ? choice.reasoning_began : choice.content_began;
    if (began || !splits_) return;
    if (piece.reasoning || choice.reasoning_began)
      piece.text.erase(0, std::min(piece.text.find_first_not_of("\r\n"), piece.text.size()));
    began = !piece.text.empty();
  }

  OrderedJson delta_of(const ReasoningSplitter::Piece& piece) const {
    if (!piece.reasoning) return {{"content", piece.text}};
    return {{"reasoning_content", piece.text}, {"reasoning", piece.text}};
  }

  /// `more`: members of the chunk beside OpenAI's.
  std::string chunk(int index, Choice& choice, OrderedJson delta, std::optional<FinishReason> finish,
                    const OrderedJson& more) {
    std::string out;
    if (!std::exchange(choice.role_sent, true))
      out = one_chunk(index, {{"role", "assistant"}, {"content", nullptr}, {"refusal", nullptr}}, nullptr, {},
                      OrderedJson::object());
    return out + one_chunk(index, std::move(delta), logprobs_json(choice), finish, more);
  }

  std::string one_chunk(int index, OrderedJson delta, OrderedJson logprobs,
                        std::optional<FinishReason> finish, const OrderedJson& more) const {
    OrderedJson choice = {{"index", index},
                          {"delta", std::move(delta)},
                          {"logprobs", std::move(logprobs)},
                          {"finish_reason", nullptr}};
    if (finish) choice["finish_reason"] = openai_finish(*finish);
    OrderedJson json = answer_json(id_, "chat.completion.chunk", created_, service(),
                                   OrderedJson::array({std::move(choice)}));
    json.update(more);
    return sse(json);
  }

  /// Those of the answer's own tokens; what was thought, and control tokens, are no part of `content`.
  void take_logprobs(Choice& choice, const Event& event) const {
    for (const TokenLogprobs& entry : event.logprobs) {
      const TokenId id = entry.token.id;
      const bool opens = splits_ && think_ == id, closes = splits_ && end_think_ == id;
      if (opens) choice.thinks = true;
      if (!choice.thinks && !closes && !(tokenizer_ && tokenizer_->is_special(id)))
        choice.logprobs.push_back(chat_logprob_json(tokenizer_, entry));
      if (closes) choice.thinks = false;
    }
  }

  OrderedJson logprobs_json(Choice& choice) const {
    if (!wants_logprobs_) return nullptr;
    return {{"content", std::exchange(choice.logprobs, OrderedJson::array())}, {"refusal", nullptr}};
  }

  const std::string id_;
  const int64_t created_;
  const bool splits_, wants_logprobs_;
  const GenerationFields fields_;
  const std::vector<TokenId> prompt_;
  const Tokenizer* const tokenizer_;
  const std::optional<TokenId> think_, end_think_;
  std::vector<Choice> choices_;
};

/// How far the ids of the first message alone go along with the whole prompt: other conversations begin
/// alike.
std::vector<int> shared_beginnings(const Engine& engine, const std::vector<ChatMessage>& messages,
                                   const std::vector<TokenId>& prompt) {
  if (messages.front().role != "system") return {};
  const auto first =
      engine.chat_template()->encode(*engine.tokenizer(), std::span(messages).first(1), ChatEnding::closed);
  if (!first) return {};
  const auto [a, b] = std::mismatch(first->begin(), first->end(), prompt.begin(), prompt.end());
  const auto length = static_cast<int>(a - first->begin());
  if (length == 0 || length >= static_cast<int>(prompt.size())) return {};
  return {length};
}

/// Whether the model goes on inside of a thinking section that the last message opened.
bool starts_in_thinking(const Conversation& conversation) {
  if (conversation.ending != ChatEnding::unfinished) return false;
  ReasoningSplitter splitter;
  splitter.push(conversation.messages.back().content);
  return splitter.in_reasoning();
}

Parsed<std::vector<TokenId>> encode_conversation(const Engine& engine, const Conversation& conversation) {
  if (!engine.tokenizer() || !engine.chat_template())
    return tl::unexpected(
        ApiError{.message = "this model has no chat template that is known here: use /v1/completions",
                 .code = "no_chat_template"});
  Result<std::vector<TokenId>> prompt =
      engine.chat_template()->encode(*engine.tokenizer(), conversation.messages, conversation.ending);
  if (!prompt) return tl::unexpected(from_engine(prompt.error()));
  return *std::move(prompt);
}

}  // namespace

HttpResponse route_chat_completions(Call& call) {
  auto parsed = parse_chat_request(call.request.body, call.service.options().defaults);
  if (!parsed) return to_response(parsed.error());
  const Engine& engine = call.service.engine();
  const Parsed<std::vector<TokenId>> prompt = encode_conversation(engine, parsed->conversation);
  if (!prompt) return to_response(prompt.error());
  if (auto fault = resolve_text_bias(engine, parsed->common)) return to_response(*fault);
  Request request = make_request(parsed->common, *prompt);
  request.cache_marks = shared_beginnings(engine, parsed->conversation.messages, *prompt);
  request.top_logprobs = parsed->top_logprobs;
  request.starts_in_thinking = starts_in_thinking(parsed->conversation);
  const bool thinks = request.starts_in_thinking;
  std::vector<Request> requests;
  requests.push_back(std::move(request));
  Parsed<Submission> submission = submit(call, std::move(requests), "messages");
  if (!submission) return to_response(submission.error());
  return answer_with(std::make_unique<ChatAnswer>(call, *std::move(submission), *parsed, *prompt, thinks));
}

HttpResponse route_input_tokens(Call& call) {
  const auto parsed = parse_template_request(call.request.body, call.service.options().defaults);
  if (!parsed) return to_response(parsed.error());
  const Parsed<std::vector<TokenId>> prompt = encode_conversation(call.service.engine(), *parsed);
  if (!prompt) return to_response(prompt.error());
  HttpResponse response;
  response.body = dump({{"object", "response.input_tokens"}, {"input_tokens", prompt->size()}});
  return response;
}

}  // namespace sambay::server
