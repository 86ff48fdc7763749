// The HTTP/1.1 server: connections, limits, time-outs, TLS, drain. http.cpp alone includes Boost.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "sambay/error.h"
#include "server/http_types.h"

namespace sambay::server {

struct HttpOptions {
  std::string host = "127.0.0.1";  ///< a name or an address
  int port = 8080;                 ///< 0: any free one
  std::string tls_cert, tls_key;   ///< PEM files; both or none
  size_t max_header_bytes = 32 << 10;
  size_t max_body_bytes = 16 << 20;
  int max_connections = 4096;
  int workers = 2;                  ///< threads that parse and tokenize
  double header_seconds = 10;       ///< from a request's first byte to the end of its headers
  double body_seconds = 60;         ///< for all of the body
  double idle_seconds = 60;         ///< between requests
  double write_seconds = 60;        ///< for a client that does not read
  double comment_seconds = 5;       ///< of silence, then a stream says that it lives
  bool handle_signals = true;       ///< SIGTERM, SIGINT and SIGHUP; otherwise stop() alone ends run()
  double drain_seconds = 30;        ///< what runs may take this long to end after SIGTERM
  std::function<void()> on_hangup;  ///< SIGHUP, on the server's thread
  std::function<void()> on_drain;   ///< first SIGTERM or SIGINT
};

/// Listens from open() on and serves in run().
class HttpServer {
 public:
  /// Errors: invalid_argument (address), io (in use, no permission), corrupt (certificate or key).
  static Result<std::unique_ptr<HttpServer>> open(const HttpOptions& options, HttpHandler& handler);
  ~HttpServer();
  /// Whether every address of `host` is one of this machine alone. Errors: invalid_argument.
  static Result<bool> is_loopback_host(const std::string& host);
  int port() const;
  bool loopback() const;  ///< every address that is listened on is one of this machine alone
  /// Blocks until SIGTERM or SIGINT and the end of the drain; a second signal ends it at once.
  void run();
  /// As SIGTERM does. Any thread.
  void stop();
  int connection_count() const;

 private:
  struct Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sambay::server
