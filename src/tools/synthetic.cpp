#include "tools/synthetic.h"

#include <fmt/core.h>

#include <cmath>
#include <cstring>

#include "base/half.h"
#include "base/thread_pool.h"

namespace sambay {
namespace {

/// SplitMix64 (Steele, Lea, Flood 2014): random bits from a counter, so any part can be made by any thread.
uint64_t mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}
/// Uniform in [-1, 1).
float uniform(uint64_t counter) {
  return static_cast<float>(static_cast<int32_t>(mix(counter * 0x9e3779b97f4a7c15u) >> 32)) * 0x1p-31f;
}

/// A matrix with elements of standard deviation 1 / sqrt(cols), so that products keep the size of their
/// input.
void fill_matrix(DType type, std::byte* to, int64_t first_row, int64_t rows, int64_t cols, uint64_t seed) {
  const float amplitude = std::sqrt(3.0f / static_cast<float>(cols));  // of a uniform distribution
  const int64_t row_bytes = dtype_bytes(type, cols);
  for (int64_t r = first_row; r < first_row + rows; r++) {
    std::byte* row = to + r * row_bytes;
    const uint64_t base = seed + static_cast<uint64_t>(r * cols);
    if (type == DType::q8_0) {  // random bytes are uniform quants already
      const uint16_t scale = f32_to_f16(amplitude / 127);
      for (int64_t b = 0; b < cols / 32; b++, row += 34) {
        std::memcpy(row, &scale, 2);
        for (uint64_t i = 0; i < 4; i++) {
          const uint64_t bits = mix((base + static_cast<uint64_t>(b) * 4 + i) * 0x9e3779b97f4a7c15u);
          std::memcpy(row + 2 + i * 8, &bits, 8);
        }
      }
      continue;
    }
    for (int64_t k = 0; k < cols; k++) {
      const float value = amplitude * uniform(base + static_cast<uint64_t>(k));
      dtype_info(type).encode(&value, row + k * dtype_info(type).block_bytes, 1);
    }
  }
}

/// Vectors and the like: what a trained model roughly has, so that states decay and norms are norms.
float small_value(Role role, int64_t index, int columns, uint64_t seed) {
  const float noise = uniform(seed + static_cast<uint64_t>(index));
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

}  // namespace

SyntheticLayout::SyntheticLayout(const SambaYConfig& config, DType type) : specs(sambay_tensors(config)) {
  std::vector<DType> types;
  for (const TensorSpec& spec : specs) {
    DType stored = DType::f32;
    if (spec.is_matrix) stored = spec.shape.back() % dtype_info(type).block_elems == 0 ? type : DType::bf16;
    tensors.push_back({spec.gguf_name, stored, spec.shape});
    types.push_back(stored);
  }
  header = make_gguf_header(sambay_config_to_gguf(config), tensors);
  footprint = model_footprint(config, specs, types, header.file_bytes);
}

Result<SyntheticModel> SyntheticModel::create(const SambaYConfig& config, DType type, int threads) {
  const SyntheticLayout layout(config, type);
  const auto& [specs, tensors, header, footprint] = layout;
  SyntheticModel model;
  SAMBAY_TRY(model.memory_, Buffer::allocate(header.file_bytes), "synthetic weights");
  std::memcpy(model.memory_.data(), header.bytes.data(), header.bytes.size());

  ThreadPool pool(threads > 0 ? threads : physical_core_count(), false);
  for (size_t i = 0; i < specs.size(); i++) {
    std::byte* to = model.memory_.data() + header.tensor_offsets[i];
    const uint64_t seed = static_cast<uint64_t>(i + 1) << 40;
    if (specs[i].is_matrix) {
      pool.parallel_for(specs[i].shape[0], 16, [&, i](int64_t first, int64_t last) {
        fill_matrix(layout.tensors[i].type, to, first, last - first, layout.specs[i].shape[1], seed);
      });
    } else {
      const int columns = static_cast<int>(specs[i].shape.back());
      for (int64_t k = 0; k < specs[i].element_count(); k++) {
        const float value = small_value(specs[i].role, k, columns, seed);
        std::memcpy(to + k * 4, &value, 4);
      }
    }
  }
  SAMBAY_TRY(Checkpoint checkpoint,
             Checkpoint::from_gguf_memory({model.memory_.data(), static_cast<size_t>(header.file_bytes)},
                                          "synthetic"),
             "synthetic model");
  model.checkpoint_ = std::make_unique<Checkpoint>(std::move(checkpoint));
  return model;
}

}  // namespace sambay
