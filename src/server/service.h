// What all routes share, and the way from a request's head to its route: host and origin, route, key, rate
// limit.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sambay/sambay.h"
#include "server/api_error.h"
#include "server/api_keys.h"
#include "server/http.h"
#include "server/metrics.h"
#include "server/openai_types.h"
#include "server/rate_limit.h"

namespace sambay::server {

struct ServeOptions {
  HttpOptions http;
  EngineOptions engine;
  std::vector<std::string>
      aliases;  ///< the model's names towards clients, the first in its answers; none: its own
  std::vector<std::string> tags;  ///< repeated by /models, without any effect
  std::vector<std::string> api_keys;
  std::string api_key_file;
  bool insecure = false;   ///< listen beyond this machine without a key
  RateLimits rate_limits;  ///< of keys that have none of their own, and of everybody where there are no keys
  bool metrics = true, slots = true, web_page = true;
  std::string slot_save_path;                 ///< "" = slots cannot be saved
  std::vector<std::string> allowed_hosts;     ///< Host values to take besides loopback's
  std::vector<std::string> cors_origins;      ///< origins to allow besides those of this machine; "*" = any
  std::optional<int64_t> prefix_cache_bytes;  ///< unset: up to 1 GiB, as the memory limit allows
  RequestDefaults defaults;                   ///< its sampling is the model's own ...
  std::function<void(SamplingOptions&)> adjust_sampling;  ///< ... after this
};

class Service;

/// Who asks.
struct Caller {
  std::string key_id;  ///< "" where there are no keys
  RateLimits limits;
};

/// One request on its way through a route.
struct Call {
  const HttpRequest& request;
  Service& service;
  Caller caller;
  double received_s = 0;  ///< monotonic
};

struct Route {
  std::string_view method, path;  ///< a path that ends in '*' matches what begins like it
  HttpResponse (*run)(Call& call);
  bool needs_key = true;
  bool counts = false;  ///< against the rate limits
  bool quick = true;    ///< may run on the server's thread
};

/// All of them, without the /v1 prefix, which each also has.
const std::vector<Route>& routes();

class Service final : public HttpHandler {
 public:
  Service(Engine& engine, ServeOptions options, ApiKeys keys);

  Engine& engine() { return engine_; }
  const ServeOptions& options() const { return options_; }
  const std::string& model_name() const { return model_name_; }
  int64_t started_unix() const { return started_unix_; }
  Metrics& metrics() { return metrics_; }
  RateLimiter& limiter() { return limiter_; }
  bool draining() const { return draining_; }
  int connection_count() const { return http_ ? http_->connection_count() : 0; }

  void attach(const HttpServer& http);
  void begin_drain() { draining_ = true; }
  /// Reads the key file again; the old keys stay when it is not good.
  void reload_keys();

  bool head(const HttpRequest& request, HttpResponse& response) override;
  bool quick(const HttpRequest& request) const override;
  HttpResponse handle(HttpRequest& request) override;
  HttpResponse error(int status, std::string_view message, std::string_view code) override;
  void finished(const HttpRecord& record) override;

 private:
  /// `other`: if given, and nothing is found, the route at this path that has another method.
  static const Route* find_route(const HttpRequest& request, const Route** other = nullptr);
  std::optional<ApiError> check_door(const HttpRequest& request) const;
  std::optional<ApiError> check_key(const HttpRequest& request, const Route& route, Caller& caller) const;
  void add_origin_headers(const HttpRequest& request, HttpResponse& response) const;
  bool origin_allowed(std::string_view origin, std::string_view host) const;
  HttpResponse preflight(const HttpRequest& request) const;
  std::shared_ptr<const ApiKeys> keys() const;

  Engine& engine_;
  const ServeOptions options_;
  const std::string model_name_;
  const int64_t started_unix_;
  Metrics metrics_;
  RateLimiter limiter_;
  const HttpServer* http_ = nullptr;
  bool loopback_ = true;
  std::atomic<bool> draining_ = false;
  mutable std::mutex keys_mutex_;
  std::shared_ptr<const ApiKeys> keys_;
};

double monotonic_s();

}  // namespace sambay::server
