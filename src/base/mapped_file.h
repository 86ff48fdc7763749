// A whole file, mapped read-only.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <utility>

#include "sambay/error.h"

namespace sambay {

/// Move-only; unmapped on destruction. Views into bytes() die with it: whoever hands out tensor views keeps
/// the MappedFile. An empty file gives an empty span.
///
/// A file that is truncated by somebody else while mapped raises SIGBUS on the next access behind its new
/// end. install_mapping_fault_handler() turns that into one line on stderr and exit status 3.
class MappedFile {
 public:
  /// Errors: not_found (missing, a directory, not permitted), unsupported (no regular file), io (anything
  /// else); the message starts with the path.
  static Result<MappedFile> open(const std::string& path);
  MappedFile() = default;
  MappedFile(MappedFile&& o) noexcept
      : data_(std::exchange(o.data_, {})), path_(std::move(o.path_)), slot_(std::exchange(o.slot_, -1)) {}
  MappedFile& operator=(MappedFile&& o) noexcept {
    std::swap(data_, o.data_), std::swap(path_, o.path_), std::swap(slot_, o.slot_);
    return *this;
  }
  ~MappedFile();

  std::span<const std::byte> bytes() const { return data_; }
  const std::string& path() const { return path_; }

 private:
  std::span<const std::byte> data_;
  std::string path_;
  int slot_ = -1;  // in the table that the SIGBUS handler reads
};

/// For programs, not for the library: reports a fault inside a mapping as "sambay: error: PATH: became
/// shorter while in use; ..." and leaves with _exit(3). Faults elsewhere, and in more than 1,100 mappings at
/// once, go to the default action.
void install_mapping_fault_handler();

}  // namespace sambay
