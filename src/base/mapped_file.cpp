#include "base/mapped_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <mutex>

namespace sambay {
namespace {

// What the signal handler may look at: lock-free words and bytes that are not freed. Mappings beyond the
// table work, but a fault in them is reported by the system only.
struct Slot {
  std::atomic<uintptr_t> begin = 0;  // 0 = free
  std::atomic<uintptr_t> end = 0;
  std::array<char, 512> path{};  // the tail of a longer one
};
static_assert(std::atomic<uintptr_t>::is_always_lock_free);

// More than the shards that one model may have (formats/safetensors.h: 1,000).
std::array<Slot, 1100> g_slots;
std::mutex g_slots_mutex;  // between writers; the handler does not take it

int register_mapping(std::span<const std::byte> bytes, std::string_view path) {
  const std::lock_guard lock(g_slots_mutex);
  for (size_t i = 0; i < g_slots.size(); i++) {
    Slot& slot = g_slots[i];
    if (slot.begin.load() != 0) continue;
    const std::string_view tail = path.substr(path.size() - std::min(path.size(), slot.path.size() - 1));
    std::memcpy(slot.path.data(), tail.data(), tail.size());
    slot.path[tail.size()] = '\0';
    slot.end.store(reinterpret_cast<uintptr_t>(bytes.data()) + bytes.size());
    slot.begin.store(reinterpret_cast<uintptr_t>(bytes.data()));  // last: makes the slot valid
    return static_cast<int>(i);
  }
  return -1;
}

void unregister_mapping(int slot) {
  if (slot >= 0) g_slots[static_cast<size_t>(slot)].begin.store(0);
}

void write_text(const char* text) {
  // Nothing can be done about a failing stderr in a handler that is about to leave.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text, std::strlen(text));
}

void on_bus_error(int signal_number, siginfo_t* info, void*) {
  const auto address = info->si_code > 0 ? reinterpret_cast<uintptr_t>(info->si_addr) : 0;
  for (const Slot& slot : g_slots) {
    const uintptr_t begin = slot.begin.load();
    // The last page reaches beyond the last byte, but a fault names an address inside the access.
    if (begin == 0 || address < begin || address >= slot.end.load()) continue;
    write_text("sambay: error: ");
    write_text(slot.path.data());
    write_text(": became shorter while in use; run again with a complete file that nobody writes to\n");
    ::_exit(3);
  }
  // Not ours: the access is repeated and meets the default action. A signal that somebody sent is not.
  ::signal(signal_number, SIG_DFL);
  if (info->si_code <= 0) ::raise(signal_number);
}

Error open_error(const std::string& path, int error) {
  // A file that may not be read is as good as missing: the input is at fault, not the disk.
  const bool missing = error == ENOENT || error == ENOTDIR || error == ENAMETOOLONG || error == ELOOP ||
                       error == EACCES || error == EPERM;
  return {missing ? ErrorCode::not_found : ErrorCode::io,
          fmt::format("{}: cannot be opened: {}", path, std::strerror(error))};
}

}  // namespace

Result<MappedFile> MappedFile::open(const std::string& path) {
  // Non-blocking: opening a pipe that nobody writes to would wait forever.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return tl::unexpected(open_error(path, errno));
  struct stat info{};
  if (::fstat(fd, &info) != 0) {
    Error error = open_error(path, errno);
    ::close(fd);
    return tl::unexpected(std::move(error));
  }
  if (!S_ISREG(info.st_mode)) {
    ::close(fd);
    if (S_ISDIR(info.st_mode))
      return fail(ErrorCode::not_found, fmt::format("{}: is a folder where a file is needed", path));
    return fail(ErrorCode::unsupported,
                fmt::format("{}: is not a regular file, so it cannot be mapped", path));
  }
  MappedFile file;
  file.path_ = path;
  if (info.st_size > 0) {
    const auto size = static_cast<size_t>(info.st_size);
    void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED) {
      const int error = errno;
      ::close(fd);
      return fail(ErrorCode::io, fmt::format("{}: its {} bytes cannot be mapped into memory: {}", path, size,
                                             std::strerror(error)));
    }
    file.data_ = {static_cast<const std::byte*>(data), size};
    file.slot_ = register_mapping(file.data_, path);
  }
  ::close(fd);
  return file;
}

MappedFile::~MappedFile() {
  unregister_mapping(slot_);
  if (data_.data() != nullptr) ::munmap(const_cast<std::byte*>(data_.data()), data_.size());
}

void install_mapping_fault_handler() {
  struct sigaction action{};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGBUS, &action, nullptr);
}

}  // namespace sambay
