// A model: what it is, what a sequence of it costs, and its forward pass.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "formats/checkpoint.h"
#include "ops/batch.h"
#include "ops/ops.h"
#include "sambay/error.h"
#include "tensor/kv_layout.h"
#include "tensor/tensor.h"

namespace sambay {

struct ModelInfo {
  std::string architecture;  ///< "phi4flash"
  int vocab = 0, hidden = 0, layers = 0, max_context = 0;
  int64_t parameter_count = 0;
  int64_t weight_bytes = 0;  ///< as resident
};

/// Called with intermediate results, for golden tests and `logits --hidden`: name as in the golden folders
/// without layer ("mixer_out", "layer_out", "embed", "final_norm", "gmu_memory", "shared_k", "shared_v"),
/// layer or -1, rows. The rows are valid during the call.
using Probe = std::function<void(std::string_view name, int layer, Rows<const float> rows)>;

/// One thread at a time. Weights stay in the checkpoint's mapping where they can: the checkpoint must outlive
/// the model.
class Model {
 public:
  virtual ~Model() = default;
  virtual const ModelInfo& info() const = 0;
  virtual const CacheSpec& cache_spec() const = 0;
  /// logits [logit_rows, vocab]; without data the head is left out, for who only wants the probe's rows.
  /// Writes keys and values of every row, and the state of every row that asks. Cannot fail: ids, pages and
  /// slots were checked by the caller. Allocates only when a batch is larger than every batch before it.
  virtual void forward(const Batch& batch, const CacheMemory& memory, Rows<float> logits,
                       const Probe* probe = nullptr) = 0;
  /// Copies one recurrent state out in the golden layout: `name` "conv_state" [inner, conv-1] or "ssm_state"
  /// [inner, state] of a layer; empty when the layer has none.
  virtual std::vector<float> read_state(std::string_view name, int layer, const float* slot) const = 0;
};

struct ModelOptions {
  DType kv_type = DType::f16;  ///< f32, f16 or q8_0; what CacheMemory's pages hold
  int step_rows = 0;           ///< memory for batches of this many rows is reserved at once; 0: as they come
};

/// Errors: unsupported (architecture), corrupt or not_found (first tensor that does not fit the table),
/// out_of_memory.
/// `checkpoint` and `ops` must outlive the model.
Result<std::unique_ptr<Model>> load_model(const Checkpoint& checkpoint, Ops& ops,
                                          const ModelOptions& options = {});

}  // namespace sambay
