// A file that appears under its name complete or not at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "sambay/error.h"

namespace sambay {

/// Written under no name at all where the file system can (O_TMPFILE, so that even kill -9 leaves nothing),
/// else under a temporary name beside the target that the destructor removes. commit() syncs and renames.
/// Errors carry the target's path: io (disk full, permission), not_found (no such folder). Move-only, one
/// thread.
class AtomicFile {
 public:
  static Result<AtomicFile> create(const std::string& path);
  AtomicFile(AtomicFile&&) noexcept;
  AtomicFile& operator=(AtomicFile&&) noexcept;
  ~AtomicFile();

  Result<void> write(std::span<const std::byte> bytes);      ///< appends
  Result<void> write_at(int64_t offset, std::span<const std::byte> bytes);  ///< overwrites; does not move the end
  int64_t size() const { return size_; }
  /// A path under which the still unnamed file can be opened for verification before commit().
  std::string inspection_path() const;
  Result<void> commit();

 private:
  AtomicFile() = default;
  int fd_ = -1;
  int64_t size_ = 0;
  std::string path_, temporary_;  // temporary_ is empty with O_TMPFILE
};

}  // namespace sambay
