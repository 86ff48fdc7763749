#include "server/http_text.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>
#include <ctime>
#include <random>

namespace sambay::server {
namespace {

bool plain(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
  });
}

std::string http_date() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  constexpr std::array kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT", kDays[static_cast<size_t>(parts.tm_wday)],
                     parts.tm_mday, kMonths[static_cast<size_t>(parts.tm_mon)], parts.tm_year + 1900,
                     parts.tm_hour, parts.tm_min, parts.tm_sec);
}

std::string lower_case(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// A header that came from outside, or was made from something that did, must not become two.
void append_header(std::string& head, std::string_view name, std::string_view value) {
  head += name;
  head += ": ";
  for (const char c : value)
    if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) head += c;
  head += "\r\n";
}

}  // namespace

std::string_view HttpRequest::header(std::string_view name) const {
  for (const auto& [key, value] : headers)
    if (key == name) return value;
  return {};
}

int HttpRequest::header_count(std::string_view name) const {
  return static_cast<int>(
      std::count_if(headers.begin(), headers.end(), [&](const auto& h) { return h.first == name; }));
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200: return "OK";
    case 204: return "No Content";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    default: return "";
  }
}

bool split_target(std::string_view target, std::string& path, std::string& query) {
  if (std::any_of(target.begin(), target.end(),
                  [](unsigned char c) { return c <= 0x20 || c == 0x7f || c == '#'; }))
    return false;
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!target.starts_with(scheme)) continue;
    const size_t slash = target.find('/', scheme.size());
    target = slash == std::string_view::npos ? std::string_view("/") : target.substr(slash);
    break;
  }
  if (target != "*" && !target.starts_with('/')) return false;
  const size_t mark = target.find('?');
  path = target.substr(0, mark);
  query = mark == std::string_view::npos ? std::string_view() : target.substr(mark + 1);
  return true;
}

std::optional<HeadFault> head_fault(const HttpRequest& request, int version) {
  const int lengths = request.header_count("content-length");
  const int encodings = request.header_count("transfer-encoding");
  if (lengths > 1) return HeadFault{400, "more than one Content-Length"};
  if (lengths > 0 && encodings > 0) return HeadFault{400, "both Content-Length and Transfer-Encoding"};
  const std::string_view length = request.header("content-length");
  if (!std::all_of(length.begin(), length.end(), [](char c) { return c >= '0' && c <= '9'; }))
    return HeadFault{400, "Content-Length is not one number"};
  if (encodings > 1) return HeadFault{400, "more than one Transfer-Encoding"};
  if (encodings == 1) {
    if (version < 11) return HeadFault{400, "Transfer-Encoding needs HTTP/1.1"};
    if (lower_case(request.header("transfer-encoding")) != "chunked")
      return HeadFault{501, "of the transfer codings only 'chunked' is understood"};
  }
  const int hosts = request.header_count("host");
  if (hosts > 1) return HeadFault{400, "more than one Host"};
  if (hosts == 0 && version >= 11) return HeadFault{400, "no Host"};
  const std::string_view coding = request.header("content-encoding");
  if (!coding.empty() && coding != "identity")
    return HeadFault{415, "a body must come without Content-Encoding"};
  const std::string_view expect = request.header("expect");
  if (!expect.empty() && lower_case(expect) != "100-continue")
    return HeadFault{417, "of the expectations only '100-continue' is understood"};
  return std::nullopt;
}

std::string response_head(const HttpResponse& response, std::optional<size_t> body_bytes, int version,
                          bool keep_alive, std::string_view request_id) {
  std::string head = fmt::format("HTTP/1.1 {} {}\r\n", response.status, reason_phrase(response.status));
  append_header(head, "Date", http_date());
  if (response.status != 204 && response.status != 304) {
    append_header(head, "Content-Type", response.content_type);
    if (body_bytes)
      append_header(head, "Content-Length", std::to_string(*body_bytes));
    else if (version >= 11)
      append_header(head, "Transfer-Encoding", "chunked");
  }
  for (const auto& [name, value] : response.headers) append_header(head, name, value);
  if (!request_id.empty()) append_header(head, "x-request-id", request_id);
  append_header(head, "X-Content-Type-Options", "nosniff");
  append_header(head, "Connection", keep_alive ? "keep-alive" : "close");
  head += "\r\n";
  return head;
}

std::string request_id(std::string_view from_client) {
  if (!from_client.empty() && from_client.size() <= 128 && plain(from_client))
    return std::string(from_client);
  thread_local std::mt19937_64 random{std::random_device{}()};
  return fmt::format("req-{:016x}{:08x}", random(), static_cast<uint32_t>(random()));
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); i++) {
    const int high = text[i] == '%' && i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
    if (low >= 0) {
      out += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      out += text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

std::optional<std::string> query_value(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const size_t end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    const size_t equals = pair.find('=');
    if (percent_decoded(pair.substr(0, equals)) == name)
      return equals == std::string_view::npos ? std::string() : percent_decoded(pair.substr(equals + 1));
    if (end == std::string_view::npos) break;
    query.remove_prefix(end + 1);
  }
  return std::nullopt;
}

}  // namespace sambay::server
