// POST /tokenize, /detokenize and /apply-template
#include "server/answer.h"
#include "server/json_text.h"
#include "server/routes.h"

namespace sambay::server {
namespace {

/// A piece as text, or as its bytes where it is only a part of a character.
OrderedJson piece_json(const Tokenizer& tokenizer, TokenId id) {
  const std::string bytes(tokenizer.bytes(id));
  Detokenizer whole(tokenizer, false);
  std::string text;
  whole.push(id, text);
  if (text == bytes) return text;
  OrderedJson list = OrderedJson::array();
  for (const char c : bytes) list.push_back(static_cast<unsigned char>(c));
  return list;
}

HttpResponse no_tokenizer() {
  return to_response({.message = "this model has no tokenizer", .code = "no_tokenizer"});
}

}  // namespace

HttpResponse route_tokenize(Call& call) {
  const auto parsed = parse_tokenize_request(call.request.body);
  if (!parsed) return to_response(parsed.error());
  const Tokenizer* tokenizer = call.service.engine().tokenizer();
  if (!tokenizer) return no_tokenizer();
  const auto ids = encode_prompt(call.service.engine(), parsed->content, parsed->parse_special);
  if (!ids) return to_response(ids.error());
  OrderedJson list = OrderedJson::array();
  for (const TokenId id : *ids) {
    if (parsed->with_pieces)
      list.push_back({{"id", id}, {"piece", piece_json(*tokenizer, id)}});
    else
      list.push_back(id);
  }
  HttpResponse response;
  response.body = dump({{"tokens", std::move(list)}});
  return response;
}

HttpResponse route_detokenize(Call& call) {
  const auto ids = parse_detokenize_request(call.request.body);
  if (!ids) return to_response(ids.error());
  const Tokenizer* tokenizer = call.service.engine().tokenizer();
  if (!tokenizer) return no_tokenizer();
  Detokenizer detokenizer(*tokenizer, false);
  std::string text;
  for (size_t i = 0; i < ids->size(); i++) {
    if ((*ids)[i] >= tokenizer->vocab()) return to_response(invalid_value("tokens", "no token has this id"));
    detokenizer.push((*ids)[i], text);
  }
  detokenizer.finish(text);
  HttpResponse response;
  response.body = dump({{"content", std::move(text)}});
  return response;
}

HttpResponse route_apply_template(Call& call) {
  const auto parsed = parse_template_request(call.request.body, call.service.options().defaults);
  if (!parsed) return to_response(parsed.error());
  const auto& chat_template = call.service.engine().chat_template();
  if (!chat_template) return to_response(from_engine(chat_template.error()));
  HttpResponse response;
  response.body = dump({{"prompt", chat_template->render(parsed->messages, parsed->ending)}});
  return response;
}

}  // namespace sambay::server
