#include "tools/synthetic.h"

#include <cmath>
#include <cstring>
#include <map>

#include "base/thread_pool.h"
#include "tools/random_blocks.h"

namespace sambay {
namespace {

/// Vectors and the like: what a trained model roughly has, so that states decay and norms are norms.
float small_value(Role role, int64_t index, int columns, uint64_t seed) {
  const float noise = random_uniform(seed + static_cast<uint64_t>(index));
  switch (role) {
    case Role::final_norm:
    case Role::norm1:
    case Role::norm2:
    case Role::sub_norm:
    case Role::d: return 1.0f;
    case Role::a: return -static_cast<float>(index % columns + 1);
    case Role::dt_bias: return -4.6f + noise;  // softplus gives about 0.01
    case Role::conv: return 0.5f * noise;
    default: return 0.05f * noise;
  }
}

/// A uniform distribution of standard deviation 1 / sqrt(cols): products keep the size of their input.
float matrix_amplitude(int64_t cols) { return std::sqrt(3.0f / static_cast<float>(cols)); }

class Filler {
 public:
  explicit Filler(int threads) : pool_(threads > 0 ? threads : physical_core_count(), false) {}

  void matrix(DType type, const TensorSpec& spec, uint64_t seed, std::byte* to) {
    const int64_t rows = spec.shape[0], cols = spec.shape[1];
    const RandomBlocks& blocks =
        pools_.try_emplace({type, cols}, type, matrix_amplitude(cols), pool_).first->second;
    const int64_t row_bytes = dtype_bytes(type, cols);
    const int64_t row_runs = (cols + blocks.run_elements() - 1) / blocks.run_elements();
    pool_.parallel_for(rows, 16, [&](int64_t first, int64_t last) {
      for (int64_t r = first; r < last; r++) blocks.fill(to + r * row_bytes, cols, seed, r * row_runs);
    });
  }

 private:
  ThreadPool pool_;
  std::map<std::pair<DType, int64_t>, RandomBlocks> pools_;
};

}  // namespace

SyntheticLayout::SyntheticLayout(const SambaYConfig& config, const TypeMix& mix)
    : specs(sambay_tensors(config)) {
  std::vector<DType> types;
  for (const TensorSpec& spec : specs) {
    const DType wanted = wanted_type(spec, config, mix, {});
    types.push_back(spec.is_matrix ? fitting_type(wanted, spec.shape.back(), DType::bf16) : wanted);
    tensors.push_back({spec.gguf_name, types.back(), spec.shape});
  }
  std::vector<GgufEntry> metadata = sambay_config_to_gguf(config);
  metadata.push_back({"general.file_type", mix.file_type});
  header = make_gguf_header(metadata, tensors);
  footprint = model_footprint(config, specs, types, header.file_bytes);
}

Result<SyntheticModel> SyntheticModel::create(const SambaYConfig& config, const TypeMix& mix, int threads) {
  const SyntheticLayout layout(config, mix);
  const GgufHeader& header = layout.header;
  SyntheticModel model;
  SAMBAY_TRY(model.memory_, Buffer::allocate(header.file_bytes), "synthetic weights");
  model.file_bytes_ = header.file_bytes;
  std::memcpy(model.memory_.data(), header.bytes.data(), header.bytes.size());

  Filler filler(threads);
  for (size_t i = 0; i < layout.specs.size(); i++) {
    const TensorSpec& spec = layout.specs[i];
    std::byte* to = model.memory_.data() + header.tensor_offsets[i];
    const uint64_t seed = static_cast<uint64_t>(i + 1) << 40;
    if (spec.is_matrix) {
      filler.matrix(layout.tensors[i].type, spec, seed, to);
      continue;
    }
    const int columns = static_cast<int>(spec.shape.back());
    for (int64_t k = 0; k < spec.element_count(); k++) {
      const float value = small_value(spec.role, k, columns, seed);
      std::memcpy(to + k * 4, &value, 4);
    }
  }
  SAMBAY_TRY(Checkpoint checkpoint,
             Checkpoint::from_gguf_memory({model.memory_.data(), static_cast<size_t>(header.file_bytes)},
                                          "synthetic", Storage::disposable),
             "synthetic model");
  model.checkpoint_ = std::make_unique<Checkpoint>(std::move(checkpoint));
  return model;
}

}  // namespace sambay
