#include "model/cache_plan.h"

#include <algorithm>

namespace sambay {
namespace {

constexpr int64_t kLargest = int64_t{1} << 62;
constexpr int64_t kSlotAlignment = 64;

}  // namespace

int64_t saturating_multiply(int64_t a, int64_t b) {
  int64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) ? kLargest : std::min(product, kLargest);
}

int64_t saturating_add(int64_t a, int64_t b) {
  int64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? kLargest : std::min(sum, kLargest);
}

int64_t CachePlan::group_bytes(size_t group) const {
  return saturating_multiply(saturating_multiply(groups[group].layout.page_bytes, groups[group].pages),
                             sequences);
}

int64_t CachePlan::bytes_per_sequence() const {
  int64_t bytes = slot_bytes;
  for (const Group& group : groups)
    bytes = saturating_add(bytes, saturating_multiply(group.layout.page_bytes, group.pages));
  return bytes;
}

CachePlan plan_caches(const CacheSpec& spec, DType kv_type, int sequences, int positions, int max_step) {
  CachePlan plan;
  plan.sequences = sequences;
  plan.slot_bytes = (spec.state_bytes + kSlotAlignment - 1) / kSlotAlignment * kSlotAlignment;
  plan.context_pages = (positions - 1) / kPageTokens + 1;
  for (const KvGroup& group : spec.kv) {
    int64_t pages = plan.context_pages;
    // The window of a step's first row up to its last row, wherever page borders fall.
    if (group.window > 0) pages = std::min(pages, (int64_t{group.window} + max_step) / kPageTokens + 2);
    plan.groups.push_back({KvLayout(group, kv_type), static_cast<int>(pages)});
  }
  return plan;
}

}  // namespace sambay
