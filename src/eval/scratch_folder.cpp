#include "eval/scratch_folder.h"

#include <fmt/core.h>
#include <stdlib.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace sambay {

Result<ScratchFolder> ScratchFolder::in(const std::string& folder) {
  std::string path = (std::filesystem::path(folder) / ".sambay-XXXXXX").string();
  if (::mkdtemp(path.data()) == nullptr)
    return fail(ErrorCode::io, fmt::format("{}: no folder can be made there: {}",
                                           folder.empty() ? "." : folder, std::strerror(errno)));
  ScratchFolder out;
  out.path_ = std::move(path);
  return out;
}

Result<ScratchFolder> ScratchFolder::temporary() {
  std::error_code error;
  const std::filesystem::path folder = std::filesystem::temp_directory_path(error);
  if (error) return fail(ErrorCode::io, fmt::format("no folder for temporary files: {}", error.message()));
  return in(folder.string());
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

}  // namespace sambay
