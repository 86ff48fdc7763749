// Models of the real shapes with random weights, made in memory: for benchmarks without gigabytes of
// downloads.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "formats/checkpoint.h"
#include "formats/gguf_writer.h"
#include "model/memory_plan.h"
#include "model/sambay_config.h"
#include "model/tensor_table.h"
#include "model/type_mix.h"
#include "sambay/error.h"
#include "tensor/tensor.h"

namespace sambay {

/// What a model of these shapes would be made of: the tensors of the table in its order, typed as convert
/// would type them, and the size of their GGUF. A matrix that fits no block type of the mix is bf16.
struct SyntheticLayout {
  SyntheticLayout(const SambaYConfig& config, const TypeMix& mix);
  std::vector<TensorSpec> specs;
  std::vector<GgufTensor> tensors;
  GgufHeader header;
  ModelFootprint footprint;
};

/// A GGUF in anonymous memory that lives as long as the object. Values are of sane scale (activations neither
/// vanish nor explode) and every tensor has bytes of its own, drawn from a pool of encoded blocks.
class SyntheticModel {
 public:
  /// threads 0: one per physical core. Errors: out_of_memory.
  static Result<SyntheticModel> create(const SambaYConfig& config, const TypeMix& mix, int threads);
  const Checkpoint& checkpoint() const { return *checkpoint_; }
  /// All of it, to be opened once: what a load has placed elsewhere reads as zero afterwards.
  std::span<const std::byte> gguf() const { return {memory_.data(), static_cast<size_t>(file_bytes_)}; }

 private:
  SyntheticModel() = default;
  Buffer memory_;
  int64_t file_bytes_ = 0;
  std::unique_ptr<Checkpoint> checkpoint_;
};

}  // namespace sambay
