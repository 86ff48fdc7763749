// How many bytes a forward pass must read and how many multiply-adds its matrices take.
#pragma once

#include <cstdint>
#include <span>

#include "model/sambay_config.h"
#include "model/tensor_table.h"
#include "sambay/error.h"
#include "tensor/dtype.h"
#include "tensor/kv_layout.h"

namespace sambay {

struct Work {
  double bytes = 0;
  double int8 = 0, f32 = 0;  ///< multiply-adds: with weights in panels, and with others
  double multiply_adds() const { return int8 + f32; }
};

/// Counted from shapes and types, with weights as the CPU's ops place them.
class ModelWork {
 public:
  ModelWork(const SambaYConfig& config, std::span<const TensorSpec> specs, std::span<const DType> types);
  /// Errors: those of the configuration and of match_tensors.
  static Result<ModelWork> of(const Checkpoint& checkpoint);

  /// One step that gives each of `sequences` a token behind `depth` others: all weights once; state, windows
  /// and the shared keys and values (by every layer that reads them) of each sequence.
  Work decode_step(int sequences, double depth, DType kv) const;
  /// A prompt in chunks, of which only the last token's logits are wanted. Bytes are those of the weights and
  /// the state, once per chunk: keys and values of a chunk come from the caches of the CPU.
  Work prefill(int tokens, int chunk) const;
  /// Of all matrices and vectors where the ops read them.
  double weight_bytes() const { return every_row_.bytes + logit_row_.bytes; }

 private:
  Work every_row_, logit_row_;  // multiply-adds of a row; bytes of all that it meets
  CacheSpec cache_;
  int shared_readers_;
};

}  // namespace sambay
