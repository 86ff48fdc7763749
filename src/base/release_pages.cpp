#include "base/release_pages.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>

namespace sambay {

void release_pages(std::span<const std::byte> bytes) {
  static const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto first = (reinterpret_cast<uintptr_t>(bytes.data()) + page - 1) / page * page;
  const auto last = (reinterpret_cast<uintptr_t>(bytes.data()) + bytes.size()) / page * page;
  if (first < last) ::madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}

}  // namespace sambay
