// POST /v1/chat/completions
#include <algorithm>
#include <utility>

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
  std::optional<FinishReason> finish;
  Usage usage;
};

class ChatAnswer final : public AnswerProducer {
 public:
  ChatAnswer(Call& call, Submission submission, const ChatRequest& request)
      : AnswerProducer(call, std::move(submission), request.common.stream),
        id_(new_id("chatcmpl-")),
        created_(unix_time()),
        splits_(request.common.reasoning_format != ReasoningFormat::none),
        wants_logprobs_(request.top_logprobs >= 0),
        include_usage_(request.common.include_usage),
        tokenizer_(call.service.engine().tokenizer()),
        think_(tokenizer_ ? tokenizer_->added_token("<think>") : std::nullopt),
        end_think_(tokenizer_ ? tokenizer_->added_token("</think>") : std::nullopt),
        choices_(static_cast<size_t>(choice_count())) {}

 private:
  void on_event(int index, Event& event, std::string& out) override {
    Choice& choice = choices_[static_cast<size_t>(index)];
    if (wants_logprobs_) take_logprobs(choice, event);
    for (ReasoningSplitter::Piece& piece : split(choice, event)) {
      trim(choice, piece);
      if (piece.text.empty()) continue;
      if (streams())
        out += chunk(index, choice, delta_of(piece), {});
      else
        (piece.reasoning ? choice.reasoning : choice.content) += piece.text;
    }
    if (!event.finish) return;
    choice.finish = event.finish;
    choice.usage = std::move(event.usage);
    if (streams()) out += chunk(index, choice, OrderedJson::object(), choice.finish);
  }

  void on_end(std::string& out) override {
    if (include_usage_) {
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
    return dump(answer);
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

  std::string chunk(int index, Choice& choice, OrderedJson delta, std::optional<FinishReason> finish) {
    std::string out;
    if (!std::exchange(choice.role_sent, true))
      out =
          one_chunk(index, {{"role", "assistant"}, {"content", nullptr}, {"refusal", nullptr}}, nullptr, {});
    return out + one_chunk(index, std::move(delta), logprobs_json(choice), finish);
  }

  std::string one_chunk(int index, OrderedJson delta, OrderedJson logprobs,
                        std::optional<FinishReason> finish) const {
    OrderedJson choice = {{"index", index},
                          {"delta", std::move(delta)},
                          {"logprobs", std::move(logprobs)},
                          {"finish_reason", nullptr}};
    if (finish) choice["finish_reason"] = openai_finish(*finish);
    return sse(answer_json(id_, "chat.completion.chunk", created_, service(),
                           OrderedJson::array({std::move(choice)})));
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
  const bool splits_, wants_logprobs_, include_usage_;
  const Tokenizer* const tokenizer_;
  const std::optional<TokenId> think_, end_think_;
  std::vector<Choice> choices_;
};

/// How far the ids of the first message alone go along with the whole prompt: other conversations begin
/// alike.
std::vector<int> shared_beginnings(const Engine& engine, const ChatRequest& request,
                                   const std::vector<TokenId>& prompt) {
  if (request.messages.front().role != "system") return {};
  const auto first =
      engine.chat_template()->encode(*engine.tokenizer(), std::span(request.messages).first(1), false);
  if (!first) return {};
  const auto [a, b] = std::mismatch(first->begin(), first->end(), prompt.begin(), prompt.end());
  const auto length = static_cast<int>(a - first->begin());
  if (length == 0 || length >= static_cast<int>(prompt.size())) return {};
  return {length};
}

}  // namespace

HttpResponse route_chat_completions(Call& call) {
  const auto parsed = parse_chat_request(call.request.body, call.service.options().defaults);
  if (!parsed) return to_response(parsed.error());
  const Engine& engine = call.service.engine();
  if (!engine.tokenizer() || !engine.chat_template())
    return to_response({.message = "this model has no chat template that is known here: use /v1/completions",
                        .code = "no_chat_template"});
  Result<std::vector<TokenId>> prompt = engine.chat_template()->encode(*engine.tokenizer(), parsed->messages);
  if (!prompt) return to_response(from_engine(prompt.error()));
  Request request = make_request(parsed->common, *std::move(prompt));
  request.cache_marks = shared_beginnings(engine, *parsed, request.prompt);
  request.top_logprobs = parsed->top_logprobs;
  std::vector<Request> requests;
  requests.push_back(std::move(request));
  Parsed<Submission> submission = submit(call, std::move(requests), "messages");
  if (!submission) return to_response(submission.error());
  return answer_with(std::make_unique<ChatAnswer>(call, *std::move(submission), *parsed));
}

}  // namespace sambay::server
