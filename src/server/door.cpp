#include "server/door.h"

#include <algorithm>
#include <cctype>

namespace sambay::server {
namespace {

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

bool is_port(std::string_view text) {
  return text.empty() ||
         (text[0] == ':' && text.size() <= 6 &&
          std::all_of(text.begin() + 1, text.end(), [](unsigned char c) { return std::isdigit(c) != 0; }));
}

/// The part of an origin behind its scheme, "" for other schemes and "null".
std::string_view authority(std::string_view origin) {
  for (const std::string_view scheme : {"http://", "https://"})
    if (origin.starts_with(scheme)) return origin.substr(scheme.size());
  return {};
}

bool is_127(std::string_view name) {
  int dots = 0;
  for (const char c : name) {
    if (c == '.')
      dots++;
    else if (std::isdigit(static_cast<unsigned char>(c)) == 0)
      return false;
  }
  return dots == 3 && name.starts_with("127.");
}

}  // namespace

std::string_view host_name(std::string_view host) {
  if (host.starts_with('[')) {
    const size_t end = host.find(']');
    if (end == std::string_view::npos || !is_port(host.substr(end + 1))) return {};
    return host.substr(1, end - 1);
  }
  const size_t colon = std::min(host.find(':'), host.size());
  if (!is_port(host.substr(colon))) return {};
  return host.substr(0, colon);
}

bool is_loopback_name(std::string_view name) {
  constexpr std::string_view kSuffix = ".localhost";
  if (name == "::1" || is_127(name) || equal_ignoring_case(name, "localhost")) return true;
  return name.size() > kSuffix.size() &&
         equal_ignoring_case(name.substr(name.size() - kSuffix.size()), kSuffix);
}

bool is_local_origin(std::string_view origin) {
  const std::string_view host = authority(origin);
  return !host.empty() && is_loopback_name(host_name(host));
}

bool is_same_origin(std::string_view origin, std::string_view host) {
  const std::string_view of = authority(origin);
  return !of.empty() && equal_ignoring_case(of, host);
}

bool host_allowed(std::string_view host, std::span<const std::string> also) {
  const std::string_view name = host_name(host);
  if (is_loopback_name(name)) return true;
  return !name.empty() && std::any_of(also.begin(), also.end(),
                                      [&](const std::string& a) { return equal_ignoring_case(a, name); });
}

}  // namespace sambay::server
