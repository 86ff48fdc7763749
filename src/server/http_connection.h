// One connection of the HTTP server: a coroutine that reads requests, answers, and notices when the client
// leaves. Only for http.cpp: these two files alone include Boost.
#pragma once

#include <fmt/core.h>

#include <algorithm>
#include <atomic>
#include <boost/asio.hpp>
#include <boost/asio/experimental/as_tuple.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <unordered_set>
#include <utility>

#include "server/http.h"
#include "server/http_text.h"

namespace sambay::server::detail {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace ssl = asio::ssl;
using tcp = asio::ip::tcp;
using Clock = std::chrono::steady_clock;
using boost::system::error_code;
constexpr auto kNoThrow = asio::experimental::as_tuple(asio::use_awaitable);

constexpr size_t kReadBytes = 16 << 10;
constexpr size_t kMaxPipelinedBytes = 64 << 10;  // read ahead while an answer is being made
constexpr size_t kMaxLingerBytes = 1 << 20;
constexpr auto kLinger = std::chrono::seconds(1);

inline std::chrono::nanoseconds seconds(double s) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(s));
}

/// The way from other threads to the io_context, which may be gone already.
struct Gate {
  std::mutex mutex;
  asio::io_context* io;
  explicit Gate(asio::io_context* context) : io(context) {}
  void post(std::function<void()> work) {
    const std::lock_guard lock(mutex);
    if (io) asio::post(*io, std::move(work));
  }
};

class ConnectionBase {
 public:
  virtual ~ConnectionBase() = default;
  virtual void close_if_idle() = 0;
  virtual void cancel_answer() = 0;
  virtual void close_now() = 0;
};

/// What connections need of the server.
struct Shared {
  const HttpOptions options;
  HttpHandler& handler;
  asio::io_context io{1};
  asio::thread_pool workers;
  std::shared_ptr<Gate> gate = std::make_shared<Gate>(&io);
  std::unordered_set<ConnectionBase*> connections;
  std::atomic<int> connection_count = 0;
  bool draining = false;
  Shared(const HttpOptions& o, HttpHandler& h)
      : options(o), handler(h), workers(static_cast<size_t>(o.workers)) {}
};

/// The status for a message that could not be read; 0 when the client just left.
inline int status_of(const error_code& ec) {
  if (ec == http::error::header_limit || ec == http::error::buffer_overflow) return 431;
  if (ec == http::error::body_limit) return 413;
  if (ec == http::error::bad_transfer_encoding) return 501;
  if (ec == http::error::end_of_stream || ec == http::error::partial_message) return 0;
  if (ec.category() == make_error_code(http::error::bad_line_ending).category()) return 400;
  return 0;
}

/// Beast joins folded header lines, which others read differently: here they are refused.
class RequestParser final : public http::request_parser<http::string_body> {
  void on_field_impl(http::field name, beast::string_view name_text, beast::string_view value,
                     error_code& ec) override {
    // The name stands in what was received, and one character behind the line's end was looked at already.
    const char* end = name_text.data();
    while (*end != '\n') end++;
    if (end[1] == ' ' || end[1] == '\t')
      ec = http::error::bad_obs_fold;
    else
      get().insert(name, name_text, value);
  }
};

template <class Stream>
class Connection final : public ConnectionBase, public std::enable_shared_from_this<Connection<Stream>> {
  static constexpr bool kTls = !std::is_same_v<Stream, beast::tcp_stream>;

