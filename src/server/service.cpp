#include "server/service.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "server/door.h"
#include "server/log.h"
#include "server/web_page.h"

namespace sambay::server {
namespace {

/// The first alias, or the model's name without the folders before it: clients put it into paths.
std::string name_of(const ServeOptions& options, const Engine& engine) {
  if (!options.aliases.empty()) return options.aliases.front();
  if (options.engine.model.empty()) return "sambay-pocket";
  std::string name = engine.info().model_name;
  while (name.size() > 1 && name.ends_with('/')) name.pop_back();
  return name.substr(name.rfind('/') + 1);
}

/// "Bearer KEY", or the header that some clients send instead.
std::string_view presented_key(const HttpRequest& request) {
  std::string_view value = request.header("authorization");
  for (const std::string_view scheme : {"Bearer ", "bearer "})
    if (value.starts_with(scheme)) return value.substr(scheme.size());
  return request.header("x-api-key");
}

HttpResponse rate_limited(const RateLimiter::Verdict& verdict) {
  ApiError error{
      .status = 429, .type = verdict.by_tokens ? "tokens" : "requests", .code = "rate_limit_exceeded"};
  const auto wait = static_cast<int64_t>(std::max(1.0, std::ceil(verdict.retry_after_s)));
  error.message = fmt::format("rate limit reached: {} a minute; try again in {} s", error.type, wait);
  HttpResponse response = to_response(error);
  response.headers = {{"Retry-After", std::to_string(wait)}};
  return response;
}

}  // namespace

double monotonic_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Service::Service(Engine& engine, ServeOptions options, ApiKeys keys)
    : engine_(engine),
      options_(std::move(options)),
      model_name_(name_of(options_, engine)),
      started_unix_(std::chrono::duration_cast<std::chrono::seconds>(
                        std::chrono::system_clock::now().time_since_epoch())
                        .count()),
      metrics_(model_name_),
      keys_(std::make_shared<const ApiKeys>(std::move(keys))) {}

void Service::attach(const HttpServer& http) {
  http_ = &http;
  loopback_ = http.loopback();
}

std::shared_ptr<const ApiKeys> Service::keys() const {
  const std::lock_guard lock(keys_mutex_);
  return keys_;
}

void Service::reload_keys() {
  Result<ApiKeys> loaded = ApiKeys::load(options_.api_keys, options_.api_key_file, options_.rate_limits);
  if (!loaded) {
    log_line("error", "keys_not_reloaded", {{"message", loaded.error().message}});
    return;
  }
  log_line("info", "keys_reloaded", {{"count", static_cast<int64_t>(loaded->size())}});
  const std::lock_guard lock(keys_mutex_);
  keys_ = std::make_shared<const ApiKeys>(*std::move(loaded));
}

const Route* Service::find_route(const HttpRequest& request, const Route** other) {
  std::string_view path = request.path;
  if (path.starts_with("/v1/")) path.remove_prefix(3);
  const std::string_view method = request.method == "HEAD" ? "GET" : std::string_view(request.method);
  for (const Route& route : routes()) {
    const bool prefix = route.path.ends_with('*');
    if (prefix ? !path.starts_with(route.path.substr(0, route.path.size() - 1)) : path != route.path)
      continue;
    if (route.method == method) return &route;
    if (other) *other = &route;
  }
  return nullptr;
}

bool Service::origin_allowed(std::string_view origin, std::string_view host) const {
  if (is_same_origin(origin, host) || is_local_origin(origin)) return true;
  return std::any_of(options_.cors_origins.begin(), options_.cors_origins.end(),
                     [&](const std::string& allowed) { return allowed == "*" || allowed == origin; });
}

/// Pages of other origins may not even ask: a browser sends some requests without asking first.
std::optional<ApiError> Service::check_door(const HttpRequest& request) const {
  const std::string_view host = request.header("host"), origin = request.header("origin");
  if (loopback_ && !host.empty() && !host_allowed(host, options_.allowed_hosts))
    return ApiError{.status = 403,
                    .message = "this Host is not served here (--allowed-host NAME adds one)",
                    .code = "host_not_allowed"};
  if (!origin.empty() && request.method != "OPTIONS" && !origin_allowed(origin, host))
    return ApiError{.status = 403,
                    .message = "this Origin may not use this server (--cors-origin ORIGIN adds one)",
                    .code = "origin_not_allowed"};
  return std::nullopt;
}

std::optional<ApiError> Service::check_key(const HttpRequest& request, const Route& route,
                                           Caller& caller) const {
  const std::shared_ptr<const ApiKeys> keys = this->keys();
  caller.limits = options_.rate_limits;
  if (keys->empty()) return std::nullopt;
  const ApiKey* key = keys->find(presented_key(request));
  if (key) {
    caller.key_id = key->id;
    caller.limits = key->limits;
  } else if (route.needs_key) {
    return ApiError{
        .status = 401,
        .message = "an API key is needed, as \"Authorization: Bearer KEY\"; this one is not known",
        .type = "authentication_error",
        .code = "invalid_api_key"};
  }
  return std::nullopt;
}

void Service::add_origin_headers(const HttpRequest& request, HttpResponse& response) const {
  const std::string_view origin = request.header("origin");
  if (origin.empty() || !origin_allowed(origin, request.header("host"))) return;
  response.headers.emplace_back("Access-Control-Allow-Origin", std::string(origin));
  response.headers.emplace_back("Access-Control-Expose-Headers",
                                "x-request-id, retry-after, x-ratelimit-limit-requests, "
                                "x-ratelimit-remaining-requests, x-ratelimit-reset-requests, "
                                "x-ratelimit-limit-tokens, x-ratelimit-remaining-tokens, "
                                "x-ratelimit-reset-tokens");
  response.headers.emplace_back("Vary", "Origin");
}

HttpResponse Service::preflight(const HttpRequest& request) const {
  HttpResponse response;
  // A foreign origin is told nothing, and its browser sends nothing more.
  const std::string_view origin = request.header("origin");
  if (!origin.empty() && !origin_allowed(origin, request.header("host"))) return response;
  // Whoever may ask may send any header: clients invent them (x-stainless-...), and none of ours means harm.
  const std::string_view wanted = request.header("access-control-request-headers");
  response.headers = {
      {"Access-Control-Allow-Methods", "GET, POST"},
      {"Access-Control-Allow-Headers", std::string(wanted.empty() ? "authorization, content-type" : wanted)},
      {"Access-Control-Max-Age", "600"}};
  add_origin_headers(request, response);
  return response;
}

bool Service::head(const HttpRequest& request, HttpResponse& response) {
  const auto refuse = [&](const ApiError& error) {
    metrics_.count_refused(error.code);
    response = to_response(error);
    add_origin_headers(request, response);
    return false;
  };
  if (auto fault = check_door(request)) return refuse(*fault);
  if (request.method == "OPTIONS") return response = preflight(request), false;
  const Route* other = nullptr;
  const Route* route = find_route(request, &other);
  if (!route) {
    if (other) {
      refuse({.status = 405,
              .message = fmt::format("{} cannot be used here, but {}", request.method, other->method),
              .code = "method_not_allowed"});
      response.headers.emplace_back("Allow", other->method == "GET" ? "GET, HEAD, OPTIONS" : "POST, OPTIONS");
      return false;
    }
    return refuse({.status = 404, .message = "there is nothing at this path", .code = "not_found"});
  }
  Caller caller;
  if (auto fault = check_key(request, *route, caller)) return refuse(*fault);
  if (!route->counts) return true;
  if (draining_)
    return refuse({.status = 503,
                   .message = "the server is stopping",
                   .type = "server_error",
                   .code = "server_stopping"});
  const RateLimiter::Verdict verdict = limiter_.admit(caller.key_id, caller.limits, monotonic_s());
  if (verdict.allowed) return true;
  metrics_.count_refused("rate_limit_exceeded");
  response = rate_limited(verdict);
  for (auto& header : limiter_.headers(caller.key_id, caller.limits, monotonic_s()))
    response.headers.push_back(std::move(header));
  add_origin_headers(request, response);
  return false;
}

bool Service::quick(const HttpRequest& request) const {
  const Route* route = find_route(request);
  return !route || route->quick;
}

HttpResponse Service::handle(HttpRequest& request) {
  const Route* route = find_route(request);
  Call call{request, *this, {}, monotonic_s()};
  check_key(request, *route, call.caller);
  HttpResponse response = route->run(call);
  if (route->counts)
    for (auto& header : limiter_.headers(call.caller.key_id, call.caller.limits, monotonic_s()))
      response.headers.push_back(std::move(header));
  add_origin_headers(request, response);
  return response;
}

HttpResponse Service::error(int status, std::string_view message, std::string_view code) {
  ApiError error{.status = status, .message = std::string(message), .code = std::string(code)};
  if (status >= 500) error.type = "server_error";
  if (status != 500) metrics_.count_refused(code);
  return to_response(error);
}

void Service::finished(const HttpRecord& record) {
  HttpRequest request;
  request.method = record.method;
  request.path = record.path;
  const Route* route = find_route(request);
  metrics_.count_http(route ? route->path : std::string_view("other"), record.status);
  if (record.client_left) metrics_.count_client_left();
  log_line("info", "request",
           {{"id", record.id},
            {"peer", record.peer},
            {"method", record.method},
            {"path", record.path.substr(0, 200)},
            {"status", int64_t{record.status}},
            {"ms", std::round(record.duration_ms * 10) / 10},
            {"bytes_in", static_cast<int64_t>(record.bytes_in)},
            {"bytes_out", static_cast<int64_t>(record.bytes_out)},
            {"client_left", record.client_left}});
}

}  // namespace sambay::server
