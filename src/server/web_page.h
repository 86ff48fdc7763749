// The files of the chat page, as they are in the program.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace sambay::server {

struct WebFile {
  std::string_view path;  ///< "/", "/ui/app.js"
  std::string_view bytes;
};

/// Empty in a build without src/server/ui.
std::span<const WebFile> web_files();
/// nullptr when there is none.
const WebFile* find_web_file(std::string_view path);
std::string_view content_type_of(std::string_view path);

}  // namespace sambay::server
