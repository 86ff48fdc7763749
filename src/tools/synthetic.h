// Models of the real shapes with random weights, made in memory: for benchmarks without gigabytes of
// downloads.
#pragma once

#include <memory>
#include <string_view>

#include "formats/checkpoint.h"
#include "model/sambay_config.h"
#include "sambay/error.h"
#include "tensor/dtype.h"
#include "tensor/tensor.h"

namespace sambay {

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
