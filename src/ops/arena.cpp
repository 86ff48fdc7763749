#include "ops/arena.h"

#include <sys/mman.h>

#include <algorithm>

namespace sambay {
namespace {

constexpr int64_t kFirstPart = int64_t{16} << 20, kLargestPart = int64_t{1} << 30;
// Below this a half-used huge page at the end would be a noticeable share of the model.
constexpr int64_t kSmallestHugePart = int64_t{128} << 20;
constexpr int64_t kAlignment = 64;

}  // namespace

Result<std::byte*> Arena::take(int64_t bytes) {
  const int64_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  if (parts_.empty() || used_ + rounded > parts_.back().bytes()) {
    const int64_t next = parts_.empty() ? kFirstPart : std::min(kLargestPart, 2 * parts_.back().bytes());
    SAMBAY_TRY(Buffer part, Buffer::allocate(std::max(next, rounded)), "making room for weights");
    if (part.bytes() < kSmallestHugePart)
      ::madvise(part.data(), static_cast<size_t>(part.bytes()), MADV_NOHUGEPAGE);
    parts_.push_back(std::move(part));
    used_ = 0;
  }
  std::byte* const piece = parts_.back().data() + used_;
  used_ += rounded;
  return piece;
}

}  // namespace sambay
