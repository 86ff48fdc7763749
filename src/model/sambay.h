// SambaY (Phi-4-mini-flash-reasoning): weights by role, and the forward pass. docs/model.md explains the
// architecture.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "model/model.h"
#include "model/sambay_config.h"
#include "model/tensor_table.h"

namespace sambay {

struct MambaWeights {
  Linear in_proj;  // [2 inner, hidden]: x, z
  ConvWeights conv;
  Linear x_proj;   // [dt_rank + 2 state, inner]: dt, B, C
  Linear dt_proj;  // [inner, dt_rank] with bias
  ScanWeights scan;
  Linear out_proj;  // [hidden, inner]
  MambaState state;
};

struct GmuWeights {
  Linear in_proj;   // [inner, hidden]
  Linear out_proj;  // [hidden, inner]
};

struct AttentionWeights {
  Linear q_proj;    // [hidden, hidden]
  Linear kv_proj;   // [2 kv_width, hidden]; cross layers have none
  Linear out_proj;  // [hidden, hidden]
  DiffWeights diff;
  KvLayer kv;  // where keys and values are: the layer's own, or the shared ones
};

struct SambaYLayer {
  Norm norm1, norm2;
  MambaWeights mamba;  // only the one of these that
  GmuWeights gmu;      // config.mixer(layer) says is filled
  AttentionWeights attention;
  Linear gate_up, down;  // [2 intermediate, hidden], [hidden, intermediate]
};

/// What a sequence costs.
CacheSpec sambay_cache_spec(const SambaYConfig& config);

/// Columns of a step's working memory, f32, one row for each row of the batch.
struct SambaYWidths {
  explicit SambaYWidths(const SambaYConfig& config);
  int64_t sum() const { return 3 * hidden + 2 * inner + wide + dbc; }
  int64_t hidden;  ///< x, h, y
  int64_t inner;   ///< memory, u
  int64_t wide;    ///< the widest of the intermediate results
  int64_t dbc;
};

class SambaY final : public Model {
 public:
  static Result<std::unique_ptr<Model>> load(const Checkpoint& checkpoint, Ops& ops,
                                             const ModelOptions& options);

  const ModelInfo& info() const override { return info_; }
  const CacheSpec& cache_spec() const override { return spec_; }
  void forward(const Batch& batch, const CacheMemory& memory, Rows<float> logits,
               const Probe* probe) override;
  std::vector<float> read_state(std::string_view name, int layer, const float* slot) const override;

 private:
  friend class SambaYLoader;

  /// Working memory of one step, [rows, width] each; grows to the largest step seen.
  struct Scratch {
    Buffer x, h, y, memory, wide, u, dbc;
    int64_t rows = 0;
    /// Errors: out_of_memory.
    Result<void> reserve(const SambaYWidths& widths, int64_t rows);
  };
  /// What the layers of one step share.
  struct Step {
    const Batch& batch;
    const CacheMemory& cache;
    RowIndex kept;  // batch rows that the tensors below hold; empty = all
    int64_t row_count;
    Rows<float> x, h, y;     // [row_count, hidden]: residual, normalized input, mixer output
    Rows<float> gmu_memory;  // [row_count, inner]
  };

  void set_kv_type(DType type);
  SambaY(const SambaYConfig& config, Ops& ops) : config_(config), ops_(ops) {}
  Step begin(const Batch& batch, const CacheMemory& cache);
  void mamba(int layer, Step& step);
  void gmu(int layer, Step& step);
  void write_kv(int layer, Step& step, const Probe* probe);
  void attend(int layer, Step& step);
  void mlp(int layer, Step& step);
  void keep_rows(Step& step);
  static Rows<float> view(const Buffer& buffer, const Step& step, int64_t width) {
    return {buffer.floats(), step.row_count, width};
  }

  SambaYConfig config_;
  Ops& ops_;
  ModelInfo info_;
  CacheSpec spec_;
  std::vector<KvLayout> layouts_;  // per KV group, for the current KV type
  Linear embedding_;               // [vocab, hidden]; also the output head
  Norm final_norm_;
  std::vector<SambaYLayer> layers_;
  std::vector<std::vector<float>> owned_;  // small weights as f32
  Scratch scratch_;
};

}  // namespace sambay
