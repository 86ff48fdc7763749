#include "loadgen/url.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>

#include "base/printable.h"

namespace sambay {
namespace {

/// Letters, digits and what stands in host names and addresses: nothing that could end a header line.
bool is_host(std::string_view host, bool brackets) {
  return !host.empty() && std::all_of(host.begin(), host.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || (brackets && (c == ':' || c == '%'));
  });
}

bool is_path(std::string_view path) {
  return std::all_of(path.begin(), path.end(),
                     [](char c) { return c > ' ' && c < 0x7f && c != '?' && c != '#' && c != '@'; });
}

bool is_port(std::string_view port) {
  int number = 0;
  const auto [end, status] = std::from_chars(port.data(), port.data() + port.size(), number);
  return status == std::errc() && end == port.data() + port.size() && number >= 1 && number <= 65535;
}

}  // namespace

std::string ServerUrl::authority() const {
  const std::string name = host.find(':') == host.npos ? host : "[" + host + "]";
  return port == (tls ? "443" : "80") ? name : name + ":" + port;
}

Result<ServerUrl> parse_server_url(std::string_view text) {
  const auto wrong = [&](const char* what) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("--url {}: {}; expected http://HOST[:PORT][/PATH]", printable(text), what));
  };
  ServerUrl url;
  std::string_view rest = text;
  if (rest.starts_with("https://"))
    url.tls = true;
  else if (!rest.starts_with("http://"))
    return wrong("neither http:// nor https://");
  rest.remove_prefix(url.tls ? 8 : 7);
  const size_t slash = std::min(rest.find('/'), rest.size());
  std::string_view authority = rest.substr(0, slash), path = rest.substr(slash), port;
  const bool brackets = authority.starts_with('[');
  size_t host_end = brackets ? authority.find(']') : authority.find(':');
  if (brackets && host_end == authority.npos) return wrong("'[' without ']'");
  host_end = std::min(host_end, authority.size());
  const std::string_view host = authority.substr(brackets ? 1 : 0, host_end - (brackets ? 1 : 0));
  std::string_view behind = authority.substr(std::min(host_end + (brackets ? 1 : 0), authority.size()));
  if (!is_host(host, brackets)) return wrong("no host");
  if (!behind.empty()) {
    port = behind.substr(1);
    if (behind.front() != ':' || !is_port(port)) return wrong("no port from 1 to 65535");
  }
  if (!is_path(path)) return wrong("a path with characters that it cannot have");
  while (path.ends_with('/')) path.remove_suffix(1);
  if (path.ends_with("/v1")) path.remove_suffix(3);
  while (path.ends_with('/')) path.remove_suffix(1);
  url.host = host;
  url.port = port.empty() ? (url.tls ? "443" : "80") : port;
  url.path = path;
  return url;
}

}  // namespace sambay
