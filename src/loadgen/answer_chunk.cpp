#include "loadgen/answer_chunk.h"

#include <limits>
#include <nlohmann/json.hpp>

#include "base/printable.h"

namespace sambay {
namespace {

using Json = nlohmann::json;

/// The member, or nullptr when it is absent, null, or `object` is no object.
const Json* member(const Json* object, const char* name) {
  if (!object || !object->is_object()) return nullptr;
  const auto found = object->find(name);
  return found == object->end() || found->is_null() ? nullptr : &*found;
}

std::string text_of(const Json* object, const char* name) {
  const Json* value = member(object, name);
  return value && value->is_string() ? value->get<std::string>() : std::string();
}

int count_of(const Json* object, const char* name) {
  const Json* value = member(object, name);
  if (!value || !value->is_number_unsigned()) return 0;
  const auto count = value->get<uint64_t>();
  return count > static_cast<uint64_t>(std::numeric_limits<int>::max()) ? 0 : static_cast<int>(count);
}

/// {"error": {"message": ...}}, or {"error": "..."}.
std::string error_of(const Json& chunk) {
  const Json* error = member(&chunk, "error");
  if (!error) return {};
  std::string message = error->is_string() ? error->get<std::string>() : text_of(error, "message");
  return message.empty() ? "an error without a message" : printable(message, 200);
}

void take_choice(const Json& choice, AnswerChunk& chunk) {
  chunk.is_last = chunk.is_last || member(&choice, "finish_reason");
  if (const Json* delta = member(&choice, "delta")) {
    const std::string content = text_of(delta, "content");
    chunk.content += content;
    chunk.has_output = chunk.has_output || !content.empty() || !text_of(delta, "reasoning_content").empty() ||
                       !text_of(delta, "reasoning").empty() || member(delta, "tool_calls");
  } else if (const Json* text = member(&choice, "text"); text && text->is_string()) {
    const auto content = text->get<std::string>();
    chunk.content += content;
    chunk.has_output = chunk.has_output || !content.empty() || !chunk.is_last;
  }
}

}  // namespace

Result<AnswerChunk> parse_answer_chunk(std::string_view json) {
  const Json parsed = Json::parse(json, nullptr, false);
  if (!parsed.is_object())
    return fail(ErrorCode::corrupt, "an event that is no JSON object: " + printable(json, 60));
  AnswerChunk chunk;
  chunk.error = error_of(parsed);
  if (const Json* choices = member(&parsed, "choices")) {
    if (!choices->is_array()) return fail(ErrorCode::corrupt, "an event whose \"choices\" are no list");
    for (const Json& choice : *choices) take_choice(choice, chunk);
  }
  if (const Json* usage = member(&parsed, "usage")) {
    chunk.usage = TokenCounts{count_of(usage, "prompt_tokens"),
                              count_of(member(usage, "prompt_tokens_details"), "cached_tokens"),
                              count_of(usage, "completion_tokens")};
  }
  return chunk;
}

Result<std::string> parse_model_list(std::string_view json) {
  const Json parsed = Json::parse(json, nullptr, false);
  const Json* data = parsed.is_object() ? member(&parsed, "data") : nullptr;
  const std::string id = data && data->is_array() && !data->empty() ? text_of(&data->front(), "id") : "";
  if (id.empty())
    return fail(ErrorCode::corrupt, "no list of models as /v1/models gives: name one with --model-name");
  return id;
}

}  // namespace sambay
