#include "server/api_error.h"

#include <fmt/core.h>

#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "server/json_text.h"

namespace sambay::server {
namespace {

/// The engine's names of fields, which its messages begin with, and what a request calls them.
constexpr std::array<std::pair<std::string_view, std::string_view>, 17> kFields = {{
    {"temperature", "temperature"},
    {"top_k", "top_k"},
    {"top_p", "top_p"},
    {"min_p", "min_p"},
    {"repeat_penalty", "repeat_penalty"},
    {"penalty_last_n", "repeat_last_n"},
    {"presence_penalty", "presence_penalty"},
    {"frequency_penalty", "frequency_penalty"},
    {"logit_bias", "logit_bias"},
    {"max_tokens", "max_tokens"},
    {"stop", "stop"},
    {"n", "n"},
    {"top_logprobs", "top_logprobs"},
    {"prompt", "prompt"},
    {"deadline_ms", "deadline_ms"},
    {"thinking_budget", "thinking_budget_tokens"},
    {"slot", "id_slot"},
}};

/// The request's name for what the message begins with; "" when that is no field.
std::string field_of(std::string_view message) {
  if (message.starts_with("request ")) {  // "request 3: ..." of several
    const size_t colon = message.find(": ");
    if (colon != std::string_view::npos) message.remove_prefix(colon + 2);
  }
  const std::string_view word = message.substr(0, message.find_first_of(" :[."));
  for (const auto& [engine, request] : kFields)
    if (word == engine) return std::string(request);
  return {};
}

}  // namespace

ApiError invalid_value(std::string param, std::string message) {
  return {.message = fmt::format("'{}': {}", param, message), .param = param, .code = "invalid_value"};
}

ApiError invalid_type(std::string param, std::string_view wanted, std::string_view found) {
  return {.message = fmt::format("'{}': must be {}, not {}", param, wanted, found),
          .param = param,
          .code = "invalid_type"};
}

ApiError missing(std::string param) {
  return {
      .message = fmt::format("'{}' is missing", param), .param = param, .code = "missing_required_parameter"};
}

ApiError unsupported(std::string param, std::string message) {
  return {
      .message = fmt::format("'{}': {}", param, message), .param = param, .code = "unsupported_parameter"};
}

ApiError from_engine(const Error& error) {
  ApiError result;
  result.message = error.message;
  switch (error.code) {
    case ErrorCode::invalid_argument:
      result.param = field_of(error.message);
      result.code = "invalid_value";
      break;
    case ErrorCode::unsupported: result.code = "unsupported_value"; break;
    case ErrorCode::not_found:
      result.status = 404;
      result.code = "not_found";
      break;
    case ErrorCode::corrupt: result.code = "corrupt_file"; break;
    case ErrorCode::busy:
      result.status = 429;
      result.type = "rate_limit_error";
      result.code = "queue_full";
      break;
    case ErrorCode::out_of_memory:
      result.status = 503;
      result.type = "server_error";
      result.code = "out_of_memory";
      break;
    case ErrorCode::io:
    case ErrorCode::cancelled:
    case ErrorCode::internal:
      result.status = error.code == ErrorCode::cancelled ? 503 : 500;
      result.type = "server_error";
      result.code = error.code == ErrorCode::io ? "io_error" : "internal_error";
      break;
  }
  return result;
}

std::string to_json(const ApiError& error) {
  const auto or_null = [](const std::string& text) {
    return text.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(text);
  };
  nlohmann::ordered_json body = {{"message", error.message},
                                 {"type", error.type},
                                 {"param", or_null(error.param)},
                                 {"code", or_null(error.code)}};
  for (const auto& [name, value] : error.numbers) body[name] = value;
  return dump(nlohmann::ordered_json{{"error", std::move(body)}});
}

HttpResponse to_response(const ApiError& error) {
  HttpResponse response;
  response.status = error.status;
  response.body = to_json(error);
  if (error.status == 429 || error.status == 503) response.headers.emplace_back("Retry-After", "1");
  return response;
}

}  // namespace sambay::server
