// The texts of HTTP that do not need a socket.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "server/http_types.h"

namespace sambay::server {

/// Splits a request target (origin-form, absolute-form or "*") into path and query. False when it is none of
/// these or holds control characters.
bool split_target(std::string_view target, std::string& path, std::string& query);

/// Why a parsed head must not be served: the status and a line; nothing when it may be. Looks at what lets
/// two servers read one message differently (RFC 9112, sections 3.2, 6.1 and 11.2).
struct HeadFault {
  int status;
  std::string message;
};
std::optional<HeadFault> head_fault(const HttpRequest& request, int version /* 10 or 11 */);

/// The status line and headers. `body_bytes` without value: chunked, or to the end of the connection for
/// HTTP/1.0.
std::string response_head(const HttpResponse& response, std::optional<size_t> body_bytes, int version,
                          bool keep_alive, std::string_view request_id);

/// A request id: the client's if it is 1 to 128 letters, digits, '-', '_' or '.', else 24 random hex digits.
std::string request_id(std::string_view from_client);

std::string percent_decoded(std::string_view text);
/// The value of `name` in a query string, decoded.
std::optional<std::string> query_value(std::string_view query, std::string_view name);

}  // namespace sambay::server
