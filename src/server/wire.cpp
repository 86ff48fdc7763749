#include "server/wire.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cmath>

namespace sambay::server {
namespace {

constexpr double kNoLogprob = -9999.0;

double per_second(int count, double ms) { return ms > 0 ? count * 1000 / ms : 0; }

std::string_view bytes_of(const Tokenizer* tokenizer, TokenId id) {
  return tokenizer ? tokenizer->bytes(id) : std::string_view();
}

OrderedJson chat_token_json(const Tokenizer* tokenizer, const TokenLogprob& token) {
  OrderedJson bytes = OrderedJson::array();
  for (const char c : bytes_of(tokenizer, token.id)) bytes.push_back(static_cast<unsigned char>(c));
  return {{"token", token_text(tokenizer, token.id)},
          {"logprob", finite_logprob(token.logprob)},
          {"bytes", std::move(bytes)}};
}

/// Whether dump() would leave it unchanged.
bool is_utf8(std::string_view text) {
  const OrderedJson probe = std::string(text);
  try {
    (void)probe.dump();
    return true;
  } catch (const OrderedJson::type_error&) {
    return false;
  }
}

}  // namespace

OrderedJson usage_json(const UsageSum& usage) {
  return {{"prompt_tokens", usage.prompt_tokens},
          {"completion_tokens", usage.completion_tokens},
          {"total_tokens", usage.prompt_tokens + usage.completion_tokens},
          {"prompt_tokens_details", {{"cached_tokens", usage.cached_tokens}}},
          {"completion_tokens_details", {{"reasoning_tokens", usage.reasoning_tokens}}}};
}

OrderedJson timings_json(const Usage& usage) {
  const int read = usage.prompt_tokens - usage.cached_tokens;
  // The first token comes with the prompt.
  const int decoded = std::max(usage.completion_tokens - 1, 0);
  return {{"cache_n", usage.cached_tokens},
          {"prompt_n", read},
          {"prompt_ms", usage.prompt_ms},
          {"prompt_per_token_ms", read > 0 ? usage.prompt_ms / read : 0},
          {"prompt_per_second", per_second(read, usage.prompt_ms)},
          {"predicted_n", usage.completion_tokens},
          {"predicted_ms", usage.predicted_ms},
          {"predicted_per_token_ms", decoded > 0 ? usage.predicted_ms / decoded : 0},
          {"predicted_per_second", per_second(decoded, usage.predicted_ms)},
          {"queue_ms", usage.queue_ms}};
}

std::vector<OrderedJson> progress_json(const Event& event, int& reported) {
  std::vector<OrderedJson> reports;
  const auto report = [&](int done) {
    if (done <= reported) return;
    reported = done;
    reports.push_back({{"total", event.usage.prompt_tokens},
                       {"cache", event.usage.cached_tokens},
                       {"processed", done},
                       {"time_ms", event.usage.prompt_ms}});
  };
  if (reported < 0) report(event.usage.cached_tokens);
  report(event.prompt_done);
  return reports;
}

OrderedJson answer_json(const std::string& id, const char* object, int64_t created, const Service& service,
                        OrderedJson choices) {
  return {{"id", id},
          {"object", object},
          {"created", created},
          {"model", service.model_name()},
          {"system_fingerprint", "b1-sambay"},
          {"choices", std::move(choices)}};
}

std::string sse(const OrderedJson& data) { return "data: " + dump(data) + "\n\n"; }

double finite_logprob(float logprob) {
  return std::isfinite(logprob) ? static_cast<double>(logprob) : kNoLogprob;
}

OrderedJson chat_logprob_json(const Tokenizer* tokenizer, const TokenLogprobs& entry) {
  OrderedJson json = chat_token_json(tokenizer, entry.token);
  OrderedJson top = OrderedJson::array();
  for (const TokenLogprob& token : entry.top) top.push_back(chat_token_json(tokenizer, token));
  json["top_logprobs"] = std::move(top);
  return json;
}

std::string token_text(const Tokenizer* tokenizer, TokenId id) {
  const std::string_view bytes = bytes_of(tokenizer, id);
  if (is_utf8(bytes)) return std::string(bytes);
  std::string text = "bytes:";
  for (const char c : bytes) text += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  return text;
}

int character_count(std::string_view utf8) {
  return static_cast<int>(std::count_if(
      utf8.begin(), utf8.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

int64_t unix_time() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace sambay::server
