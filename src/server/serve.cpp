#include "server/serve.h"

#include <fmt/core.h>

#include <thread>
#include <utility>

#include "server/log.h"

namespace sambay::server {
namespace {

/// Opens with the prefix cache asked for; with as much as the memory limit leaves when nothing was asked for.
Result<std::unique_ptr<Engine>> open_engine(ServeOptions& options) {
  constexpr int64_t kMiB = 1 << 20;
  if (options.prefix_cache_bytes) {
    options.engine.prefix_cache_bytes = *options.prefix_cache_bytes;
    return Engine::open(options.engine);
  }
  for (const int64_t size : {1024 * kMiB, 512 * kMiB, 256 * kMiB, 128 * kMiB, 64 * kMiB}) {
    options.engine.prefix_cache_bytes = size;
    Result<std::unique_ptr<Engine>> engine = Engine::open(options.engine);
    if (engine || engine.error().code != ErrorCode::out_of_memory || options.engine.memory_limit == 0)
      return engine;
  }
  options.engine.prefix_cache_bytes = 0;
  return Engine::open(options.engine);
}

Result<void> check_door(const ServeOptions& options, const ApiKeys& keys) {
  SAMBAY_TRY(const bool loopback, HttpServer::is_loopback_host(options.http.host), "serve");
  if (loopback || !keys.empty() || options.insecure) return {};
  return fail(
      ErrorCode::invalid_argument,
      fmt::format("--host {}: other machines could use this server; give --api-key or --api-key-file, "
                  "or --insecure if that is wanted",
                  options.http.host));
}

}  // namespace

struct BackgroundServer::Impl {
  std::unique_ptr<Engine> engine;
  std::unique_ptr<Service> service;
  std::unique_ptr<HttpServer> http;
  std::thread thread;
};

BackgroundServer::BackgroundServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

BackgroundServer::~BackgroundServer() {
  impl_->http->stop();
  impl_->thread.join();
}

int BackgroundServer::port() const { return impl_->http->port(); }
const std::string& BackgroundServer::model_name() const { return impl_->service->model_name(); }
const Engine& BackgroundServer::engine() const { return *impl_->engine; }

Result<std::unique_ptr<BackgroundServer>> BackgroundServer::start(ServeOptions options) {
  set_log_enabled(false);
  auto impl = std::make_unique<Impl>();
  SAMBAY_TRY(impl->engine, open_engine(options), "serve");
  options.defaults.sampling = impl->engine->default_sampling();
  options.http.host = "127.0.0.1";
  options.http.port = 0;
  options.http.handle_signals = false;
  options.http.drain_seconds = 0;
  const HttpOptions http_options = options.http;
  impl->service = std::make_unique<Service>(*impl->engine, std::move(options), ApiKeys());
  SAMBAY_TRY(impl->http, HttpServer::open(http_options, *impl->service), "serve");
  impl->service->attach(*impl->http);
  impl->thread = std::thread([http = impl->http.get()] { http->run(); });
  return std::unique_ptr<BackgroundServer>(new BackgroundServer(std::move(impl)));
}

Result<void> serve(ServeOptions options) {
  SAMBAY_TRY(ApiKeys keys, ApiKeys::load(options.api_keys, options.api_key_file, options.rate_limits),
             "serve");
  const bool has_keys = !keys.empty();
  SAMBAY_TRY_VOID(check_door(options, keys));
  SAMBAY_TRY(const std::unique_ptr<Engine> engine, open_engine(options), "serve");
  options.defaults.sampling = engine->default_sampling();
  if (options.adjust_sampling) options.adjust_sampling(options.defaults.sampling);
  HttpOptions http_options = options.http;
  Service service(*engine, std::move(options), std::move(keys));
  http_options.on_hangup = [&] { service.reload_keys(); };
  http_options.on_drain = [&] {
    service.begin_drain();
    log_line("info", "draining", {});
  };
  SAMBAY_TRY(const std::unique_ptr<HttpServer> http, HttpServer::open(http_options, service), "serve");
  service.attach(*http);
  log_line("info", "listening",
           {{"host", http_options.host},
            {"port", int64_t{http->port()}},
            {"model", service.model_name()},
            {"context", int64_t{engine->info().max_context}},
            {"sequences", int64_t{engine->info().max_sequences}},
            {"tls", !http_options.tls_cert.empty()},
            {"keys", has_keys}});
  http->run();
  log_line("info", "stopped", {});
  return {};
}

}  // namespace sambay::server
