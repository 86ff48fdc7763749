// What stands around a body: request targets, queries, headers, hosts, origins, and a file of keys.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "server/api_keys.h"
#include "server/door.h"
#include "server/http_text.h"

using namespace sambay::server;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  // Lines: target, host, origin, headers ("name: value"); all of it is also a file of keys.
  HttpRequest request;
  std::string_view rest = text;
  for (int line_number = 0; !rest.empty(); line_number++) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line_number == 0 && split_target(line, request.path, request.query)) {
      if (request.path.empty() || (request.path[0] != '/' && request.path != "*")) std::abort();
      query_value(request.query, "action");
      percent_decoded(request.path);
    }
    if (line_number == 1) host_allowed(line, {});
    if (line_number == 2 && is_local_origin(line) &&
        !is_loopback_name(host_name(line.substr(line.find("//") + 2))))
      std::abort();
    const size_t colon = line.find(": ");
    if (line_number > 2 && colon != std::string_view::npos)
      request.headers.emplace_back(line.substr(0, colon), line.substr(colon + 2));
  }
  head_fault(request, 11);
  head_fault(request, 10);
  HttpResponse response;
  response.headers.emplace_back("x-echo", std::string(text));
  const std::string head = response_head(response, 0, 11, true, request_id(text));
  // Whatever a value holds, the head has its own lines and no more: status, six fields and the empty line.
  size_t lines = 0;
  for (const char c : head) lines += c == '\n';
  if (lines != 9 || !head.ends_with("\r\n\r\n")) std::abort();
  const auto keys = ApiKeys::parse(text, {});
  if (keys) keys->find(text);
  return 0;
}
