// A file that appears under its name complete or not at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "sambay/error.h"

namespace sambay {

/// For every command that writes a file, before it reads anything: an output that is also an input would be
/// lost. `option` names the output in the message; inputs that do not exist are nobody's. Errors:
/// invalid_argument when `output` and one of `inputs` lead to one file.
Result<void> refuse_output_over_input(const char* option, const std::string& output,
                                      std::span<const std::string> inputs);

/// Written under no name at all where the file system can (O_TMPFILE, so that even kill -9 leaves nothing),
/// else under a temporary name beside the target that the destructor removes. commit() syncs and renames.
/// Errors carry the target's path: io (disk full, permission, a target that is no regular file), not_found
/// (no such folder). Move-only, one thread.
class AtomicFile {
 public:
  /// allow_unnamed = false takes the fallback (".sambay-*.tmp"); for its test.
  static Result<AtomicFile> create(const std::string& path, bool allow_unnamed = true);
  AtomicFile(AtomicFile&&) noexcept;
  AtomicFile& operator=(AtomicFile&&) noexcept;
  ~AtomicFile();

  /// Appends.
  Result<void> write(std::span<const std::byte> bytes);
  /// Overwrites inside [0, size()); does not move the end. Reaching beyond it is an `internal` error.
  Result<void> write_at(int64_t offset, std::span<const std::byte> bytes);
  /// Makes the disk say now whether `bytes` in all will fit, where it can tell. The size stays.
  Result<void> reserve(int64_t bytes);
  int64_t size() const { return size_; }
  /// A path under which the still unnamed file can be opened for verification before commit().
  std::string inspection_path() const;
  /// The file appears under its name, replacing one that is there. Nothing may be called afterwards.
  Result<void> commit();

 private:
  AtomicFile() = default;
  Result<void> write_bytes(int64_t offset, std::span<const std::byte> bytes);
  Error failure(const char* what, int error) const;
  void discard() noexcept;
  int fd_ = -1;
  int64_t size_ = 0;
  std::string path_, temporary_;  // temporary_ is empty with O_TMPFILE
};

}  // namespace sambay
