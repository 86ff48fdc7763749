// States kept at certain lengths of prompts that were read, found again by the hash of their tokens.
#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/cache_pools.h"
#include "engine/state_file.h"
#include "sambay/sambay.h"

namespace sambay {

/// A recurrent state cannot be cut back to a shorter prompt, so what can be found is decided when a prompt is
/// read: a state is kept at its end and at the lengths that snapshot_lengths() names. The least recently used
/// ones go, to disk where that is allowed. One thread.
class PrefixCache {
 public:
  using Tokens = std::shared_ptr<const std::vector<TokenId>>;
  /// Beginnings that have fewer tokens in common are not worth a state.
  static constexpr int kMinShared = 32;

  struct Entry {
    uint64_t id = 0;
    uint64_t owner = 0, hash = 0;
    Tokens tokens;  // the prompt that it was kept in; the state is that after the first `length`
    int length = 0;
    SequenceCache cache;                  // empty while spilled
    bool has_logits = false;              // of the last token
    std::vector<float> logits;            // empty while spilled
    std::optional<SpilledState> spilled;  // on disk
  };

  /// `limit` in bytes of slots, pages and logits in memory; 0: keeps nothing.
  PrefixCache(CachePools& pools, int64_t limit) : pools_(pools), limit_(limit) { start(); }
  /// What has to go is written to files in `folder`, `limit` bytes at most.
  void spill_to(std::string folder, int64_t limit, StateShape shape);
  bool enabled() const { return limit_ > 0; }

  struct Found {
    CacheResult result = CacheResult::first_seen;
    Entry* entry = nullptr;  ///< with `hit`: valid until something is inserted or evicted
    int shared = 0;          ///< tokens that some kept prompt has in common with this one
  };
  /// The longest kept beginning from which `prompt` can go on. A whole prompt counts when its logits were
  /// kept.
  Found find(uint64_t owner, std::span<const TokenId> prompt);

  /// Takes over `cache`, the state after the first `length` of `tokens`; logits: of the last one, or none.
  /// What it may keep it keeps by letting others go. The entry's id; 0 when it was not kept.
  uint64_t insert(uint64_t owner, Tokens tokens, int length, SequenceCache cache,
                  std::vector<float> logits = {});
  /// Frees the least recently used entry in memory. `keep` stays where it is, on disk too. False when there
  /// is none.
  bool evict_one(const Entry* keep = nullptr);
  /// Forgets the least recently used entry on disk. False when there is none.
  bool drop_from_disk();
  Entry* by_id(uint64_t id);
  void erase(uint64_t id);

  void touch(uint64_t id);
  /// Pages that evicting everything would free.
  int evictable_pages(size_t group) const;
  /// Whole pages of an entry that running sequences hold too: who continues from it needs no room for them.
  int pages_of_others(const Entry& entry, size_t group) const;

  int64_t bytes() const { return bytes_; }
  int64_t limit() const { return limit_; }
  int64_t spilled_bytes() const { return spilled_bytes_; }
  int size() const { return static_cast<int>(entries_.size()); }
  struct Counters {
    uint64_t stored = 0, evicted = 0, spilled = 0;
  };
  const Counters& counters() const { return counters_; }

 private:
  using Place = std::list<Entry>::iterator;

  void start();
  void account(const Entry& entry, int sign);
  bool spill(Entry& entry, const Entry* keep);
  void release(Place place);
  void forget(Place place, bool evicted);
  void remember_evicted(const Entry& entry);
  void count_length(int length, int change);

  CachePools& pools_;
  const int64_t limit_;
  std::string spill_folder_;
  int64_t spill_limit_ = 0, spilled_bytes_ = 0;
  StateShape shape_;

  std::list<Entry> entries_;  // the least recently used first
  std::unordered_map<uint64_t, Place> by_hash_, by_id_;
  std::map<int, int> lengths_;  // of entries and evicted ones: how many have it
  struct Evicted {
    uint64_t hash;
    int length;
  };
  std::deque<Evicted> evicted_;  // the last ones
  std::unordered_map<uint64_t, int> evicted_hashes_;
  std::vector<std::vector<int>> page_holders_;  // entries that hold a page, per group
  int64_t bytes_ = 0;
  uint64_t next_id_ = 1;
  Counters counters_;
};

/// Tokens that both begin with.
int common_length(std::span<const TokenId> a, std::span<const TokenId> b);

/// Hash of a prompt's beginning, with everything else that decides whether it may be found.
uint64_t prefix_hash(uint64_t owner, std::span<const TokenId> tokens);

/// Lengths above `from` and below the prompt's end at which a state is worth keeping: the request's marks,
/// where the prompt parts from another (`shared`), and every kSnapshotTokens. Ascending.
std::vector<int> snapshot_lengths(int from, int prompt_size, int shared, std::span<const int> marks);

}  // namespace sambay
