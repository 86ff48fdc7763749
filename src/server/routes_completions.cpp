// POST /v1/completions
#include <algorithm>
#include <limits>
#include <utility>

#include "server/routes.h"
#include "server/wire.h"

namespace sambay::server {
namespace {

/// The legacy form of log probabilities: parallel lists.
struct LogprobLists {
  OrderedJson tokens = OrderedJson::array(), token_logprobs = OrderedJson::array(),
              top_logprobs = OrderedJson::array(), text_offset = OrderedJson::array();
};

struct Choice {
  std::string text;
  LogprobLists logprobs;
  int offset = 0;     // characters of the text so far, by tokens
  int reported = -1;  // of the prompt
  bool began = false;
  std::optional<FinishReason> finish;
};

class CompletionAnswer final : public AnswerProducer {
 public:
  /// `echoes`: the text of each prompt, when it is to be repeated; and the first token of each.
  CompletionAnswer(Call& call, Submission submission, const CompletionRequest& request,
                   std::vector<std::string> echoes, std::vector<TokenId> first_tokens)
      : AnswerProducer(call, std::move(submission), request.common.stream),
        id_(new_id("cmpl-")),
        created_(unix_time()),
        wants_logprobs_(request.top_logprobs >= 0),
        fields_(request.common),
        tokenizer_(call.service.engine().tokenizer()),
        echoes_(std::move(echoes)),
        first_tokens_(std::move(first_tokens)),
        choices_(static_cast<size_t>(choice_count())),
        prompt_logprobs_(first_tokens_.size()) {}

 private:
  void on_event(int index, Event& event, std::string& out) override {
    Choice& choice = choices_[static_cast<size_t>(index)];
    const auto prompt = static_cast<size_t>(index / answers_per_prompt());
    if (wants_logprobs_ && !echoes_.empty())
      std::move(event.prompt_logprobs.begin(), event.prompt_logprobs.end(),
                std::back_inserter(prompt_logprobs_[prompt]));
    if (fields_.return_progress && streams())
      for (OrderedJson& progress : progress_json(event, choice.reported))
        out += chunk({{"text", ""}, {"index", index}, {"logprobs", nullptr}, {"finish_reason", nullptr}},
                     {{"prompt_progress", std::move(progress)}});
    if (event.tokens.empty() && event.text.empty() && !event.finish) return;
    std::string text;
    if (!std::exchange(choice.began, true) && !echoes_.empty()) {
      text = echoes_[prompt];
      if (wants_logprobs_) add_prompt(choice, prompt);
    }
    text += event.text;
    for (const TokenLogprobs& entry : event.logprobs)
      if (!(tokenizer_ && tokenizer_->is_special(entry.token.id))) add_logprob(choice, entry);
    if (!streams()) {
      choice.finish = event.finish;
      choice.text += text;
      return;
    }
    OrderedJson more = OrderedJson::object();
    if (fields_.timings_per_token) more["timings"] = timings_json(event.usage);
    // Without a tokenizer there is no text; the chunks then tell that a token came.
    if (!text.empty() || (!tokenizer_ && !event.tokens.empty()))
      out += chunk(choice_json(index, choice, text), more);
    if (!event.finish) return;
    // In a chunk of its own, as OpenAI has it: some clients do not look at the text beside the reason.
    choice.finish = event.finish;
    out += chunk(choice_json(index, choice, ""), more);
  }

  /// `more`: members beside OpenAI's.
  std::string chunk(OrderedJson choice, const OrderedJson& more) const {
    OrderedJson json =
        answer_json(id_, "text_completion", created_, service(), OrderedJson::array({std::move(choice)}));
    json.update(more);
    return sse(json);
  }

  void on_end(std::string& out) override {
    if (fields_.include_usage) {
      OrderedJson last = answer_json(id_, "text_completion", created_, service(), OrderedJson::array());
      last["usage"] = usage_json(usage());
      out += sse(last);
    }
    out += kSseDone;
  }

  std::string body() override {
    OrderedJson list = OrderedJson::array();
    for (size_t i = 0; i < choices_.size(); i++)
      list.push_back(choice_json(static_cast<int>(i), choices_[i], choices_[i].text));
    OrderedJson answer = answer_json(id_, "text_completion", created_, service(), std::move(list));
    answer["usage"] = usage_json(usage());
    return dump(answer);
  }

