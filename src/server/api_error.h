// What went wrong with a request, as OpenAI's clients expect to read it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sambay/error.h"
#include "server/http_types.h"

namespace sambay::server {

/// {"error": {message, type, param, code}}. A request's own fault is 4xx, and neither 409 nor 5xx, which
/// clients would try again.
struct ApiError {
  int status = 400;
  std::string message = {};
  std::string type = "invalid_request_error";
  std::string param = {};  ///< the field at fault, "messages[0].content"; "" = null
  std::string code = {};   ///< "" = null
  /// Further members with whole numbers, as llama.cpp's clients read them (n_prompt_tokens, n_ctx).
  std::vector<std::pair<std::string, int64_t>> numbers = {};
};

ApiError invalid_value(std::string param, std::string message);
ApiError invalid_type(std::string param, std::string_view wanted, std::string_view found);
ApiError missing(std::string param);
/// For what this server does not do (yet): never silently ignored.
ApiError unsupported(std::string param, std::string message);

/// Of Engine's calls: the field's name in front of the message becomes `param`.
ApiError from_engine(const Error& error);

std::string to_json(const ApiError& error);
HttpResponse to_response(const ApiError& error);

}  // namespace sambay::server
