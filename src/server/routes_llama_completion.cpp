// POST /completion: llama-server's own form.
#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>

#include "server/llama_settings.h"
#include "server/routes.h"
#include "server/wire.h"

namespace sambay::server {
namespace {

struct Choice {
  std::string text;
  std::vector<TokenId> tokens;
  OrderedJson probabilities = OrderedJson::array();
  int predicted = 0;
  int reported = -1;  // of the prompt
  bool has_new_line = false;
  std::optional<FinishReason> finish;
  Usage usage;
};

OrderedJson probability_json(const Tokenizer* tokenizer, const TokenLogprob& token) {
  OrderedJson bytes = OrderedJson::array();
  if (tokenizer)
    for (const char c : tokenizer->bytes(token.id)) bytes.push_back(static_cast<unsigned char>(c));
  return {{"id", token.id},
          {"token", token_text(tokenizer, token.id)},
          {"bytes", std::move(bytes)},
          {"logprob", finite_logprob(token.logprob)}};
}

class LlamaAnswer final : public AnswerProducer {
 public:
  LlamaAnswer(Call& call, Submission submission, const LlamaCompletionRequest& request,
              std::vector<std::vector<TokenId>> prompts)
      : AnswerProducer(call, std::move(submission), request.common.stream),
        fields_(request.common),
        n_probs_(request.n_probs),
        return_tokens_(request.return_tokens),
        response_fields_(request.response_fields),
        is_list_(request.is_list),
        tokenizer_(call.service.engine().tokenizer()),
        prompts_(std::move(prompts)),
        choices_(static_cast<size_t>(choice_count())) {}

 private:
  void on_event(int index, Event& event, std::string& out) override {
    Choice& choice = choices_[static_cast<size_t>(index)];
    choice.predicted += static_cast<int>(event.tokens.size());
    choice.has_new_line = choice.has_new_line || event.text.find('\n') != std::string::npos;
    OrderedJson probabilities = OrderedJson::array();
    for (const TokenLogprobs& entry : event.logprobs) {
      OrderedJson json = probability_json(tokenizer_, entry.token);
      OrderedJson top = OrderedJson::array();
      for (const TokenLogprob& token : entry.top) top.push_back(probability_json(tokenizer_, token));
      json["top_logprobs"] = std::move(top);
      probabilities.push_back(std::move(json));
    }
    if (event.finish) {
      choice.finish = event.finish;
      choice.usage = event.usage;
    }
    if (streams()) {
      write_chunks(index, event, std::move(probabilities), out);
      if (event.finish) out += sse(final_json(index));
      return;
    }
    choice.text += event.text;
    if (return_tokens_) choice.tokens.insert(choice.tokens.end(), event.tokens.begin(), event.tokens.end());
    for (OrderedJson& p : probabilities) choice.probabilities.push_back(std::move(p));
  }

  void on_end(std::string&) override {}

  void write_chunks(int index, const Event& event, OrderedJson probabilities, std::string& out) {
    Choice& choice = choices_[static_cast<size_t>(index)];
    const int before = choice.predicted - static_cast<int>(event.tokens.size());
    if (fields_.return_progress)
      for (OrderedJson& progress : progress_json(event, choice.reported)) {
        OrderedJson chunk = chunk_json(index, event.usage.slot, "", {}, before);
        chunk["prompt_progress"] = std::move(progress);
        out += sse(chunk);
      }
    // Clients that ask for probabilities expect one token in each chunk, but only the text as a whole is
    // known.
    const size_t alone = n_probs_ > 0 && event.tokens.size() > 1 ? event.tokens.size() - 1 : 0;
    for (size_t i = 0; i < alone; i++) {
      OrderedJson chunk =
          chunk_json(index, event.usage.slot, "", {&event.tokens[i], 1}, before + static_cast<int>(i) + 1);
      chunk["completion_probabilities"] = OrderedJson::array({probabilities[i]});
      out += sse(chunk);
    }
    if (event.text.empty() && event.tokens.empty()) return;
    OrderedJson chunk = chunk_json(index, event.usage.slot, event.text,
                                   std::span(event.tokens).subspan(alone), choice.predicted);
    if (n_probs_ > 0) {
      probabilities.erase(probabilities.begin(), probabilities.begin() + static_cast<std::ptrdiff_t>(alone));
      chunk["completion_probabilities"] = std::move(probabilities);
    }
    if (fields_.timings_per_token) chunk["timings"] = timings_json(event.usage);
    out += sse(chunk);
  }

