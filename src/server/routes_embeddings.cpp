// POST /v1/embeddings
#include <fmt/core.h>
#include <bit>
#include <cstring>
#include <utility>

#include "server/routes.h"
#include "server/wire.h"

namespace sambay::server {
namespace {

std::string base64(std::string_view bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    for (size_t k = 0; k < 3; k++)
      group = group << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    for (size_t k = 0; k < 4; k++) out += k <= bytes.size() - i ? kDigits[group >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

/// 32-bit floats, least significant byte first.
OrderedJson embedding_json(const std::vector<float>& values, bool as_base64) {
  if (!as_base64) return values;
  static_assert(std::endian::native == std::endian::little);
  return base64({reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)});
}

class EmbeddingAnswer final : public AnswerProducer {
 public:
  EmbeddingAnswer(Call& call, Submission submission, bool as_base64)
      : AnswerProducer(call, std::move(submission), false),
        as_base64_(as_base64),
        embeddings_(static_cast<size_t>(choice_count())) {}

 private:
  void on_event(int index, Event& event, std::string&) override {
    if (event.finish) embeddings_[static_cast<size_t>(index)] = std::move(event.embedding);
  }
  void on_end(std::string&) override {}
  std::string body() override {
    OrderedJson data = OrderedJson::array();
    for (size_t i = 0; i < embeddings_.size(); i++)
      data.push_back(
          {{"object", "embedding"}, {"index", i}, {"embedding", embedding_json(embeddings_[i], as_base64_)}});
    return dump(
        {{"object", "list"},
         {"data", std::move(data)},
         {"model", service().model_name()},
         {"usage", {{"prompt_tokens", usage().prompt_tokens}, {"total_tokens", usage().prompt_tokens}}}});
  }

  const bool as_base64_;
  std::vector<std::vector<float>> embeddings_;
};

}  // namespace

HttpResponse route_embeddings(Call& call) {
  const auto parsed = parse_embedding_request(call.request.body);
  if (!parsed) return to_response(parsed.error());
  const Engine& engine = call.service.engine();
  if (parsed->dimensions != 0 && parsed->dimensions != engine.info().hidden)
    return to_response(invalid_value(
        "dimensions",
        fmt::format("this model's embeddings have {} and cannot be shortened", engine.info().hidden)));
  std::vector<Request> requests;
  for (const MixedPrompt& input : parsed->input) {
    Parsed<std::vector<TokenId>> ids = encode_prompt(engine, input, false);
    if (!ids) return to_response(ids.error());
    Request request;
    request.prompt = *std::move(ids);
    request.embed = true;
    requests.push_back(std::move(request));
  }
  Parsed<Submission> submission = submit(call, std::move(requests), "input");
  if (!submission) return to_response(submission.error());
  return answer_with(std::make_unique<EmbeddingAnswer>(call, *std::move(submission), parsed->base64));
}

}  // namespace sambay::server
