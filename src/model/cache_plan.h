// How many state slots and KV pages a number of contexts needs: whoever allocates caches does it from this.
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/kv_layout.h"

namespace sambay {

/// a * b and a + b, at most 2^62: sizes that cannot be are large, not negative. For a, b >= 0.
int64_t saturating_multiply(int64_t a, int64_t b);
int64_t saturating_add(int64_t a, int64_t b);

struct CachePlan {
  struct Group {
    KvLayout layout;
    int pages = 0;  ///< of one sequence
  };
  int sequences = 0;
  int64_t slot_bytes = 0;  ///< of one recurrent state, aligned
  int context_pages = 0;   ///< that a whole context has
  std::vector<Group> groups;

  int64_t state_bytes() const { return saturating_multiply(slot_bytes, sequences); }
  int64_t group_bytes(size_t group) const;
  int64_t bytes_per_sequence() const;
};

/// For `sequences` contexts of `positions` tokens (at least 1). A window group needs pages for its window and
/// one step of `max_step` rows only.
CachePlan plan_caches(const CacheSpec& spec, DType kv_type, int sequences, int positions, int max_step);

}  // namespace sambay