  OrderedJson chunk_json(int index, int slot, const std::string& text, std::span<const TokenId> tokens,
                         int predicted) const {
    return {{"index", index},
            {"content", text},
            {"tokens", std::vector<TokenId>(tokens.begin(), tokens.end())},
            {"stop", false},
            {"id_slot", slot},
            {"tokens_predicted", predicted},
            {"tokens_evaluated", prompts_[static_cast<size_t>(index)].size()}};
  }

  std::string body() override {
    if (!is_list_) return dump(final_json(0));
    OrderedJson list = OrderedJson::array();
    for (size_t i = 0; i < choices_.size(); i++) list.push_back(final_json(static_cast<int>(i)));
    return dump(list);
  }

  static std::string_view stop_type(const Choice& choice) {
    if (choice.finish == FinishReason::stop) return choice.usage.stop_string.empty() ? "eos" : "word";
    return "limit";
  }

  OrderedJson settings() const {
    OrderedJson json = settings_json(fields_, service().engine().info().stop_ids);
    json["n_probs"] = n_probs_;
    json["post_sampling_probs"] = false;
    return json;
  }

  OrderedJson final_json(int index) {
    Choice& choice = choices_[static_cast<size_t>(index)];
    const std::vector<TokenId>& prompt = prompts_[static_cast<size_t>(index)];
    OrderedJson json = {{"index", index},
                        {"content", choice.text},
                        {"tokens", choice.tokens},
                        {"id_slot", choice.usage.slot},
                        {"stop", true},
                        {"model", service().model_name()},
                        {"tokens_predicted", choice.usage.completion_tokens},
                        {"tokens_evaluated", choice.usage.prompt_tokens},
                        {"generation_settings", settings()},
                        {"prompt", tokenizer_ ? tokenizer_->decode(prompt) : std::string()},
                        {"has_new_line", choice.has_new_line},
                        {"truncated", choice.usage.context_full},
                        {"stop_type", stop_type(choice)},
                        {"stopping_word", choice.usage.stop_string},
                        {"tokens_cached", choice.usage.cached_tokens},
                        {"timings", timings_json(choice.usage)}};
    json["generation_settings"]["seed"] = choice.usage.seed;
    if (n_probs_ > 0 && !streams()) json["completion_probabilities"] = std::move(choice.probabilities);
    return response_fields_.empty() ? json : chosen(json);
  }

  /// The members asked for; "a/b" is b of a, under that name.
  OrderedJson chosen(const OrderedJson& json) const {
    OrderedJson out = OrderedJson::object();
    for (const std::string& field : response_fields_) {
      const OrderedJson* value = &json;
      for (size_t at = 0; value && at <= field.size();) {
        const size_t slash = std::min(field.find('/', at), field.size());
        const auto found = value->is_object() ? value->find(field.substr(at, slash - at)) : value->end();
        value = found == value->end() ? nullptr : &*found;
        at = slash + 1;
      }
      if (value) out[field] = *value;
    }
    return out;
  }

  const GenerationFields fields_;
  const int n_probs_;
  const bool return_tokens_;
  const std::vector<std::string> response_fields_;
  const bool is_list_;
  const Tokenizer* const tokenizer_;
  const std::vector<std::vector<TokenId>> prompts_;
  std::vector<Choice> choices_;
};

}  // namespace

HttpResponse route_llama_completion(Call& call) {
  auto parsed = parse_llama_completion_request(call.request.body, call.service.options().defaults);
  if (!parsed) return to_response(parsed.error());
  const Engine& engine = call.service.engine();
  if (auto fault = resolve_text_bias(engine, parsed->common)) return to_response(*fault);
  std::vector<Request> requests;
  std::vector<std::vector<TokenId>> prompts;
  for (const MixedPrompt& parts : parsed->prompts) {
    Parsed<std::vector<TokenId>> ids = encode_prompt(engine, parts, true);
    if (!ids) return to_response(ids.error());
    prompts.push_back(*ids);
    Request request = make_request(parsed->common, *std::move(ids));
    request.top_logprobs = parsed->n_probs > 0 ? parsed->n_probs : -1;
    requests.push_back(std::move(request));
  }
  if (requests.empty()) return to_response(invalid_value("prompt", "must not be empty"));
  Parsed<Submission> submission = submit(call, std::move(requests), "prompt");
  if (!submission) return to_response(submission.error());
  return answer_with(
      std::make_unique<LlamaAnswer>(call, *std::move(submission), *parsed, std::move(prompts)));
}

}  // namespace sambay::server
