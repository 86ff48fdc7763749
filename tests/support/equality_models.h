// The d_calm golden model with its matrices in any type, as a GGUF written once per test program.
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
#include "support/golden.h"

namespace sambay::test {

/// Writes a checkpoint's tensors with every matrix in `type` where its columns allow it, else bf16. Not the
/// converter, which has tests of its own.
inline void write_gguf_of_type(const std::string& folder, DType type, const std::string& path) {
  const Checkpoint checkpoint = *Checkpoint::open(folder);
  const SambaYConfig config = *load_sambay_config(checkpoint);
  const std::vector<TensorSpec> specs = sambay_tensors(config);
  const std::vector<const TensorView*> views = *match_tensors(checkpoint, specs);
  std::vector<GgufTensor> tensors;
  for (const TensorSpec& spec : specs) {
    const bool fits = spec.shape.back() % dtype_info(type).block_elems == 0;
    tensors.push_back({spec.gguf_name, !spec.is_matrix ? DType::f32 : fits ? type : DType::bf16, spec.shape});
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

inline std::string model_of_type(DType type) {
  static std::map<DType, std::unique_ptr<TemporaryFile>> files;
  auto& file = files[type];
  if (!file) {
    file = std::make_unique<TemporaryFile>(std::string(dtype_info(type).name) + ".gguf");
    write_gguf_of_type(golden_path("d_calm_bf16"), type, file->path);
  }
  return file->path;
}

}  // namespace sambay::test
