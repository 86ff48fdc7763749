// The memory of all sequences and of the prefix cache: recurrent slots and KV pages, handed out by number and
// counted.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "model/cache_plan.h"
#include "ops/batch.h"
#include "sambay/error.h"
#include "tensor/kv_layout.h"
#include "tensor/tensor.h"

namespace sambay {

/// Numbers 0 to count - 1 with reference counts. One thread.
class CountedPool {
 public:
  explicit CountedPool(int count);
  /// -1 when none is free.
  int32_t take();
  void add_reference(int32_t id);
  void release(int32_t id);
  int reference_count(int32_t id) const { return references_[static_cast<size_t>(id)]; }
  int free_count() const { return static_cast<int>(free_.size()); }
  int count() const { return static_cast<int>(references_.size()); }

 private:
  std::vector<int32_t> free_;
  std::vector<int> references_;
};

/// What one running sequence holds, or a kept state. A slot has one holder. Of several holders of a page only
/// the one that took it appends to it, behind what the others can see.
struct SequenceCache {
  SlotId slot = kZeroState;
  std::vector<std::vector<PageId>>
      pages;  ///< per group, by position / kPageTokens; kNoPage behind the window
};

/// Slots and pages that something needs.
struct CacheNeed {
  int slots = 0;
  std::array<int, kMaxKvGroups> pages{};
  CacheNeed& operator+=(const CacheNeed& o) {
    slots += o.slots;
    for (size_t g = 0; g < pages.size(); g++) pages[g] += o.pages[g];
    return *this;
  }
};

/// What a plan says, reserved as address space: memory is used as contexts grow. Functions that take slots or
/// pages are called when has() has said that they are there. One thread.
class CachePools {
 public:
  /// Errors: out_of_memory.
  static Result<CachePools> create(const CachePlan& plan);

  bool has(const CacheNeed& need) const;

  /// False when every slot is taken.
  bool open(SequenceCache& cache);
  void close(SequenceCache& cache);

  /// Gives back pages that no row from `position` on can see.
  void trim(SequenceCache& cache, int position);
  /// What extend() to `end` positions will take.
  CacheNeed need_to_extend(const SequenceCache& cache, int end) const;
  void extend(SequenceCache& cache, int end);
  /// The three in one, for who has all the room that was reserved.
  void prepare(SequenceCache& cache, int position, int rows);

  /// What fork() at `position` will take.
  CacheNeed need_to_fork(int position) const;
  /// A second sequence that goes on behind the first `position` tokens of `from`, whose state is in its slot.
  /// State and the page that is begun are copied, the other pages shared.
  SequenceCache fork(const SequenceCache& from, int position);
  /// References to the pages that continuing at `position` needs, and the slot `state`, which it takes over.
  SequenceCache keep(const SequenceCache& from, int position, SlotId state);

  SlotId take_slot() { return slots_.take(); }
  void copy_slot(SlotId from, SlotId to);

  const CachePlan& plan() const { return plan_; }
  const CacheMemory& memory() const { return memory_; }
  std::byte* slot(SlotId id) const { return memory_.slots + id * memory_.slot_bytes; }
  std::byte* page(size_t group, PageId id) const {
    return memory_.pages[group] + id * plan_.groups[group].layout.page_bytes;
  }
  /// The first page that rows from `position` on can see.
  int first_page(size_t group, int position) const;
  int64_t bytes_per_sequence() const { return plan_.bytes_per_sequence(); }
  int free_slots() const { return slots_.free_count(); }
  int slot_count() const { return slots_.count(); }
  int free_pages(int group) const { return pages_[static_cast<size_t>(group)].free_count(); }
  int page_references(size_t group, PageId id) const { return pages_[group].reference_count(id); }
  int page_count(int group) const { return pages_[static_cast<size_t>(group)].count(); }

 private:
  CachePools() : slots_(0) {}
  CachePlan plan_;
  CacheMemory memory_;
  Buffer state_;
  std::vector<Buffer> page_memory_;
  CountedPool slots_;
  std::vector<CountedPool> pages_;
};

inline int pages_for(int positions) { return (positions + kPageTokens - 1) / kPageTokens; }

}  // namespace sambay
