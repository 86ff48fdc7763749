#include "tools/model_work.h"

#include <algorithm>

#include "model/sambay.h"
#include "ops/ops.h"

namespace sambay {
namespace {

/// Whether every row of a step meets the tensor, or only those whose logits are wanted (SambaY::forward). Of
/// the layer with the shared keys and values, only these belong to the former.
bool meets_every_row(const TensorSpec& spec, int shared_layer) {
  if (spec.layer < 0) return false;  // the output head
  return spec.layer < shared_layer ||
         (spec.layer == shared_layer && (spec.role == Role::norm1 || spec.role == Role::norm1_bias));
}

void add_matrix(Work& work, DType type, int64_t rows, int64_t cols) {
  if (rows == 0) return;
  const PlacedBytes placed = cpu_placed_bytes(type, rows, cols);
  work.bytes += static_cast<double>(placed.bytes);
  (placed.is_copy ? work.int8 : work.f32) += static_cast<double>(rows * cols);
}

Work sum(const Work& a, const Work& b) { return {a.bytes + b.bytes, a.int8 + b.int8, a.f32 + b.f32}; }
Work times(const Work& a, double n) { return {a.bytes * n, a.int8 * n, a.f32 * n}; }

}  // namespace

ModelWork::ModelWork(const SambaYConfig& config, std::span<const TensorSpec> specs,
                     std::span<const DType> types)
    : cache_(sambay_cache_spec(config)), shared_readers_(config.layers / 4) {
  const int shared = config.layers / 2 + 1;
  for (size_t i = 0; i < specs.size(); i++) {
    const TensorSpec& spec = specs[i];
    Work& work = meets_every_row(spec, shared) ? every_row_ : logit_row_;
    if (!spec.is_matrix) {
      work.bytes += 4.0 * static_cast<double>(spec.element_count());
      continue;
    }
    const int64_t rows = spec.shape[0], cols = spec.shape[1];
    if (spec.role == Role::qkv && spec.layer == shared) {
      add_matrix(logit_row_, types[i], config.hidden, cols);
      add_matrix(every_row_, types[i], rows - config.hidden, cols);
    } else {
      add_matrix(work, types[i], rows, cols);
    }
  }
}

Result<ModelWork> ModelWork::of(const Checkpoint& checkpoint) {
  SAMBAY_TRY(const SambaYConfig config, load_sambay_config(checkpoint), "reading the configuration");
  const std::vector<TensorSpec> specs = sambay_tensors(config);
  SAMBAY_TRY(const std::vector<const TensorView*> views, match_tensors(checkpoint, specs), checkpoint.name());
  std::vector<DType> types;
  for (const TensorView* view : views) types.push_back(view->type);
  return ModelWork(config, specs, types);
}

Work ModelWork::decode_step(int sequences, double depth, DType kv) const {
  const Work row = sum(every_row_, logit_row_);
  Work step = times(row, sequences);
  double each = static_cast<double>(cache_.state_bytes);
  for (const KvGroup& group : cache_.kv) {
    const double seen = group.window > 0 ? std::min<double>(depth + 1, group.window) : depth + 1;
    const int readers = group.window > 0 ? 1 : shared_readers_;
    const KvLayout layout(group, kv);
    each += static_cast<double>(layout.page_bytes) / kPageTokens * seen * readers;
  }
  step.bytes = row.bytes + sequences * each;
  return step;
}

Work ModelWork::prefill(int tokens, int chunk) const {
  const int chunks = (tokens + chunk - 1) / chunk;
  Work all = sum(times(every_row_, tokens), logit_row_);
  all.bytes = chunks * (every_row_.bytes + static_cast<double>(cache_.state_bytes)) + logit_row_.bytes;
  return all;
}

}  // namespace sambay