 public:
  template <class... Args>
  Connection(Shared& shared, std::string peer, Args&&... args)
      : shared_(shared),
        options_(shared.options),
        peer_(std::move(peer)),
        stream_(std::forward<Args>(args)...),
        buffer_(std::max(shared.options.max_header_bytes, kMaxPipelinedBytes) + 2 * kReadBytes),
        signal_(shared.io),
        deadline_(shared.io) {
    shared_.connections.insert(this);
    shared_.connection_count++;
  }
  ~Connection() override {
    shared_.connections.erase(this);
    shared_.connection_count--;
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void close_if_idle() override {
    if (idle_) lowest().cancel();
  }
  void cancel_answer() override {
    if (producer_) producer_->cancel();
  }
  void close_now() override {
    closing_ = true;
    error_code ignored;
    lowest().socket().close(ignored);
    signal_.cancel();
  }

  /// `self` keeps the connection while it is served.
  asio::awaitable<void> serve(std::shared_ptr<Connection> self) {
    try {
      if (co_await handshake())
        for (bool first = true;; first = false) {
          // Each await stands alone: g++ 12 went on to exchange() in `co_await first_byte() && co_await
          // exchange()` although the first was false.
          const bool begun = co_await first_byte(first);
          if (!begun) break;
          const bool again = co_await exchange();
          if (!again) break;
        }
    } catch (const std::exception&) {  // no memory: this connection ends, the others go on
      producer_ = nullptr;
      close_now();
    }
    co_await close();
    (void)self;
  }

 private:
  beast::tcp_stream& lowest() { return beast::get_lowest_layer(stream_); }

  asio::awaitable<bool> handshake() {
    if constexpr (kTls) {
      lowest().expires_after(seconds(options_.header_seconds));
      const auto [ec] = co_await stream_.async_handshake(ssl::stream_base::server, kNoThrow);
      co_return !ec;
    }
    co_return true;
  }

  asio::awaitable<bool> first_byte(bool first) {
    if (shared_.draining || closing_) co_return false;
    if (buffer_.size() > 0) co_return true;
    idle_ = true;
    lowest().expires_after(seconds(first ? options_.header_seconds : options_.idle_seconds));
    const auto [ec, count] = co_await stream_.async_read_some(buffer_.prepare(kReadBytes), kNoThrow);
    idle_ = false;
    buffer_.commit(count);
    co_return !ec;
  }

  /// One request and its answer; whether another may follow.
  asio::awaitable<bool> exchange() {
    const auto started = Clock::now();
    record_ = {};
    record_.peer = peer_;
    RequestParser parser;
    parser.header_limit(static_cast<uint32_t>(options_.max_header_bytes));
    parser.body_limit(options_.max_body_bytes);
    HttpRequest request;
    const bool again = co_await read_and_answer(parser, request);
    record_.duration_ms = std::chrono::duration<double, std::milli>(Clock::now() - started).count();
    if (!record_.id.empty()) shared_.handler.finished(record_);
    co_return again;
  }

  asio::awaitable<bool> read_and_answer(RequestParser& parser, HttpRequest& request) {
    begin_deadline(options_.header_seconds);
    auto [ec, count] = co_await http::async_read_header(stream_, buffer_, parser, kNoThrow);
    end_deadline();
    take_head(parser, request);
    if (ec) co_return co_await refuse_unread(ec);
    const int version = static_cast<int>(parser.get().version());
    if (const auto fault = head_fault(request, version))
      co_return co_await refuse(fault->status, fault->message, "bad_request");
    if (!split_target(parser.get().target(), request.path, request.query))
      co_return co_await refuse(400, "the request target is not a path", "bad_request");
    record_.path = request.path;
    HttpResponse response;
    if (!shared_.handler.head(request, response)) {
      response.close = response.close || !parser.is_done();
      co_return co_await respond(std::move(response), version, request.method, parser.get().keep_alive());
    }
    if (!parser.is_done()) {
      if (!request.header("expect").empty() && version >= 11) {
        const bool sent = co_await write("HTTP/1.1 100 Continue\r\n\r\n");
        if (!sent) co_return false;
      }
      begin_deadline(options_.body_seconds);
      std::tie(ec, count) = co_await http::async_read(stream_, buffer_, parser, kNoThrow);
      end_deadline();
      if (ec) co_return co_await refuse_unread(ec);
    }
    request.body = std::move(parser.get().body());
    record_.bytes_in = request.body.size();
    response = co_await answer(request);
    co_return co_await respond(std::move(response), version, request.method, parser.get().keep_alive());
  }

  /// Beast's own time-outs close the socket; who is late with a request shall still read why it failed.
  void begin_deadline(double seconds_left) {
    late_ = false;
    lowest().expires_never();
    deadline_.expires_after(seconds(seconds_left));
    deadline_.async_wait([weak = this->weak_from_this(), turn = ++turn_](const error_code& ec) {
      const std::shared_ptr<Connection> self = ec ? nullptr : weak.lock();
      if (!self || self->turn_ != turn) return;
      self->late_ = true;
      self->lowest().cancel();
    });
  }
  void end_deadline() {
    turn_++;
    deadline_.cancel();
  }

  void take_head(RequestParser& parser, HttpRequest& request) {
    const auto& message = parser.get();
    request.method = std::string(message.method_string());
    request.peer = peer_;
    for (const auto& field : message) {
      std::string name(field.name_string());
      std::transform(name.begin(), name.end(), name.begin(),
                     [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
      request.headers.emplace_back(std::move(name), std::string(field.value()));
    }
    request.id = request_id(request.header("x-request-id"));
    record_.method = request.method;
    record_.id = request.id;
  }

  asio::awaitable<HttpResponse> answer(HttpRequest& request) {
    const auto guarded = [this, &request]() -> HttpResponse {
      try {
        return shared_.handler.handle(request);
      } catch (const std::exception& e) {  // the last resort: a bug, or no memory
        return shared_.handler.error(500, e.what(), "internal_error");
      }
    };
    if (shared_.handler.quick(request)) co_return guarded();
    co_return co_await asio::co_spawn(
        shared_.workers, [&guarded]() -> asio::awaitable<HttpResponse> { co_return guarded(); },
        asio::use_awaitable);
  }

  asio::awaitable<bool> refuse(int status, std::string_view message, std::string_view code) {
    HttpResponse response = shared_.handler.error(status, message, code);
    response.close = true;
    co_return co_await respond(std::move(response), 11, record_.method, false);
  }

  asio::awaitable<bool> refuse_unread(const error_code& ec) {
    const int status = late_ ? 408 : status_of(ec);
    if (status == 0) {
      record_.client_left = true;
      if (record_.method.empty()) record_.id.clear();  // nothing worth a line in the log
      co_return false;
    }
    switch (status) {
      case 408: co_return co_await refuse(408, "the request did not arrive in time", "request_timeout");
      case 413:
        co_return co_await refuse(
            413, fmt::format("the body is larger than {} bytes", options_.max_body_bytes), "body_too_large");
      case 431:
        co_return co_await refuse(
            431, fmt::format("the headers are larger than {} bytes", options_.max_header_bytes),
            "headers_too_large");
      default: co_return co_await refuse(status, "not HTTP/1.1: " + ec.message(), "bad_request");
    }
  }

  asio::awaitable<bool> respond(HttpResponse response, int version, std::string_view method,
                                bool keep_alive) {
    keep_alive = keep_alive && !response.close && !shared_.draining;
    // Without chunks only the connection's end says where a stream ends.
    if (version < 11 && response.producer && response.producer->streams()) keep_alive = false;
    record_.status = response.status;
    linger_ = response.close;
    if (response.producer) {
      const bool made = co_await produce(response, version, keep_alive);
      if (!made) co_return false;
    }
    if (response.producer && response.producer->streams()) co_return keep_alive;
    if (response.producer) {
      HttpResponse made = response.producer->finish();
      producer_ = nullptr;
      made.headers.insert(made.headers.end(), response.headers.begin(), response.headers.end());
      response = std::move(made);
      record_.status = response.status;
    }
    std::string bytes = response_head(response, response.body.size(), version, keep_alive, record_.id);
    if (method != "HEAD" && response.status != 204 && response.status != 304) bytes += response.body;
    const bool sent = co_await write(bytes);
    co_return sent&& keep_alive;
  }

  /// Waits for the producer and, if it streams, sends what it makes. False when the client is gone.
  asio::awaitable<bool> produce(HttpResponse& response, int version, bool keep_alive) {
    Producer& producer = *response.producer;
    producer_ = &producer;
    const bool streams = producer.streams(), chunked = streams && version >= 11;
    bool good = true;
    if (streams) {
      const std::string head = response_head(response, std::nullopt, version, keep_alive, record_.id);
      good = co_await write(head);
    }
    watch();
    if (good) producer.start(waker());
    std::string out;
    for (bool done = false; good && !done && !gone_ && !closing_;) {
      woken_ = false;
      *posted_ = false;
      out.clear();
      done = producer.poll(out);
      if (!out.empty()) good = co_await write_piece(out, chunked);
      if (!good || done || woken_ || gone_) continue;
      signal_.expires_after(seconds(options_.comment_seconds));
      const auto [ec] = co_await signal_.async_wait(kNoThrow);
      if (!ec && streams && !woken_) good = co_await write_piece(producer.keep_alive(), chunked);
    }
    if (good && chunked && !gone_ && !closing_) good = co_await write("0\r\n\r\n");
    co_await unwatch();
    if (streams || !good || gone_ || closing_) producer_ = nullptr;
    record_.client_left = !good || gone_;
    co_return good && !gone_ && !closing_;
  }

  /// For any thread; it never holds the connection, which would then be destroyed on that thread.
  std::function<void()> waker() {
    return [weak = this->weak_from_this(), gate = shared_.gate, posted = posted_] {
      if (posted->exchange(true)) return;
      gate->post([weak] {
        if (const std::shared_ptr<Connection> still = weak.lock()) {
          still->woken_ = true;
          still->signal_.cancel();
        }
      });
    };
  }

  /// Notices when the client goes while its answer is made; what it sends meanwhile is kept for later.
  void watch() {
    if (buffer_.size() >= kMaxPipelinedBytes || closing_) return;
    lowest().expires_never();
    watching_ = true;
    stream_.async_read_some(buffer_.prepare(kReadBytes),
                            [self = this->shared_from_this()](const error_code& ec, size_t count) {
                              self->watching_ = false;
                              self->buffer_.commit(count);
                              if (!ec)
                                self->watch();
                              else if (ec != asio::error::operation_aborted)
                                self->gone_ = true;
                              self->signal_.cancel();
                            });
  }
  asio::awaitable<void> unwatch() {
    if (watching_) lowest().cancel();
    while (watching_) {
      signal_.expires_after(std::chrono::seconds(1));
      co_await signal_.async_wait(kNoThrow);
    }
  }

  asio::awaitable<bool> write_piece(std::string_view bytes, bool chunked) {
    if (bytes.empty()) co_return true;
    if (!chunked) co_return co_await write(bytes);
    std::string piece = fmt::format("{:x}\r\n", bytes.size());
    piece += bytes;
    piece += "\r\n";
    co_return co_await write(piece);
  }

  asio::awaitable<bool> write(std::string_view bytes) {
    lowest().expires_after(seconds(options_.write_seconds));
    const auto [ec, count] =
        co_await asio::async_write(stream_, asio::buffer(bytes.data(), bytes.size()), kNoThrow);
    record_.bytes_out += count;
    co_return !ec;
  }

  asio::awaitable<void> close() {
    if (closing_) co_return;
    if constexpr (kTls) {
      lowest().expires_after(std::chrono::seconds(2));
      co_await stream_.async_shutdown(kNoThrow);
    }
    error_code ec;
    lowest().socket().shutdown(tcp::socket::shutdown_send, ec);
    // Unread bytes at close would make the system discard the response on its way out.
    if (linger_ && !kTls) {
      lowest().expires_after(kLinger);
      std::string trash(kReadBytes, '\0');
      for (size_t total = 0; total < kMaxLingerBytes;) {
        const auto [failed, count] = co_await lowest().async_read_some(asio::buffer(trash), kNoThrow);
        if (failed) break;
        total += count;
      }
    }
    lowest().socket().close(ec);
  }

  Shared& shared_;
  const HttpOptions& options_;
  const std::string peer_;
  Stream stream_;
  beast::flat_buffer buffer_;
  asio::steady_timer signal_;    // wakes produce()
  asio::steady_timer deadline_;  // of the request that is being read
  int turn_ = 0;                 // tells a deadline that it has passed
  HttpRecord record_;
  Producer* producer_ = nullptr;  // of the answer that is being made
  std::shared_ptr<std::atomic<bool>> posted_ =
      std::make_shared<std::atomic<bool>>(false);  // shared with wakers
  bool late_ = false, woken_ = false, watching_ = false, gone_ = false, idle_ = false, closing_ = false,
       linger_ = false;
};

}  // namespace sambay::server::detail
