#include "base/atomic_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/check.h"

namespace sambay {

namespace {

constexpr mode_t kMode = 0666;  // less the umask

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

/// A name beside `path` that no other file of this process has. Independent of the target's name, which may
/// be as long as a name can be.
std::string temporary_name(const std::string& path) {
  static std::atomic<unsigned> counter = 0;
  return fmt::format("{}/.sambay-{}-{}.tmp", folder_of(path), ::getpid(), counter++);
}

std::string descriptor_path(int fd) { return fmt::format("/proc/self/fd/{}", fd); }

}  // namespace

Result<void> refuse_output_over_input(const char* option, const std::string& output,
                                      std::span<const std::string> inputs) {
  for (const std::string& input : inputs) {
    std::error_code error;
    if (std::filesystem::equivalent(input, output, error) && !error)
      return fail(ErrorCode::invalid_argument,
                  fmt::format("{} {}: is what is read; choose another name", option, output));
  }
  return {};
}

Error AtomicFile::failure(const char* what, int error) const {
  if (error == ENOSPC || error == EDQUOT)
    return {ErrorCode::io, fmt::format("{}: {}: the disk is full ({}); free space or choose another place",
                                       path_, what, std::strerror(error))};
  if (error == EFBIG)
    return {ErrorCode::io, fmt::format("{}: {}: larger than the file system or the limit of this process "
                                       "(ulimit -f) allows",
                                       path_, what)};
  return {ErrorCode::io, fmt::format("{}: {}: {}", path_, what, std::strerror(error))};
}

Result<AtomicFile> AtomicFile::create(const std::string& path, bool allow_unnamed) {
  const std::string folder = folder_of(path);
  struct stat info{};
  if (path.empty()) return fail(ErrorCode::io, "a file name is needed to write to, and it is empty");
  if (::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode))
    return fail(ErrorCode::io, fmt::format("{}: is {}; give the name of a file to write", path,
                                           S_ISDIR(info.st_mode) ? "a folder" : "not a regular file"));
  if (::stat(folder.c_str(), &info) != 0 || !S_ISDIR(info.st_mode))
    return fail(ErrorCode::io,
                fmt::format("{}: there is no folder {} to write it to; make it first", path, folder));

  AtomicFile file;
  file.path_ = path;
  if (allow_unnamed) {
    file.fd_ = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, kMode);
    // Giving it a name later goes through /proc.
    if (file.fd_ >= 0 && ::access(descriptor_path(file.fd_).c_str(), F_OK) == 0) return file;
    file.discard();
  }
  // Not every file system has unnamed files. Other errors (permission, full) come again here.
  do {
    file.temporary_ = temporary_name(path);
    file.fd_ = ::open(file.temporary_.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, kMode);
  } while (file.fd_ < 0 && errno == EEXIST);  // left by a killed process of the same number
  if (file.fd_ < 0) {
    const int error = errno;
    file.temporary_.clear();
    return tl::unexpected(file.failure("cannot be created", error));
  }
  return file;
}

AtomicFile::AtomicFile(AtomicFile&& o) noexcept
    : fd_(std::exchange(o.fd_, -1)),
      size_(o.size_),
      path_(std::move(o.path_)),
      temporary_(std::exchange(o.temporary_, {})) {}

AtomicFile& AtomicFile::operator=(AtomicFile&& o) noexcept {
  std::swap(fd_, o.fd_);
  std::swap(size_, o.size_);
  std::swap(path_, o.path_);
  std::swap(temporary_, o.temporary_);
  return *this;
}

AtomicFile::~AtomicFile() { discard(); }

void AtomicFile::discard() noexcept {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
  temporary_.clear();
}

Result<void> AtomicFile::write_bytes(int64_t offset, std::span<const std::byte> bytes) {
  SAMBAY_CHECK(fd_ >= 0, "written to after commit");
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(fd_, bytes.data(), bytes.size(), offset);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return tl::unexpected(failure("cannot be written", written < 0 ? errno : EIO));
    bytes = bytes.subspan(static_cast<size_t>(written));
    offset += written;
  }
  return {};
}

Result<void> AtomicFile::write(std::span<const std::byte> bytes) {
  SAMBAY_TRY_VOID(write_bytes(size_, bytes));
  size_ += static_cast<int64_t>(bytes.size());
  return {};
}

Result<void> AtomicFile::write_at(int64_t offset, std::span<const std::byte> bytes) {
  if (offset < 0 || offset > size_ || bytes.size() > static_cast<size_t>(size_ - offset))
    return fail(ErrorCode::internal, fmt::format("{}: {} bytes at {} reach beyond the end at {}", path_,
                                                 bytes.size(), offset, size_));
  return write_bytes(offset, bytes);
}

Result<void> AtomicFile::reserve(int64_t bytes) {
  if (bytes <= size_) return {};
  int status;
  do {
    status = ::fallocate(fd_, FALLOC_FL_KEEP_SIZE, 0, bytes);
  } while (status != 0 && errno == EINTR);
  // Where the file system cannot reserve, the write that does not fit will say so.
  if (status != 0 && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG))
    return tl::unexpected(failure(fmt::format("{} bytes do not fit", bytes).c_str(), errno));
  return {};
}

std::string AtomicFile::inspection_path() const {
  return temporary_.empty() ? descriptor_path(fd_) : temporary_;
}

Result<void> AtomicFile::commit() {
  SAMBAY_CHECK(fd_ >= 0, "committed twice");
  if (::fsync(fd_) != 0) return tl::unexpected(failure("cannot be written to the disk", errno));
  if (temporary_.empty()) {
    // A new name can be given at once. A link never replaces a file, so an existing one is replaced by way of
    // a temporary name.
    const std::string unnamed = descriptor_path(fd_);
    std::string name = path_;
    int error = 0;
    while (::linkat(AT_FDCWD, unnamed.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) != 0) {
      error = errno;
      if (error != EEXIST) return tl::unexpected(failure("cannot be given its name", error));
      name = temporary_name(path_);
    }
    if (error == EEXIST) temporary_ = name;
  }
  if (!temporary_.empty() && ::rename(temporary_.c_str(), path_.c_str()) != 0)
    return tl::unexpected(failure("cannot be given its name", errno));
  temporary_.clear();
  // The name reaches the disk with its folder. Best effort: the file itself is safe by now.
  if (const int folder = ::open(folder_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); folder >= 0) {
    ::fsync(folder);
    ::close(folder);
  }
  discard();
  return {};
}

}  // namespace sambay
