// The golden models with their matrices in any type, as GGUF files written once per test program. Not by the
// converter, which has tests of its own.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "formats/checkpoint.h"
#include "formats/gguf_writer.h"
#include "model/sambay_config.h"
#include "model/tensor_table.h"
#include "model/type_mix.h"
#include "support/blocks_model.h"
#include "support/golden.h"

namespace sambay::test {

/// `views` in the order of the specs. A matrix whose rows do not fit the type that the mix wants becomes what
/// the converter would make of it.
inline void write_gguf(const SambaYConfig& config, const std::vector<const TensorView*>& views,
                       const TypeMix& mix, const std::string& path) {
  const std::vector<TensorSpec> specs = sambay_tensors(config);
  std::vector<GgufTensor> tensors;
  for (const TensorSpec& spec : specs) {
    const DType wanted = wanted_type(spec, config, mix, {});
    tensors.push_back({spec.gguf_name,
                       spec.is_matrix ? fitting_type(wanted, spec.shape.back(), DType::bf16) : wanted,
                       spec.shape});
  }
  GgufWriter writer = *GgufWriter::create(path, sambay_config_to_gguf(config), tensors);
  for (size_t i = 0; i < specs.size(); i++) {
    std::vector<float> values(static_cast<size_t>(specs[i].element_count()));
    read_as_f32(*views[i], specs[i].transform, 0, specs[i].element_count(), values.data());
    std::vector<std::byte> bytes(static_cast<size_t>(dtype_bytes(tensors[i].type, specs[i].element_count())));
    dtype_info(tensors[i].type).encode(values.data(), bytes.data(), specs[i].element_count());
    ASSERT_TRUE(writer.write(bytes));
  }
  ASSERT_TRUE(writer.commit());
}

/// Removed when the program ends.
struct TemporaryFile {
  std::string path;
  explicit TemporaryFile(const std::string& name)
      : path(::testing::TempDir() + "sambay-" + std::to_string(::getpid()) + "-" + name) {}
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() { ::unlink(path.c_str()); }
};

/// Of a mix that may be nobody's: every matrix in q4_0 is another model than `--type q4_0`.
inline std::string mix_key(const TypeMix& mix) {
  std::string key;
  for (const DType type : {mix.type, mix.head, mix.sensitive, mix.control})
    key += std::string(key.empty() ? "" : "-") + dtype_info(type).name;
  return key;
}

/// d_calm_bf16: rows of 128 and 256, so types with super-blocks of 256 reach few of its matrices.
inline std::string calm_model(const TypeMix& mix) {
  static std::map<std::string, std::unique_ptr<TemporaryFile>> files;
  auto& file = files[mix_key(mix)];
  if (!file) {
    file = std::make_unique<TemporaryFile>("calm-" + mix_key(mix) + ".gguf");
    const Checkpoint checkpoint = *Checkpoint::open(golden_path("d_calm_bf16"));
    const SambaYConfig config = *load_sambay_config(checkpoint);
    write_gguf(config, *match_tensors(checkpoint, sambay_tensors(config)), mix, file->path);
  }
  return file->path;
}

/// e_blocks: every matrix but those of the time steps has rows of whole super-blocks. is_small: of less than
/// half the size, for kernels that multiply one number at a time; there are no golden logits of it.
inline std::string blocks_model(const TypeMix& mix, bool is_small = false) {
  static std::map<std::string, std::unique_ptr<TemporaryFile>> files;
  const std::string name = (is_small ? "small-blocks-" : "blocks-") + mix_key(mix) + ".gguf";
  auto& file = files[name];
  if (!file) {
    file = std::make_unique<TemporaryFile>(name);
    SambaYConfig config = blocks_config();
    if (is_small) config.intermediate = 256, config.expand = 1, config.kv_heads = 2;
    const std::vector<BlocksTensor> tensors = blocks_tensors(config);
    std::vector<const TensorView*> views;
    for (const BlocksTensor& tensor : tensors) views.push_back(&tensor.view);
    write_gguf(config, views, mix, file->path);
  }
  return file->path;
}

}  // namespace sambay::test
