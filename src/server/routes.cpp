#include "server/routes.h"

namespace sambay::server {

const std::vector<Route>& routes() {
  constexpr bool kOpen = false, kKey = true, kCounts = true, kQuick = true, kWorker = false;
  static const std::vector<Route> table = {
      {"POST", "/chat/completions", route_chat_completions, kKey, kCounts, kWorker},
      {"POST", "/chat/completions/input_tokens", route_input_tokens, kKey, kCounts, kWorker},
      {"POST", "/completions", route_completions, kKey, kCounts, kWorker},
      {"POST", "/embeddings", route_embeddings, kKey, kCounts, kWorker},
      {"POST", "/completion", route_llama_completion, kKey, kCounts, kWorker},
      {"GET", "/models", route_models, kOpen},
      {"GET", "/models/*", route_model, kOpen},
      {"POST", "/tokenize", route_tokenize, kKey, kCounts, kWorker},
      {"POST", "/detokenize", route_detokenize, kKey, kCounts, kWorker},
      {"POST", "/apply-template", route_apply_template, kKey, kCounts, kWorker},
      {"GET", "/health", route_health, kOpen},
      {"GET", "/ready", route_ready, kOpen},
      {"GET", "/metrics", route_metrics, kKey, false, kQuick},
      {"GET", "/props", route_props, kKey, false, kQuick},
      {"GET", "/slots", route_slots, kKey, false, kQuick},
      {"POST", "/slots/*", route_slot_action, kKey, kCounts, kWorker},
      {"POST", "/responses", route_not_yet},
      {"POST", "/messages", route_not_yet},
      {"POST", "/moderations", route_not_yet},
      {"POST", "/rerank", route_not_yet},
      {"POST", "/infill", route_not_yet},
      {"POST", "/api/chat", route_not_yet},
      {"POST", "/api/generate", route_not_yet},
      {"GET", "/", route_page, kOpen},
      {"GET", "/ui/*", route_page, kOpen},
  };
  return table;
}

HttpResponse route_not_yet(Call&) {
  return to_response({.status = 404,
                      .message = "this API is not served; there are /v1/chat/completions, /v1/completions, "
                                 "/v1/embeddings and /completion",
                      .code = "not_supported"});
}

}  // namespace sambay::server
