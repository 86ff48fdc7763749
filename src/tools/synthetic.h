// Models of the real shapes with random weights, made in memory: for benchmarks without gigabytes of
// downloads.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "formats/checkpoint.h"
#include "formats/gguf_writer.h"
#include "model/memory_plan.h"
#include "model/sambay_config.h"
#include "model/tensor_table.h"
#include "sambay/error.h"
#include "tensor/dtype.h"
#include "tensor/tensor.h"

namespace sambay {

/// What a model of these shapes would be made of: the tensors of the table in its order, and the size of
/// their GGUF. A matrix whose columns are no whole number of blocks is bf16.
struct SyntheticLayout {
  SyntheticLayout(const SambaYConfig& config, DType type);
  std::vector<TensorSpec> specs;
  std::vector<GgufTensor> tensors;
  GgufHeader header;
  ModelFootprint footprint;
};

/// A GGUF in anonymous memory that lives as long as the object. Values are of sane scale (activations neither
/// vanish nor explode) and made directly in the target type, every tensor its own bytes. A matrix whose
/// columns are no whole number of blocks is bf16.
class SyntheticModel {
 public:
  /// Errors: out_of_memory.
  static Result<SyntheticModel> create(const SambaYConfig& config, DType type, int threads);
  const Checkpoint& checkpoint() const { return *checkpoint_; }

 private:
  SyntheticModel() = default;
  Buffer memory_;
  std::unique_ptr<Checkpoint> checkpoint_;
};

}  // namespace sambay
