#include "convert/encode.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

namespace sambay {
namespace {

constexpr int64_t kBlockElements = 16384;  // a multiple of every quantization block
constexpr int64_t kPieceBlocks = kPieceElements / kBlockElements;

int64_t first_not_finite(const float* values, int64_t count) {
  // Almost always none: a sum of zeros is quicker than a look at each.
  float sum = 0;
  for (int64_t i = 0; i < count; i++) sum += values[i] * 0.0f;
  if (sum == 0) return -1;
  for (int64_t i = 0; i < count; i++)
    if (!std::isfinite(values[i])) return i;
  return -1;
}

/// Of `count` elements from element `first` on.
const float* importance_of(std::span<const float> by_column, int64_t first, int64_t count,
                           std::vector<float>& out) {
  out.resize(static_cast<size_t>(count));
  const auto columns = static_cast<int64_t>(by_column.size());
  for (int64_t done = 0; done < count;) {
    const int64_t column = (first + done) % columns, length = std::min(columns - column, count - done);
    std::copy_n(by_column.data() + column, length, out.data() + done);
    done += length;
  }
  return out.data();
}

}  // namespace

PieceEncoder::PieceEncoder(int threads)
    : threads_(threads, false),
      blocks_(static_cast<size_t>(kPieceBlocks)),
      encoded_(static_cast<size_t>(kPieceElements) * sizeof(float)) {}

void PieceEncoder::encode_block(const Job& job, int64_t block, Scratch& scratch) {
  float *values = scratch.values.data(), *decoded = scratch.decoded.data();
  const int64_t offset = block * kBlockElements;
  const int64_t count = std::min(kBlockElements, job.count - offset);
  Block& found = blocks_[static_cast<size_t>(block)] = Block{};
  read_as_f32(job.tensor, job.transform, job.first + offset, count, values);
  if (const int64_t i = first_not_finite(values, count); i >= 0) {
    found.not_finite = job.first + offset + i;
    found.value = values[i];
    return;
  }
  if (job.copies()) return;
  const DTypeInfo& target = dtype_info(job.target);
  std::byte* out = encoded_.data() + dtype_bytes(job.target, offset);
  if (target.encode_weighted && !job.importance.empty())
    target.encode_weighted(values, out, count,
                           importance_of(job.importance, job.first + offset, count, scratch.importance));
  else
    target.encode(values, out, count);
  if (job.target == DType::f32) return;  // nothing is narrower
  target.decode(out, decoded, count);
  if (const int64_t i = first_not_finite(decoded, count); i >= 0) {
    found.out_of_range = job.first + offset + i;
    found.value = values[i];
    return;
  }
  for (int64_t i = 0; i < count; i++) {
    const double value = values[i], error = value - decoded[i];
    found.squared_error += error * error;
    found.squared_sum += value * value;
  }
}

Result<PieceEncoder::Outcome> PieceEncoder::encode(const TensorView& tensor, Transform transform,
                                                   DType target, int64_t first, int64_t count,
                                                   std::span<const float> importance) {
  const Job job{tensor, transform, target, first, count, importance};
  const int64_t block_count = (count + kBlockElements - 1) / kBlockElements;
  threads_.parallel_for(block_count, 1, [&](int64_t begin, int64_t end) {
    Scratch scratch{std::vector<float>(static_cast<size_t>(kBlockElements)),
                    std::vector<float>(static_cast<size_t>(kBlockElements)),
                    {}};
    for (int64_t b = begin; b < end; b++) encode_block(job, b, scratch);
  });
  Outcome outcome;
  for (int64_t b = 0; b < block_count; b++) {
    const Block& block = blocks_[static_cast<size_t>(b)];
    if (block.not_finite >= 0)
      return fail(ErrorCode::corrupt, fmt::format("tensor {}: element {} is {}{}; weights must be finite",
                                                  tensor.name, block.not_finite, block.value,
                                                  transform == Transform::neg_exp ? " (after -exp)" : ""));
    if (block.out_of_range >= 0)
      return fail(ErrorCode::unsupported,
                  fmt::format("tensor {}: element {} is {}, beyond the range of {}; choose another type",
                              tensor.name, block.out_of_range, block.value, dtype_info(target).name));
    outcome.squared_error += block.squared_error;
    outcome.squared_sum += block.squared_sum;
  }
  const auto bytes = static_cast<size_t>(dtype_bytes(target, count));
  outcome.bytes = job.copies() ? tensor.bytes.subspan(static_cast<size_t>(dtype_bytes(target, first)), bytes)
                               : std::span<const std::byte>(encoded_.data(), bytes);
  return outcome;
}

}  // namespace sambay
