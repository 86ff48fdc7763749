#include "engine/cache_pools.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/check.h"

namespace sambay {

namespace {

// 2^28 pages are 17 billion positions; their numbers alone would take 2 GiB.
constexpr int64_t kMaxPages = int64_t{1} << 28;
constexpr int64_t kSlotAlignment = 64;

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

Result<CachePools> CachePools::create(const CacheSpec& spec, DType kv_type, int sequences, int positions,
                                      int max_step) {
  CachePools pools;
  pools.spec_ = spec;
  pools.slots_ = CountedPool(sequences);
  pools.memory_.slot_bytes = (spec.state_bytes + kSlotAlignment - 1) / kSlotAlignment * kSlotAlignment;
  pools.bytes_per_sequence_ = pools.memory_.slot_bytes;
  SAMBAY_TRY(pools.state_, reserve(pools.memory_.slot_bytes, sequences), "recurrent states");
  pools.memory_.slots = pools.state_.data();
  for (size_t g = 0; g < spec.kv.size(); g++) {
    const KvLayout layout(spec.kv[g], kv_type);
    int each = (positions - 1) / kPageTokens + 1;
    // The window of a step's first row up to its last row, wherever page borders fall.
    if (spec.kv[g].window > 0) each = std::min(each, (spec.kv[g].window + max_step) / kPageTokens + 2);
    SAMBAY_TRY(Buffer memory, reserve(layout.page_bytes, int64_t{each} * sequences),
               fmt::format("KV cache of {} sequences with {} tokens", sequences, positions));
    pools.memory_.pages[g] = memory.data();
    pools.page_memory_.push_back(std::move(memory));
    pools.pages_.emplace_back(each * sequences);
    pools.bytes_per_sequence_ += layout.page_bytes * each;
  }
  return pools;
}

bool CachePools::open(SequenceCache& cache) {
  cache.slot = slots_.take();
  cache.pages.assign(spec_.kv.size(), {});
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
  for (size_t g = 0; g < spec_.kv.size(); g++) {
    std::vector<PageId>& table = cache.pages[g];
    if (const int window = spec_.kv[g].window; window > 0) {
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
