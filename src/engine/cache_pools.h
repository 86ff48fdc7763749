// The memory of all sequences: recurrent slots and KV pages, handed out by number and counted.
#pragma once

#include <cstdint>
#include <vector>

#include "model/cache_plan.h"
#include "ops/batch.h"
#include "sambay/error.h"
#include "tensor/kv_layout.h"
#include "tensor/tensor.h"

namespace sambay {

/// Numbers 0 to count - 1 with reference counts. Slots and pages are shared by holding a reference and are
/// not changed while more than one is held. One thread.
class CountedPool {
 public:
  explicit CountedPool(int count);
  /// -1 when none is free.
  int32_t take();
  void add_reference(int32_t id);
  void release(int32_t id);
  int reference_count(int32_t id) const { return references_[static_cast<size_t>(id)]; }
  int free_count() const { return static_cast<int>(free_.size()); }

 private:
  std::vector<int32_t> free_;
  std::vector<int> references_;
};

/// What one running sequence holds.
struct SequenceCache {
  SlotId slot = kZeroState;
  std::vector<std::vector<PageId>>
      pages;  ///< per group, by position / kPageTokens; kNoPage behind the window
};

/// What a plan says, reserved as address space: memory is used as contexts grow. One thread.
class CachePools {
 public:
  /// Errors: out_of_memory.
  static Result<CachePools> create(const CachePlan& plan);

  /// False when every slot is taken.
  bool open(SequenceCache& cache);
  void close(SequenceCache& cache);
  /// Makes room for positions [position, position + rows), and gives back pages that no later row can see.
  /// Cannot fail within what was reserved.
  void prepare(SequenceCache& cache, int position, int rows);

  const CacheMemory& memory() const { return memory_; }
  int64_t bytes_per_sequence() const { return plan_.bytes_per_sequence(); }
  int free_slots() const { return slots_.free_count(); }
  int free_pages(int group) const { return pages_[static_cast<size_t>(group)].free_count(); }

 private:
  CachePools() : slots_(0) {}
  CachePlan plan_;
  CacheMemory memory_;
  Buffer state_;
  std::vector<Buffer> page_memory_;
  CountedPool slots_;
  std::vector<CountedPool> pages_;
};

}  // namespace sambay
