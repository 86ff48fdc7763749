// GET /v1/models and /v1/models/NAME
#include <fmt/core.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "server/http_text.h"
#include "server/json_text.h"
#include "server/routes.h"

namespace sambay::server {
namespace {

OrderedJson model_json(const Service& service, const EngineInfo& info) {
  std::vector<std::string> aliases = service.options().aliases;
  if (aliases.empty()) aliases.push_back(service.model_name());
  return {{"id", service.model_name()},
          {"aliases", std::move(aliases)},
          {"tags", service.options().tags},
          {"object", "model"},
          {"created", service.started_unix()},
          {"owned_by", "sambay"},
          {"max_model_len", info.max_context},
          {"meta",
           {{"n_vocab", info.vocab},
            {"n_ctx", info.max_context},
            {"n_ctx_train", info.model_context},
            {"n_embd", info.hidden},
            {"n_params", info.parameter_count},
            {"size", info.weight_bytes}}}};
}

}  // namespace

HttpResponse route_models(Call& call) {
  HttpResponse response;
  response.body =
      dump({{"object", "list"},
            {"data", OrderedJson::array({model_json(call.service, call.service.engine().info())})}});
  return response;
}

HttpResponse route_model(Call& call) {
  const std::string& path = call.request.path;
  const std::string name = percent_decoded(path.substr(path.find("models/") + 7));
  const std::vector<std::string>& aliases = call.service.options().aliases;
  if (name != call.service.model_name() && std::find(aliases.begin(), aliases.end(), name) == aliases.end())
    return to_response(
        {.status = 404,
         .message = fmt::format("there is no model of this name; there is '{}'", call.service.model_name()),
         .param = "model",
         .code = "model_not_found"});
  HttpResponse response;
  response.body = dump(model_json(call.service, call.service.engine().info()));
  return response;
}

}  // namespace sambay::server
