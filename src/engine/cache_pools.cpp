#include "engine/cache_pools.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/check.h"

namespace sambay {

namespace {

// 2^28 pages are 17 billion positions; their numbers alone would take 2 GiB.
constexpr int64_t kMaxPages = int64_t{1} << 28;

Result<Buffer> reserve(int64_t bytes_each, int64_t count) {
  int64_t bytes = 0;
  if (__builtin_mul_overflow(bytes_each, count, &bytes) || count > kMaxPages)
    return fail(ErrorCode::out_of_memory, fmt::format("cannot reserve {} times {} bytes", count, bytes_each));
  return Buffer::allocate(bytes);
}

}  // namespace

CountedPool::CountedPool(int count) : references_(static_cast<size_t>(count), 0) {
  for (int32_t id = count - 1; id >= 0; id--) free_.push_back(id);
}

int32_t CountedPool::take() {
  if (free_.empty()) return -1;
  const int32_t id = free_.back();
  free_.pop_back();
  references_[static_cast<size_t>(id)] = 1;
  return id;
}

void CountedPool::add_reference(int32_t id) {
  SAMBAY_CHECK(references_[static_cast<size_t>(id)] > 0, fmt::format("{} is free", id));
  references_[static_cast<size_t>(id)]++;
}

void CountedPool::release(int32_t id) {
  int& count = references_[static_cast<size_t>(id)];
  SAMBAY_CHECK(count > 0, fmt::format("{} is free", id));
  if (--count == 0) free_.push_back(id);
}

Result<CachePools> CachePools::create(const CachePlan& plan) {
  CachePools pools;
  pools.plan_ = plan;
  pools.slots_ = CountedPool(plan.sequences);
  pools.memory_.slot_bytes = plan.slot_bytes;
  SAMBAY_TRY(pools.state_, reserve(plan.slot_bytes, plan.sequences), "recurrent states");
  pools.memory_.slots = pools.state_.data();
  for (size_t g = 0; g < plan.groups.size(); g++) {
    const int64_t pages = int64_t{plan.groups[g].pages} * plan.sequences;
    SAMBAY_TRY(
        Buffer memory, reserve(plan.groups[g].layout.page_bytes, pages),
        fmt::format("KV cache of {} sequences with {} pages each", plan.sequences, plan.groups[g].pages));
    pools.memory_.pages[g] = memory.data();
    pools.page_memory_.push_back(std::move(memory));
    pools.pages_.emplace_back(static_cast<int>(pages));
  }
  return pools;
}

bool CachePools::open(SequenceCache& cache) {
  cache.slot = slots_.take();
  cache.pages.assign(plan_.groups.size(), {});
  return cache.slot >= 0;
}

void CachePools::close(SequenceCache& cache) {
  if (cache.slot >= 0) slots_.release(cache.slot);
  cache.slot = kZeroState;
  for (size_t g = 0; g < cache.pages.size(); g++)
    for (PageId page : cache.pages[g])
      if (page != kNoPage) pages_[g].release(page);
  cache.pages.clear();
}

void CachePools::prepare(SequenceCache& cache, int position, int rows) {
  for (size_t g = 0; g < plan_.groups.size(); g++) {
    std::vector<PageId>& table = cache.pages[g];
    if (const int window = plan_.groups[g].layout.group.window; window > 0) {
      const int first_seen = std::max(0, position - window + 1);
      for (size_t i = 0; i < static_cast<size_t>(first_seen / kPageTokens) && i < table.size(); i++)
        if (table[i] != kNoPage) {
          pages_[g].release(table[i]);
          table[i] = kNoPage;
        }
    }
    while (static_cast<int>(table.size()) * kPageTokens < position + rows) {
      const PageId page = pages_[g].take();
      SAMBAY_CHECK(page >= 0, fmt::format("KV group {}: no page left at position {}", g, position));
      table.push_back(page);
    }
  }
}

}  // namespace sambay
