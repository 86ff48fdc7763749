// GET /health, /ready, /metrics and /props
#include "server/json_text.h"
#include "server/llama_settings.h"
#include "server/routes.h"

namespace sambay::server {
namespace {

HttpResponse status(Call& call, bool good) {
  if (!good)
    return to_response(
        {.status = 503,
         .message = call.service.draining() ? "the server is stopping" : "the engine has failed",
         .type = "unavailable_error",
         .code = call.service.draining() ? "server_stopping" : "engine_failed"});
  HttpResponse response;
  response.body = R"({"status":"ok"})";
  return response;
}

HttpResponse switched_off(const char* flag) {
  ApiError error{.status = 501, .type = "not_supported_error", .code = "not_enabled"};
  error.message = std::string("this endpoint is off; start the server with ") + flag;
  return to_response(error);
}

}  // namespace

HttpResponse route_health(Call& call) { return status(call, call.service.engine().health().has_value()); }

HttpResponse route_ready(Call& call) {
  return status(call, call.service.engine().health().has_value() && !call.service.draining());
}

HttpResponse route_metrics(Call& call) {
  if (!call.service.options().metrics) return switched_off("--metrics");
  HttpResponse response;
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  response.body = call.service.metrics().text(call.service.engine().stats(), call.service.connection_count());
  return response;
}

HttpResponse route_props(Call& call) {
  const Service& service = call.service;
  Engine& engine = call.service.engine();
  const EngineInfo& info = engine.info();
  OrderedJson params = sampling_json(service.options().defaults.sampling);
  params["n_predict"] = service.options().defaults.max_tokens;
  OrderedJson props = {
      {"default_generation_settings", {{"n_ctx", info.max_context}, {"params", std::move(params)}}},
      {"total_slots", info.max_sequences},
      {"model_alias", service.model_name()},
      {"model_path", info.model_name},
      {"chat_template", engine.chat_template() ? engine.chat_template()->family() : ""},
      {"modalities", {{"vision", false}, {"audio", false}}},
      {"build_info", "sambay"},
      {"isa", info.isa},
      {"n_threads", info.threads},
      {"planned_bytes", info.planned_bytes}};
  HttpResponse response;
  response.body = dump(props);
  return response;
}

}  // namespace sambay::server
