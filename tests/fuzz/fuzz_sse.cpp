// A stream of events from a server, in two pieces, and the chunks in it.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "loadgen/answer_chunk.h"
#include "loadgen/sse_parser.h"

using namespace sambay;

namespace {

std::vector<std::string> events_of(std::string_view text, size_t cut) {
  SseParser parser;
  std::vector<std::string> events;
  const auto keep = [&](std::string_view data) { events.emplace_back(data); };
  if (parser.push(text.substr(0, cut), keep) && !parser.push(text.substr(cut), keep)) std::abort();
  return events;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  const std::vector<std::string> events = events_of(text, text.size());
  if (events != events_of(text, data[0] % size)) std::abort();  // where pieces are cut makes no difference
  for (const std::string& event : events) {
    const auto chunk = parse_answer_chunk(event);
    if (chunk && chunk->usage && (chunk->usage->prompt < 0 || chunk->usage->completion < 0)) std::abort();
    parse_model_list(event);
  }
  return 0;
}
