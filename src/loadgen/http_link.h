// One connection to a server, as a coroutine. Only for load.cpp: these two files alone include Boost.
#pragma once

#include <algorithm>
#include <array>
#include <boost/asio.hpp>
#include <boost/asio/experimental/as_tuple.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "loadgen/url.h"

namespace sambay::loadgen {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace ssl = asio::ssl;
using tcp = asio::ip::tcp;
using Clock = std::chrono::steady_clock;
using boost::system::error_code;
constexpr auto kNoThrow = asio::experimental::as_tuple(asio::use_awaitable);

/// Who is connected to.
struct Target {
  ServerUrl url;
  tcp::resolver::results_type endpoints;
  std::optional<ssl::context> tls;
};

struct Reply {
  int status = 0;          ///< 0: none came
  bool is_events = false;  ///< text/event-stream
  std::string fault;       ///< "" = all of it came
};

/// Gets the body as it comes; false when the rest is not wanted.
using BodySink = std::function<bool(const Reply& head, std::string_view piece)>;

class Link {
 public:
  virtual ~Link() = default;
  /// Sends a request and reads its answer, connecting first where needed.
  virtual asio::awaitable<Reply> exchange(const std::string& request, Clock::time_point deadline,
                                          const BodySink& sink) = 0;
  virtual bool is_open() const = 0;
  /// What waits in exchange() fails.
  virtual void close() = 0;
};

template <class Stream>
class HttpLink final : public Link {
  static constexpr bool kTls = !std::is_same_v<Stream, beast::tcp_stream>;

 public:
  template <class... Args>
  explicit HttpLink(Target& target, Args&&... args) : target_(target), stream_(std::forward<Args>(args)...) {}

  bool is_open() const override { return open_; }
  void close() override {
    open_ = false;
    error_code ignored;
    lowest().socket().close(ignored);
  }

  asio::awaitable<Reply> exchange(const std::string& request, Clock::time_point deadline,
                                  const BodySink& sink) override {
    Reply reply;
    lowest().expires_at(deadline);
    if (!open_) {
      reply.fault = co_await connect();
      if (!reply.fault.empty()) co_return reply;
    }
    const auto [ec, count] = co_await asio::async_write(stream_, asio::buffer(request), kNoThrow);
    if (ec) {
      reply.fault = fault_of(ec);
    } else {
      const bool reusable = co_await read_reply(reply, sink);
      if (reusable) co_return reply;
    }
    close();
    co_return reply;
  }

 private:
  beast::tcp_stream& lowest() { return beast::get_lowest_layer(stream_); }

  static std::string fault_of(const error_code& ec) {
    return ec == beast::error::timeout ? "timeout" : "closed";
  }

  asio::awaitable<std::string> connect() {
    const auto [ec, endpoint] = co_await lowest().async_connect(target_.endpoints, kNoThrow);
    if (ec) co_return ec == beast::error::timeout ? "timeout" : "connect";
    error_code ignored;
    lowest().socket().set_option(tcp::no_delay(true), ignored);
    if constexpr (kTls) {
      SSL_set_tlsext_host_name(stream_.native_handle(), target_.url.host.c_str());
      stream_.set_verify_callback(ssl::host_name_verification(target_.url.host));
      const auto [failed] = co_await stream_.async_handshake(ssl::stream_base::client, kNoThrow);
      if (failed) co_return failed == beast::error::timeout ? "timeout" : "tls: " + failed.message();
    }
    open_ = true;
    co_return "";
  }

  /// Whether another request may follow.
  asio::awaitable<bool> read_reply(Reply& reply, const BodySink& sink) {
    http::response_parser<http::buffer_body> parser;
    parser.body_limit(boost::none);
    auto [ec, count] = co_await http::async_read_header(stream_, buffer_, parser, kNoThrow);
    if (ec) {
      reply.fault = fault_of(ec);
      co_return false;
    }
    reply.status = static_cast<int>(parser.get().result_int());
    reply.is_events = parser.get()[http::field::content_type].starts_with("text/event-stream");
    while (!parser.is_done()) {
      parser.get().body().data = piece_.data();
      parser.get().body().size = piece_.size();
      std::tie(ec, count) = co_await http::async_read_some(stream_, buffer_, parser, kNoThrow);
      if (ec == http::error::need_buffer) ec = {};
      const size_t read = piece_.size() - parser.get().body().size;
      if (!ec && read > 0 && !sink(reply, std::string_view(piece_.data(), read))) co_return false;
      if (ec) {
        reply.fault = fault_of(ec);
        co_return false;
      }
    }
    co_return parser.keep_alive();
  }

  Target& target_;
  Stream stream_;
  beast::flat_buffer buffer_;
  std::array<char, 8192> piece_;
  bool open_ = false;
};

inline std::unique_ptr<Link> make_link(asio::io_context& io, Target& target) {
  if (target.tls)
    return std::make_unique<HttpLink<beast::ssl_stream<beast::tcp_stream>>>(target, io, *target.tls);
  return std::make_unique<HttpLink<beast::tcp_stream>>(target, io);
}

}  // namespace sambay::loadgen
