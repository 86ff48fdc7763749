#include "server/web_page.h"

#include <algorithm>
#include <array>
#include <utility>

namespace sambay::server {

const WebFile* find_web_file(std::string_view path) {
  const std::span<const WebFile> files = web_files();
  const auto found =
      std::find_if(files.begin(), files.end(), [&](const WebFile& f) { return f.path == path; });
  return found == files.end() ? nullptr : &*found;
}

std::string_view content_type_of(std::string_view path) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kTypes = {{
      {".js", "text/javascript; charset=utf-8"},
      {".css", "text/css; charset=utf-8"},
      {".html", "text/html; charset=utf-8"},
      {".svg", "image/svg+xml"},
      {".woff2", "font/woff2"},
      {".txt", "text/plain; charset=utf-8"},
      {"/", "text/html; charset=utf-8"},
  }};
  for (const auto& [end, type] : kTypes)
    if (path.ends_with(end)) return type;
  return "application/octet-stream";
}

}  // namespace sambay::server
