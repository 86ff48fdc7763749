// GET /slots, POST /slots/ID?action=save|restore|erase
#include <fmt/core.h>
#include <charconv>

#include "server/http_text.h"
#include "server/llama_settings.h"
#include "server/routes.h"

namespace sambay::server {
namespace {

HttpResponse off(const char* flag) {
  ApiError error{.status = 501, .type = "not_supported_error", .code = "not_enabled"};
  error.message = fmt::format("this endpoint is off; start the server with {}", flag);
  return to_response(error);
}

OrderedJson slot_json(const SlotInfo& slot, int context) {
  OrderedJson json = {{"id", slot.id},
                      {"n_ctx", context},
                      {"is_processing", slot.is_processing},
                      {"is_parked", slot.is_parked},
                      {"n_prompt_tokens", slot.prompt_tokens},
                      {"n_prompt_tokens_processed", slot.prompt_done},
                      {"n_remembered", slot.remembered},
                      {"next_token", OrderedJson::array({OrderedJson{{"n_decoded", slot.generated}}})}};
  if (!slot.is_processing) return json;
  json["params"] = sampling_json(slot.sampling);
  json["params"]["n_predict"] = slot.max_tokens;
  return json;
}

HttpResponse save_or_restore(Call& call, int id, bool save) {
  const std::string& folder = call.service.options().slot_save_path;
  if (folder.empty()) return off("--slot-save-path FOLDER");
  const auto file = parse_slot_file_request(call.request.body);
  if (!file) return to_response(file.error());
  Engine& engine = call.service.engine();
  const std::string path = folder + "/" + *file;
  const double started = monotonic_s();
  const Result<SlotFile> moved = save ? engine.save_slot(id, path, call.caller.key_id)
                                      : engine.restore_slot(id, path, call.caller.key_id);
  if (!moved) {
    ApiError error = from_engine(moved.error());
    // What runs there ends soon, but nothing here may be a 404: the path exists.
    if (error.status == 404) error.status = 400;
    return to_response(error);
  }
  const double ms = (monotonic_s() - started) * 1000;
  HttpResponse response;
  response.body = dump(save ? OrderedJson{{"id_slot", id},
                                          {"filename", *file},
                                          {"n_saved", moved->tokens},
                                          {"n_written", moved->bytes},
                                          {"timings", {{"save_ms", ms}}}}
                            : OrderedJson{{"id_slot", id},
                                          {"filename", *file},
                                          {"n_restored", moved->tokens},
                                          {"n_read", moved->bytes},
                                          {"timings", {{"restore_ms", ms}}}});
  return response;
}

}  // namespace

HttpResponse route_slots(Call& call) {
  if (!call.service.options().slots) return off("--slots");
  if (query_value(call.request.query, "fail_on_no_slot")) {
    bool free = false;
    for (const SlotInfo& slot : call.service.engine().slots()) free = free || !slot.is_processing;
    if (!free)
      return to_response(
          {.status = 503, .message = "no slot is free", .type = "unavailable_error", .code = "no_free_slot"});
  }
  OrderedJson list = OrderedJson::array();
  for (const SlotInfo& slot : call.service.engine().slots())
    list.push_back(slot_json(slot, call.service.engine().info().max_context));
  HttpResponse response;
  response.body = dump(list);
  return response;
}

HttpResponse route_slot_action(Call& call) {
  // As in llama-server, --no-slots hides what others do, which saving does not show.
  if (!call.service.options().slots && call.service.options().slot_save_path.empty()) return off("--slots");
  const std::string& path = call.request.path;
  const std::string number = path.substr(path.find("slots/") + 6);
  int id = -1;
  const auto [stop, status] = std::from_chars(number.data(), number.data() + number.size(), id);
  const int count = call.service.engine().info().max_sequences;
  if (status != std::errc() || stop != number.data() + number.size() || id < 0 || id >= count)
    return to_response(invalid_value("id_slot", fmt::format("slots are 0 to {}", count - 1)));
  const std::string action = query_value(call.request.query, "action").value_or("");
  if (action == "save" || action == "restore") return save_or_restore(call, id, action == "save");
  if (action != "erase")
    return to_response(invalid_value("action", "must be save, restore or erase, as ?action=save"));
  const Result<int> erased = call.service.engine().erase_slot(id, call.caller.key_id);
  if (!erased) return to_response(from_engine(erased.error()));
  HttpResponse response;
  response.body = dump({{"id_slot", id}, {"n_erased", *erased}});
  return response;
}

}  // namespace sambay::server
