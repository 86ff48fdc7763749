#include "tensor/tensor.h"

#include <fmt/core.h>
#include <sys/mman.h>

namespace sambay {

Result<Buffer> Buffer::allocate(int64_t bytes) {
  Buffer buffer;
  if (bytes <= 0) return buffer;
  // Anonymous mappings are zero and cost memory only where touched; MAP_NORESERVE lets pools be planned for
  // the longest context without the kernel counting it all at once.
  void* p = ::mmap(nullptr, static_cast<size_t>(bytes), PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED)
    return fail(ErrorCode::out_of_memory, fmt::format("cannot reserve {} bytes ({:.2f} GiB)", bytes,
                                                      static_cast<double>(bytes) / (1 << 30)));
  if (bytes >= int64_t{4} << 20) ::madvise(p, static_cast<size_t>(bytes), MADV_HUGEPAGE);
  buffer.data_ = static_cast<std::byte*>(p);
  buffer.bytes_ = bytes;
  return buffer;
}

Buffer::~Buffer() {
  if (data_) ::munmap(data_, static_cast<size_t>(bytes_));
}

}  // namespace sambay
