// Bodies of requests: whatever they are, they are read or refused as the client's fault.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "server/openai_types.h"

namespace {

using namespace sambay::server;

template <class T>
void check(const Parsed<T>& parsed) {
  if (!parsed &&
      (parsed.error().status != 400 || parsed.error().message.empty() || to_json(parsed.error()).empty()))
    std::abort();
}

void check_fields(const GenerationFields& f) {
  const sambay::SamplingOptions& s = f.sampling;
  if (f.n < 1 || f.max_tokens < -1 || f.thinking_budget < -1 || !std::isfinite(s.temperature) ||
      s.temperature < 0 || !(s.top_p > 0 && s.top_p <= 1) || s.top_k < 0 || !(s.repeat_penalty > 0))
    std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  const RequestDefaults defaults;
  const auto chat = parse_chat_request(body, defaults);
  check(chat);
  if (chat) {
    check_fields(chat->common);
    if (chat->conversation.messages.empty() || chat->top_logprobs > sambay::kMaxTopLogprobs) std::abort();
  }
  const auto completion = parse_completion_request(body, defaults);
  check(completion);
  if (completion) {
    check_fields(completion->common);
    if (completion->prompts.empty()) std::abort();
  }
  const auto llama = parse_llama_completion_request(body, defaults);
  check(llama);
  if (llama) check_fields(llama->common);
  check(parse_embedding_request(body));
  check(parse_tokenize_request(body));
  check(parse_detokenize_request(body));
  check(parse_template_request(body, {}));
  const auto file = parse_slot_file_request(body);
  check(file);
  if (file && (file->find('/') != std::string::npos || file->front() == '.')) std::abort();
  return 0;
}
