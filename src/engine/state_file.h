// One format for the state of a sequence on disk: parked sequences, places that are saved, what the prefix
// cache has no room for. docs/file-format.md describes it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/atomic_file.h"
#include "engine/cache_pools.h"
#include "sambay/error.h"

namespace sambay {

inline constexpr uint32_t kStateFileVersion = 1;

/// What a file must agree with to be continued here.
struct StateShape {
  uint64_t model = 0;  ///< fingerprint of the model's file
  int vocab = 0;
  int max_tokens = 0;
  const CachePlan* plan = nullptr;
};

/// A whole state, wherever its bytes are. Its caches hold what `tokens` leave behind.
struct StateView {
  struct Pages {
    int first = 0;                     ///< page of the first one
    std::span<const std::byte> bytes;  ///< one after another up to the last position
  };
  std::vector<TokenId> tokens;
  std::vector<float> logits;  ///< of the last token, or none
  std::span<const std::byte> slot;
  std::array<Pages, kMaxKvGroups> pages;
};

/// Errors: corrupt (contradicts itself, a checksum is wrong, cut off), unsupported (no such file, another
/// version, model, KV type or shape, longer than the context). The view refers to `bytes`.
Result<StateView> parse_state(std::span<const std::byte> bytes, const StateShape& shape);

/// Writes what `cache` holds after `tokens`; the file is then complete, but not committed. What a page holds
/// behind the last position is not written. Errors: io.
Result<void> write_state(AtomicFile& file, const StateShape& shape, const CachePools& pools,
                         const SequenceCache& cache, std::span<const TokenId> tokens,
                         std::span<const float> logits);

/// What load_state() will take.
CacheNeed need_to_load(const CachePools& pools, int tokens);
/// Opens a cache and fills it. `view` was parsed for these pools; what it needs is there.
SequenceCache load_state(CachePools& pools, const StateView& view);

/// A state in a file without a name, gone with this object or the program.
class SpilledState {
 public:
  /// Errors: io (disk full, permission), not_found (no such folder).
  static Result<SpilledState> write(const std::string& folder, const StateShape& shape,
                                    const CachePools& pools, const SequenceCache& cache,
                                    std::span<const TokenId> tokens, std::span<const float> logits);
  int64_t bytes() const { return file_.size(); }
  /// Errors: io, corrupt (somebody changed the file).
  Result<SequenceCache> load(const StateShape& shape, CachePools& pools,
                             std::vector<float>* logits = nullptr) const;

 private:
  explicit SpilledState(AtomicFile file) : file_(std::move(file)) {}
  AtomicFile file_;
};

}  // namespace sambay
