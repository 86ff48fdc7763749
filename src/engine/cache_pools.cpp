#include "engine/cache_pools.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>

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
  pools.slots_ = CountedPool(plan.all_slots());
  pools.memory_.slot_bytes = plan.slot_bytes;
  SAMBAY_TRY(pools.state_, reserve(plan.slot_bytes, plan.all_slots()), "recurrent states");
  pools.memory_.slots = pools.state_.data();
  for (size_t g = 0; g < plan.groups.size(); g++) {
    const int64_t pages = plan.groups[g].all_pages();
    SAMBAY_TRY(
        Buffer memory, reserve(plan.groups[g].layout.page_bytes, pages),
        fmt::format("KV cache of {} sequences with {} pages each", plan.sequences, plan.groups[g].pages));
    pools.memory_.pages[g] = memory.data();
    pools.page_memory_.push_back(std::move(memory));
    pools.pages_.emplace_back(static_cast<int>(pages));
  }
  return pools;
}

bool CachePools::has(const CacheNeed& need) const {
  for (size_t g = 0; g < pages_.size(); g++)
    if (pages_[g].free_count() < need.pages[g]) return false;
  return slots_.free_count() >= need.slots;
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

int CachePools::first_page(size_t group, int position) const {
  const int window = plan_.groups[group].layout.group.window;
  return window > 0 ? std::max(0, position - window + 1) / kPageTokens : 0;
}

void CachePools::trim(SequenceCache& cache, int position) {
  for (size_t g = 0; g < cache.pages.size(); g++) {
    std::vector<PageId>& table = cache.pages[g];
    const auto end = std::min(static_cast<size_t>(first_page(g, position)), table.size());
    for (size_t i = end; i-- > 0 && table[i] != kNoPage;) {
      pages_[g].release(table[i]);
      table[i] = kNoPage;
    }
  }
}

CacheNeed CachePools::need_to_extend(const SequenceCache& cache, int end) const {
  CacheNeed need;
  for (size_t g = 0; g < cache.pages.size(); g++)
    need.pages[g] = std::max(0, pages_for(end) - static_cast<int>(cache.pages[g].size()));
  return need;
}

void CachePools::extend(SequenceCache& cache, int end) {
  for (size_t g = 0; g < cache.pages.size(); g++)
    while (static_cast<int>(cache.pages[g].size()) * kPageTokens < end) {
      const PageId page = pages_[g].take();
      SAMBAY_CHECK(page >= 0, fmt::format("KV group {}: no page left for {} positions", g, end));
      cache.pages[g].push_back(page);
    }
}

void CachePools::prepare(SequenceCache& cache, int position, int rows) {
  trim(cache, position);
  extend(cache, position + rows);
}

CacheNeed CachePools::need_to_fork(int position) const {
  CacheNeed need{1, {}};
  if (position % kPageTokens != 0)
    for (size_t g = 0; g < pages_.size(); g++) need.pages[g] = 1;
  return need;
}

SequenceCache CachePools::fork(const SequenceCache& from, int position) {
  const SlotId state = slots_.take();
  SAMBAY_CHECK(state >= 0, "no state left to fork into");
  copy_slot(from.slot, state);
  SequenceCache to = keep(from, position, state);
  if (position % kPageTokens == 0) return to;
  for (size_t g = 0; g < to.pages.size(); g++) {
    PageId& last = to.pages[g].back();
    const PageId own = pages_[g].take();
    SAMBAY_CHECK(own >= 0, fmt::format("KV group {}: no page left to fork into", g));
    std::memcpy(page(g, own), page(g, last), static_cast<size_t>(plan_.groups[g].layout.page_bytes));
    pages_[g].release(last);
    last = own;
  }
  return to;
}

SequenceCache CachePools::keep(const SequenceCache& from, int position, SlotId state) {
  SequenceCache kept;
  kept.slot = state;
  for (size_t g = 0; g < from.pages.size(); g++) {
    std::vector<PageId> table(from.pages[g].begin(), from.pages[g].begin() + pages_for(position));
    for (int i = 0; i < static_cast<int>(table.size()); i++) {
      PageId& id = table[static_cast<size_t>(i)];
      if (i < first_page(g, position)) id = kNoPage;
      if (id != kNoPage) pages_[g].add_reference(id);
    }
    kept.pages.push_back(std::move(table));
  }
  return kept;
}

void CachePools::copy_slot(SlotId from, SlotId to) {
  std::memcpy(slot(to), slot(from), static_cast<size_t>(plan_.slot_bytes));
}

}  // namespace sambay
