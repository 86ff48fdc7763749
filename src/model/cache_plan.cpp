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
  return saturating_multiply(groups[group].layout.page_bytes, groups[group].shared_pages);
}

int64_t CachePlan::prefix_bytes() const {
  int64_t bytes = saturating_multiply(slot_bytes, prefix_slots);
  for (const Group& group : groups)
    bytes = saturating_add(bytes, saturating_multiply(group.layout.page_bytes, group.prefix_pages));
  return bytes;
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
    plan.groups.push_back({KvLayout(group, kv_type), static_cast<int>(pages), pages * sequences, 0});
  }
  return plan;
}

void share_positions(CachePlan& plan, int64_t positions) {
  for (CachePlan::Group& group : plan.groups) {
    if (group.layout.group.window > 0) continue;
    // Every sequence's last page is full on average by half.
    const int64_t pages = positions / kPageTokens + plan.sequences;
    group.shared_pages = std::clamp(pages, int64_t{plan.context_pages}, group.shared_pages);
  }
}

int window_pages(const KvGroup& group) { return (group.window - 2) / kPageTokens + 2; }

namespace {

int64_t snapshot_pages(const CachePlan& plan, const CachePlan::Group& group) {
  const KvGroup& g = group.layout.group;
  return std::min(g.window > 0 ? window_pages(g) : kSnapshotTokens / kPageTokens, plan.context_pages);
}

}  // namespace

int64_t snapshot_bytes(const CachePlan& plan, int64_t beside_bytes) {
  int64_t bytes = plan.slot_bytes + beside_bytes;
  for (const CachePlan::Group& group : plan.groups)
    bytes = saturating_add(bytes, saturating_multiply(group.layout.page_bytes, snapshot_pages(plan, group)));
  return bytes;
}

int add_prefix_cache(CachePlan& plan, int64_t bytes, int64_t beside_bytes) {
  constexpr int64_t kMostSnapshots = 1 << 16;
  const int64_t count = std::min(bytes / snapshot_bytes(plan, beside_bytes), kMostSnapshots);
  plan.prefix_slots = static_cast<int>(count);
  for (CachePlan::Group& group : plan.groups) group.prefix_pages = count * snapshot_pages(plan, group);
  return plan.prefix_slots;
}

}  // namespace sambay
