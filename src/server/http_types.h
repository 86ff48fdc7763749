// What the HTTP layer and the routes say to each other; no library's types in it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sambay::server {

struct HttpRequest {
  std::string method;                                        ///< as sent: "GET"
  std::string path;                                          ///< "/v1/models", without scheme, host and query
  std::string query;                                         ///< behind the '?', as sent
  std::vector<std::pair<std::string, std::string>> headers;  ///< names in lower case, in the order sent
  std::string body;
  std::string peer;  ///< the client's address
  std::string id;    ///< x-request-id: the client's own if it is short and plain, else made here

  /// The first header of this (lower-case) name; "" when there is none.
  std::string_view header(std::string_view name) const;
  int header_count(std::string_view name) const;
};

struct HttpResponse;

/// An answer that is still being made. Everything but `wake` happens on the server's thread; whoever destroys
/// a Producer has no use for the rest of the answer.
class Producer {
 public:
  virtual ~Producer() = default;
  /// Called once, first. `wake` may be called from any thread, as often as it likes, also after the Producer
  /// is gone.
  virtual void start(std::function<void()> wake) = 0;
  /// True: the response's head goes out at once and poll()'s bytes follow. False: finish() is the response.
  virtual bool streams() const = 0;
  /// Appends what there is to say now; never blocks. True when the answer is complete.
  virtual bool poll(std::string& out) = 0;
  /// After poll() returned true, when the answer does not stream.
  virtual HttpResponse finish() = 0;
  /// Ends the work early because the server stops; poll() then completes soon.
  virtual void cancel() = 0;
  /// Sent when nothing was for a while, so that nobody in between closes the connection.
  virtual std::string_view keep_alive() const { return {}; }
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json; charset=utf-8";
  std::vector<std::pair<std::string, std::string>> headers;  ///< values must not hold line ends
  std::string body;
  std::unique_ptr<Producer> producer;  ///< instead of `body`
  bool close = false;                  ///< no further request on this connection
};

/// What a finished exchange was, for log and metrics. No text of prompts or answers.
struct HttpRecord {
  std::string method, path, peer, id;
  int status = 0;
  double duration_ms = 0;
  size_t bytes_in = 0, bytes_out = 0;
  bool client_left = false;  ///< the connection ended before the answer did
};

/// What answers requests. head() and quick handle() calls come from the server's thread, others from workers.
class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  /// Before the body is read: true lets it come, false answers with `response` and closes.
  virtual bool head(const HttpRequest& request, HttpResponse& response) = 0;
  /// Whether handle() needs so little time that it may run on the server's thread.
  virtual bool quick(const HttpRequest& request) const = 0;
  virtual HttpResponse handle(HttpRequest& request) = 0;
  /// For what the HTTP layer refuses by itself.
  virtual HttpResponse error(int status, std::string_view message, std::string_view code) = 0;
  virtual void finished(const HttpRecord& record) = 0;
};

/// The words behind the number, "" for an unknown one.
std::string_view reason_phrase(int status);

}  // namespace sambay::server
