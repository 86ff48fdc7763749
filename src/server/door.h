// Who may talk to a server that listens on this machine alone: checks of Host and Origin. Pure functions.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace sambay::server {

/// "localhost:8080" -> "localhost", "[::1]:80" -> "::1"; "" when it is none.
std::string_view host_name(std::string_view host);
/// localhost, *.localhost, 127.0.0.0/8, ::1.
bool is_loopback_name(std::string_view name);
/// An origin of this machine: scheme http or https, a loopback name, any port.
bool is_local_origin(std::string_view origin);
/// Whether `origin` is where `host` (of the same request) is served from.
bool is_same_origin(std::string_view origin, std::string_view host);
/// Whether a server on loopback may answer for this Host: otherwise a page of anybody could reach it by
/// giving its own name this machine's address (DNS rebinding).
bool host_allowed(std::string_view host, std::span<const std::string> also);

}  // namespace sambay::server
