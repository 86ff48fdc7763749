// Memory for weights, one after another in large pages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "sambay/error.h"
#include "tensor/tensor.h"

namespace sambay {

/// Hands out pieces that live as long as it does. Address space is taken in growing parts, memory only where
/// it is touched, so that the matrices of a model share huge pages instead of each filling up its last one.
class Arena {
 public:
  /// 64-byte aligned. Errors: out_of_memory.
  Result<std::byte*> take(int64_t bytes);

 private:
  std::vector<Buffer> parts_;
  int64_t used_ = 0;  ///< of the last part
};

}  // namespace sambay
