// XXH3 (64 bits) of bytes that come in pieces: the checksum of files, and what finds the prefix cache's
// entries.
#pragma once

#include <xxhash.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>

namespace sambay {

/// One thread.
class RunningHash {
 public:
  explicit RunningHash(uint64_t seed = 0) : state_(XXH3_createState()) {
    if (!state_) throw std::bad_alloc();
    XXH3_64bits_reset_withSeed(state_.get(), seed);
  }
  void update(const void* data, size_t bytes) { XXH3_64bits_update(state_.get(), data, bytes); }
  void update(std::span<const std::byte> bytes) { update(bytes.data(), bytes.size()); }
  /// Of everything so far, what XXH3_64bits() gives of it in one piece; more may follow.
  uint64_t digest() const { return XXH3_64bits_digest(state_.get()); }

 private:
  struct Free {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };
  std::unique_ptr<XXH3_state_t, Free> state_;
};

}  // namespace sambay
