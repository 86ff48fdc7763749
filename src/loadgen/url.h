// Where a load goes.
#pragma once

#include <string>
#include <string_view>

#include "sambay/error.h"

namespace sambay {

struct ServerUrl {
  bool tls = false;
  std::string host;  ///< a name or an address, without brackets
  std::string port;  ///< a number
  std::string path;  ///< what stands before /v1/...; "" or "/..."
  /// The value of the Host header.
  std::string authority() const;
};

/// "http://127.0.0.1:8080", "https://host/prefix/v1": a /v1 at the end, and slashes, are dropped. Errors:
/// invalid_argument.
Result<ServerUrl> parse_server_url(std::string_view text);

}  // namespace sambay
