// The routes, one file each; routes.cpp lists them.
#pragma once

#include "server/service.h"

namespace sambay::server {

HttpResponse route_chat_completions(Call& call);
HttpResponse route_input_tokens(Call& call);
HttpResponse route_completions(Call& call);
HttpResponse route_embeddings(Call& call);
HttpResponse route_models(Call& call);
HttpResponse route_model(Call& call);
HttpResponse route_llama_completion(Call& call);
HttpResponse route_tokenize(Call& call);
HttpResponse route_detokenize(Call& call);
HttpResponse route_apply_template(Call& call);
HttpResponse route_health(Call& call);
HttpResponse route_ready(Call& call);
HttpResponse route_metrics(Call& call);
HttpResponse route_props(Call& call);
HttpResponse route_slots(Call& call);
HttpResponse route_slot_action(Call& call);
HttpResponse route_not_yet(Call& call);  ///< what a later version will serve
HttpResponse route_page(Call& call);

}  // namespace sambay::server
