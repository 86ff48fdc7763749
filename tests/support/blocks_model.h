// The weights of the golden model e_blocks, which are made, not stored: the same as tests/golden/
// blocks_model.py makes, which says why.
#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"
#include "formats/tensor_view.h"
#include "model/sambay_config.h"
#include "model/tensor_table.h"
#include "support/golden.h"

namespace sambay::test {

struct BlocksTensor {
  std::vector<uint16_t> bits;  // bf16
  TensorView view;             // of them, in the Hugging Face shape
};

inline SambaYConfig blocks_config() {
  const MappedFile file = *MappedFile::open(golden_path("e_blocks/config.json"));
  const std::string_view json(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  return *parse_sambay_config(json, "e_blocks/config.json");
}

/// Mean and standard deviation by the end of a name; by_columns: that over the square root of the columns.
struct WeightStatistics {
  const char* ends_with;
  double mean, deviation;
  bool by_columns;
};
inline constexpr WeightStatistics kBlocksStatistics[] = {
    {"embed_tokens.weight", 0, 1.36, true},
    {"layernorm.weight", 1, 0.2, false},
    {"layernorm.bias", 0, 0.1, false},
    {"attn.in_proj.weight", 0, 1.3, true},
    {"attn.conv1d.weight", 0, 0.48, false},
    {"attn.conv1d.bias", 0, 0.2, false},
    {"attn.x_proj.weight", 0, 0.96, true},
    {"attn.dt_proj.weight", 0, 0.7, true},
    {"attn.dt_proj.bias", -2.6, 1.15, false},
    {"attn.A_log", 1.9, 0.75, false},
    {"attn.D", 1, 0.3, false},
    {"attn.Wqkv.weight", 0, 0.9, true},
    {"attn.Wqkv.bias", 0, 0.15, false},
    {"attn.inner_cross_attn.subln.weight", 1, 0.17, false},
    {"attn.out_proj.weight", 0, 0.19, true},
    {"attn.out_proj.bias", 0, 0.1, false},
    {"mlp.fc1.weight", 0, 1.2, true},
    {"mlp.fc2.weight", 0, 0.16, true},
    {"lambda_q1", 0, 0.11, false},
    {"lambda_k1", 0, 0.11, false},
    {"lambda_q2", 0, 0.11, false},
    {"lambda_k2", 0, 0.11, false},
};

inline std::vector<uint16_t> blocks_bits(const TensorSpec& spec) {
  const WeightStatistics* found = nullptr;
  for (const WeightStatistics& row : kBlocksStatistics)
    if (spec.hf_name.ends_with(row.ends_with)) found = &row;
  if (!found) ADD_FAILURE() << spec.hf_name;
  uint64_t seed = 0xcbf29ce484222325u;  // FNV-1a
  for (const char c : spec.hf_name) seed = (seed ^ static_cast<uint8_t>(c)) * 0x100000001b3u;
  const double scale = found->by_columns
                           ? found->deviation / std::sqrt(static_cast<double>(spec.hf_shape.back()))
                           : found->deviation;
  std::vector<uint16_t> bits(static_cast<size_t>(spec.element_count()));
  for (size_t i = 0; i < bits.size(); i++) {
    uint64_t z = (seed + i) * 0x9e3779b97f4a7c15u;  // SplitMix64
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    int64_t total = -2 * 0xffff;
    for (int k = 0; k < 4; k++) total += static_cast<int64_t>(z >> 16 * k & 0xffff);
    const auto value =
        static_cast<float>(found->mean + static_cast<double>(total) / 65536 * 1.7320508075688772 * scale);
    const auto as_bits = std::bit_cast<uint32_t>(value);
    bits[i] = static_cast<uint16_t>((as_bits + 0x7fff + (as_bits >> 16 & 1)) >> 16);
  }
  return bits;
}

/// In the order of sambay_tensors.
inline std::vector<BlocksTensor> blocks_tensors(const SambaYConfig& config) {
  std::vector<BlocksTensor> tensors;
  for (const TensorSpec& spec : sambay_tensors(config)) {
    tensors.push_back({blocks_bits(spec), {spec.hf_name, DType::bf16, spec.hf_shape, {}}});
    tensors.back().view.bytes = std::as_bytes(std::span(tensors.back().bits));
  }
  return tensors;
}

}  // namespace sambay::test
