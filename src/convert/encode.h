// A piece of a tensor from one element type to another, checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/thread_pool.h"
#include "model/tensor_table.h"
#include "sambay/error.h"

namespace sambay {

inline constexpr int64_t kPieceElements = int64_t{1} << 20;

/// Working memory for pieces of one tensor after another. One thread at a time.
class PieceEncoder {
 public:
  explicit PieceEncoder(int threads);

  struct Outcome {
    std::span<const std::byte> bytes;  ///< in the target type; valid until the next call
    double squared_error = 0;          ///< what rounding to the target type changed
    double squared_sum = 0;            ///< of the values, where the type changes; else 0
  };
  /// Elements [first, first + count), count at most kPieceElements and on a block border of both types.
  /// importance: of each column, or empty for equal ones. Bytes that keep their type are passed on untouched.
  /// The sums do not depend on the number of threads. Errors name the tensor and the first such element:
  /// corrupt (NaN or infinity), unsupported (not in the range of the target type).
  Result<Outcome> encode(const TensorView& tensor, Transform transform, DType target, int64_t first,
                         int64_t count, std::span<const float> importance = {});

 private:
  /// What one block of a piece found. A fixed block length keeps sums independent of the split.
  struct Block {
    int64_t not_finite = -1, out_of_range = -1;  // index in the tensor
    float value = 0;                             // of the element that is wrong
    double squared_error = 0, squared_sum = 0;
  };
  struct Job {
    const TensorView& tensor;
    Transform transform;
    DType target;
    int64_t first, count;
    std::span<const float> importance;
    bool copies() const { return tensor.type == target && transform != Transform::neg_exp; }
  };
  /// Working memory of one thread.
  struct Scratch {
    std::vector<float> values, decoded, importance;
  };
  void encode_block(const Job& job, int64_t block, Scratch& scratch);

  ThreadPool threads_;
  std::vector<Block> blocks_;
  std::vector<std::byte> encoded_;
};

}  // namespace sambay
