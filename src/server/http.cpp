// One thread runs an io_context; each connection is a coroutine on it. Handlers that take time run on
// workers.
#include "server/http.h"

#include <sys/resource.h>

#include <csignal>
#include <vector>

#include "server/http_connection.h"

namespace sambay::server {

using namespace detail;

namespace {

bool is_loopback(const asio::ip::address& address) {
  if (address.is_v6() && address.to_v6().is_v4_mapped())
    return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).is_loopback();
  return address.is_loopback();
}

/// As many descriptors as the system lets this process have: a connection is one.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

struct HttpServer::Impl {
  Impl(const HttpOptions& options, HttpHandler& handler)
      : shared(options, handler), signals(shared.io), deadline(shared.io) {
    if (!options.handle_signals) return;
    for (const int signal : {SIGTERM, SIGINT, SIGHUP}) signals.add(signal);
  }

  Result<void> listen();
  Result<void> load_tls();
  asio::awaitable<void> accept(tcp::acceptor& acceptor);
  void start_connection(tcp::socket socket);
  void wait_for_signal();
  void drain();
  void close_connections();
  void watch_deadline(double seconds_left, bool cancelled);

  Shared shared;
  std::optional<ssl::context> tls;
  std::vector<tcp::acceptor> acceptors;
  asio::signal_set signals;
  asio::steady_timer deadline;
  bool only_loopback = true;
};

Result<void> HttpServer::Impl::load_tls() {
  const HttpOptions& o = shared.options;
  if (o.tls_cert.empty() && o.tls_key.empty()) return {};
  if (o.tls_cert.empty() || o.tls_key.empty())
    return fail(ErrorCode::invalid_argument, "TLS needs both a certificate and a key file");
  tls.emplace(ssl::context::tls_server);
  SSL_CTX_set_min_proto_version(tls->native_handle(), TLS1_2_VERSION);
  error_code ec;
  tls->use_certificate_chain_file(o.tls_cert, ec);
  if (ec) return fail(ErrorCode::corrupt, fmt::format("{}: {}", o.tls_cert, ec.message()));
  tls->use_private_key_file(o.tls_key, ssl::context::pem, ec);
  if (ec) return fail(ErrorCode::corrupt, fmt::format("{}: {}", o.tls_key, ec.message()));
  return {};
}

Result<void> HttpServer::Impl::listen() {
  const HttpOptions& o = shared.options;
  error_code ec;
  tcp::resolver resolver(shared.io);
  const auto found = resolver.resolve(o.host, std::to_string(o.port),
                                      tcp::resolver::passive | tcp::resolver::numeric_service, ec);
  if (ec) return fail(ErrorCode::invalid_argument, fmt::format("--host {}: {}", o.host, ec.message()));
  int port = o.port;
  std::string why;
  for (const auto& entry : found) {
    tcp::endpoint endpoint = entry.endpoint();
    endpoint.port(static_cast<uint16_t>(port));
    tcp::acceptor acceptor(shared.io);
    acceptor.open(endpoint.protocol(), ec);
    if (!ec) acceptor.set_option(asio::socket_base::reuse_address(true), ec);
    if (!ec) acceptor.bind(endpoint, ec);
    if (!ec) acceptor.listen(asio::socket_base::max_listen_connections, ec);
    if (ec) {  // "localhost" is often two addresses of which the machine has one
      why = fmt::format("{} port {}: {}", endpoint.address().to_string(), port, ec.message());
      continue;
    }
    only_loopback = only_loopback && is_loopback(endpoint.address());
    port = acceptor.local_endpoint().port();
    acceptors.push_back(std::move(acceptor));
  }
  if (acceptors.empty()) return fail(ErrorCode::io, why.empty() ? o.host + ": no address" : why);
  return {};
}

asio::awaitable<void> HttpServer::Impl::accept(tcp::acceptor& acceptor) {
  while (acceptor.is_open()) {
    auto [ec, socket] = co_await acceptor.async_accept(kNoThrow);
    if (ec == asio::error::operation_aborted || ec == asio::error::bad_descriptor) co_return;
    if (ec) {  // no descriptors: they come back
      asio::steady_timer pause(shared.io, std::chrono::milliseconds(100));
      co_await pause.async_wait(kNoThrow);
      continue;
    }
    start_connection(std::move(socket));
  }
}

void HttpServer::Impl::start_connection(tcp::socket socket) {
  error_code ec;
  const tcp::endpoint from = socket.remote_endpoint(ec);
  if (ec) return;  // it left already
  if (shared.connection_count >= shared.options.max_connections) {
    const HttpResponse full = shared.handler.error(503, "too many connections", "too_many_connections");
    socket.non_blocking(true, ec);
    if (!tls)
      socket.send(asio::buffer(response_head(full, full.body.size(), 11, false, "") + full.body), 0, ec);
    return;
  }
  socket.set_option(tcp::no_delay(true), ec);
  const auto spawn = [&](auto connection) {
    asio::co_spawn(shared.io, connection->serve(connection), asio::detached);
  };
  std::string peer = from.address().to_string();
  if (tls)
    spawn(std::make_shared<Connection<beast::ssl_stream<beast::tcp_stream>>>(
        shared, std::move(peer), beast::tcp_stream(std::move(socket)), *tls));
  else
    spawn(std::make_shared<Connection<beast::tcp_stream>>(shared, std::move(peer), std::move(socket)));
}

void HttpServer::Impl::wait_for_signal() {
  signals.async_wait([this](const error_code& ec, int signal) {
    if (ec) return;
    wait_for_signal();  // first, since the end of a drain cancels it
    if (signal == SIGHUP) {
      if (shared.options.on_hangup) shared.options.on_hangup();
    } else if (!shared.draining) {
      drain();
    } else {
      close_connections();
    }
  });
}

/// No new connections; idle ones end; what runs may finish until the deadline.
void HttpServer::Impl::drain() {
  if (shared.draining) return;
  shared.draining = true;
  if (shared.options.on_drain) shared.options.on_drain();
  error_code ignored;
  for (tcp::acceptor& acceptor : acceptors) acceptor.close(ignored);
  for (ConnectionBase* connection : shared.connections) connection->close_if_idle();
  watch_deadline(shared.options.drain_seconds, false);
}

/// Looks ten times a second whether all connections are gone; at the deadline answers are cancelled, two
/// seconds later connections closed.
void HttpServer::Impl::watch_deadline(double seconds_left, bool cancelled) {
  constexpr double kPeriod = 0.1, kGrace = 2;
  if (shared.connections.empty()) {
    signals.cancel();
    return;
  }
  if (seconds_left <= 0 && cancelled) {
    close_connections();
    return;
  }
  if (seconds_left <= 0) {
    for (ConnectionBase* connection : shared.connections) connection->cancel_answer();
    cancelled = true;
    seconds_left = kGrace;
  }
  deadline.expires_after(seconds(kPeriod));
  deadline.async_wait([this, seconds_left, cancelled](const error_code& ec) {
    if (!ec) watch_deadline(seconds_left - kPeriod, cancelled);
  });
}

void HttpServer::Impl::close_connections() {
  deadline.cancel();
  signals.cancel();
  for (ConnectionBase* connection : shared.connections) connection->close_now();
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

HttpServer::~HttpServer() {
  impl_->shared.workers.join();
  const std::lock_guard lock(impl_->shared.gate->mutex);
  impl_->shared.gate->io = nullptr;
}

Result<std::unique_ptr<HttpServer>> HttpServer::open(const HttpOptions& options, HttpHandler& handler) {
  raise_descriptor_limit();
  auto impl = std::make_unique<Impl>(options, handler);
  SAMBAY_TRY_VOID(impl->load_tls());
  SAMBAY_TRY_VOID(impl->listen());
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

Result<bool> HttpServer::is_loopback_host(const std::string& host) {
  asio::io_context io;
  error_code ec;
  tcp::resolver resolver(io);
  const auto found = resolver.resolve(host, "0", tcp::resolver::passive | tcp::resolver::numeric_service, ec);
  if (ec) return fail(ErrorCode::invalid_argument, fmt::format("--host {}: {}", host, ec.message()));
  return std::all_of(found.begin(), found.end(),
                     [](const auto& entry) { return is_loopback(entry.endpoint().address()); });
}

int HttpServer::port() const { return impl_->acceptors.front().local_endpoint().port(); }
bool HttpServer::loopback() const { return impl_->only_loopback; }
int HttpServer::connection_count() const { return impl_->shared.connection_count; }

void HttpServer::run() {
  for (tcp::acceptor& acceptor : impl_->acceptors)
    asio::co_spawn(impl_->shared.io, impl_->accept(acceptor), asio::detached);
  impl_->wait_for_signal();
  impl_->shared.io.run();
}

void HttpServer::stop() {
  impl_->shared.gate->post([impl = impl_.get()] { impl->drain(); });
}

}  // namespace sambay::server
