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
    int pages = 0;             ///< of one sequence
    int64_t shared_pages = 0;  ///< of all sequences together
    int64_t prefix_pages = 0;  ///< of the prefix cache
    int64_t all_pages() const { return saturating_add(shared_pages, prefix_pages); }
  };
  int sequences = 0;
  int prefix_slots = 0;    ///< states that the prefix cache may keep
  int64_t slot_bytes = 0;  ///< of one recurrent state, aligned
  int context_pages = 0;   ///< that a whole context has
  std::vector<Group> groups;

  int all_slots() const { return sequences + prefix_slots; }
  /// Of the running sequences.
  int64_t state_bytes() const { return saturating_multiply(slot_bytes, sequences); }
  int64_t group_bytes(size_t group) const;
  /// Of the prefix cache, without what lies outside of slots and pages.
  int64_t prefix_bytes() const;
  int64_t bytes_per_sequence() const;
};

/// For `sequences` contexts of `positions` tokens (at least 1). A window group needs pages for its window and
/// one step of `max_step` rows only.
CachePlan plan_caches(const CacheSpec& spec, DType kv_type, int sequences, int positions, int max_step);

/// All sequences together keep `positions` tokens in groups without window, or one full context if that is
/// more; each may still be as long as before.
void share_positions(CachePlan& plan, int64_t positions);

/// Pages before the window's end that a state kept at some position needs.
int window_pages(const KvGroup& group);
/// What a kept state costs: slot, window, `beside_bytes` outside of them, and pages of its own for
/// kSnapshotTokens tokens.
int64_t snapshot_bytes(const CachePlan& plan, int64_t beside_bytes);
inline constexpr int kSnapshotTokens = 2048;
/// Adds slots and pages for as many of those as `bytes` allow. Returns how many these are.
int add_prefix_cache(CachePlan& plan, int64_t bytes, int64_t beside_bytes);

}  // namespace sambay
