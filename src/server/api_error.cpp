#include "server/api_error.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <utility>

#include "server/json_text.h"

namespace sambay::server {
namespace {

/// "top_p" of "top_p: must be ..."; "" when the message begins otherwise.
std::string field_of(std::string_view message) {
  const size_t colon = message.find(": ");
  if (colon == std::string_view::npos || colon > 40) return {};
  const std::string_view name = message.substr(0, colon);
  const bool is_name = std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::islower(c) != 0 || std::isdigit(c) != 0 || c == '_';
  });
  return is_name ? std::string(name) : std::string();
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
