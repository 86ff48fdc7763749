// A folder for files that are needed for a moment.
#pragma once

#include <string>
#include <utility>

#include "sambay/error.h"

namespace sambay {

/// Removed with everything in it when the object goes. Move-only.
class ScratchFolder {
 public:
  /// In `folder` ("" = the current one). Errors: io.
  static Result<ScratchFolder> in(const std::string& folder);
  /// In the system's folder for temporary files (TMPDIR, else /tmp). Errors: io.
  static Result<ScratchFolder> temporary();
  ScratchFolder(ScratchFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  ScratchFolder& operator=(ScratchFolder&&) = delete;
  ~ScratchFolder();
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  ScratchFolder() = default;
  std::string path_;
};

}  // namespace sambay