  OrderedJson choice_json(int index, Choice& choice, const std::string& text) const {
    OrderedJson json = {{"text", text}, {"index", index}, {"logprobs", nullptr}, {"finish_reason", nullptr}};
    if (choice.finish) json["finish_reason"] = openai_finish(*choice.finish);
    if (!wants_logprobs_) return json;
    LogprobLists lists = std::exchange(choice.logprobs, {});
    json["logprobs"] = {{"tokens", std::move(lists.tokens)},
                        {"token_logprobs", std::move(lists.token_logprobs)},
                        {"top_logprobs", std::move(lists.top_logprobs)},
                        {"text_offset", std::move(lists.text_offset)}};
    return json;
  }

  void add_token(Choice& choice, TokenId id, OrderedJson logprob, OrderedJson top) const {
    choice.logprobs.tokens.push_back(token_text(tokenizer_, id));
    choice.logprobs.token_logprobs.push_back(std::move(logprob));
    choice.logprobs.top_logprobs.push_back(std::move(top));
    choice.logprobs.text_offset.push_back(choice.offset);
    if (tokenizer_) choice.offset += character_count(tokenizer_->bytes(id));
  }

  void add_logprob(Choice& choice, const TokenLogprobs& entry) const {
    OrderedJson top = OrderedJson::object();
    for (const TokenLogprob& token : entry.top) {
      const std::string text = token_text(tokenizer_, token.id);
      if (!top.contains(text)) top[text] = finite_logprob(token.logprob);  // likeliest first
    }
    // The chosen token is always there, as in OpenAI's answers.
    const std::string own = token_text(tokenizer_, entry.token.id);
    if (!top.contains(own)) top[own] = finite_logprob(entry.token.logprob);
    add_token(choice, entry.token.id, finite_logprob(entry.token.logprob), std::move(top));
  }

  /// The echoed prompt's tokens; nothing predicts the first one.
  void add_prompt(Choice& choice, size_t prompt) const {
    add_token(choice, first_tokens_[prompt], nullptr, nullptr);
    for (const TokenLogprobs& entry : prompt_logprobs_[prompt]) add_logprob(choice, entry);
  }

  const std::string id_;
  const int64_t created_;
  const bool wants_logprobs_;
  const GenerationFields fields_;
  const Tokenizer* const tokenizer_;
  const std::vector<std::string> echoes_;
  const std::vector<TokenId> first_tokens_;
  std::vector<Choice> choices_;
  std::vector<std::vector<TokenLogprobs>> prompt_logprobs_;  // of each prompt
};

}  // namespace

HttpResponse route_completions(Call& call) {
  auto parsed = parse_completion_request(call.request.body, call.service.options().defaults);
  if (!parsed) return to_response(parsed.error());
  const Engine& engine = call.service.engine();
  if (auto fault = resolve_text_bias(engine, parsed->common)) return to_response(*fault);
  std::vector<Request> requests;
  std::vector<std::string> echoes;
  std::vector<TokenId> first_tokens;
  for (const Prompt& prompt : parsed->prompts) {
    Parsed<std::vector<TokenId>> ids = encode_prompt(engine, prompt, true);
    if (!ids) return to_response(ids.error());
    if (parsed->echo && engine.tokenizer()) {
      const auto* text = std::get_if<std::string>(&prompt);
      echoes.push_back(text ? *text : engine.tokenizer()->decode(*ids));
    }
    first_tokens.push_back(ids->empty() ? 0 : ids->front());
    Request request = make_request(parsed->common, *std::move(ids));
    request.top_logprobs = parsed->top_logprobs;
    request.prompt_logprobs = parsed->echo && parsed->top_logprobs >= 0;
    requests.push_back(std::move(request));
  }
  Parsed<Submission> submission = submit(call, std::move(requests), "prompt");
  if (!submission) return to_response(submission.error());
  return answer_with(std::make_unique<CompletionAnswer>(call, *std::move(submission), *parsed,
                                                        std::move(echoes), std::move(first_tokens)));
}

}  // namespace sambay::server
