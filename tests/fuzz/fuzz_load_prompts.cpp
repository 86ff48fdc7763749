// A file of prompts for `sambay bench serve`, and the URL of a server.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "loadgen/prompts.h"
#include "loadgen/url.h"

using namespace sambay;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto prompts = parse_prompts(text, "input")) {
    PromptOptions options;
    options.file = *prompts;
    const PromptSource source(std::move(options));
    for (uint64_t i = 0; i < prompts->size() && i < 4; i++)
      if (source.body(i, 0, {}, false).find("\n") != std::string::npos) std::abort();  // JSON in one line
  }
  // What goes into the head of a request must not end its lines.
  if (const auto url = parse_server_url(text))
    for (const std::string& part : {url->authority(), url->path})
      for (const char c : part)
        if (c <= ' ' || c >= 0x7f) std::abort();
  return 0;
}
