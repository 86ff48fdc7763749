// Several query pairs on one KV pair: a model with 6 query and 2 KV heads computes what the same model
// computes with its KV pair written out three times.
#include <gtest/gtest.h>

#include <numeric>
#include <string>
#include <vector>

#include "kernels/cpu/kernels.h"
#include "support/loaded_model.h"
#include "support/temp_folder.h"
#include "support/tiny_checkpoint.h"

namespace sambay {
namespace {

constexpr int kHeads = 6, kKvHeads = 2, kHeadDim = 8, kHidden = kHeads * kHeadDim;

test::TinyConfig tiny(int kv_heads) {
  test::TinyConfig config;
  return config.set("hidden_size", std::to_string(kHidden))
      .set("num_attention_heads", std::to_string(kHeads))
      .set("num_key_value_heads", std::to_string(kv_heads));
}

/// Rows [first, first + count) of a matrix with kHidden columns (or of a vector, with 1) of 4-byte values.
std::string rows(const test::TinyTensor& tensor, int first, int count) {
  const size_t row = tensor.shape.size() == 2 ? kHidden * 4 : 4;
  return tensor.bytes.substr(static_cast<size_t>(first) * row, static_cast<size_t>(count) * row);
}

/// K and V rows written out once for each query pair. Wqkv of cross layers has Q rows only.
void write_out_kv(test::TinyTensor& tensor) {
  constexpr int kKvRows = kKvHeads * kHeadDim;
  if (tensor.name.find("Wqkv") == std::string::npos || tensor.shape[0] == kHidden) return;
  std::string bytes = rows(tensor, 0, kHidden);
  for (int part : {kHidden, kHidden + kKvRows})
    for (int copy = 0; copy < kHeads / kKvHeads; copy++) bytes += rows(tensor, part, kKvRows);
  tensor.bytes = std::move(bytes);
  tensor.shape[0] = 3 * kHidden;
}

class GroupedHeads : public ::testing::TestWithParam<std::tuple<const CpuKernels*, DType>> {};

INSTANTIATE_TEST_SUITE_P(Isa, GroupedHeads,
                         ::testing::Combine(::testing::ValuesIn(compiled_kernels()),
                                            ::testing::Values(DType::f32, DType::f16, DType::q8_0)),
                         [](const auto& tested) {
                           return std::string(std::get<0>(tested.param)->name) + "_kv_" +
                                  dtype_info(std::get<1>(tested.param)).name;
                         });

TEST_P(GroupedHeads, EqualTheSameModelWithItsKvHeadsWrittenOut) {
  const auto& [kernels, kv] = GetParam();
  if (!kernels->supported()) GTEST_SKIP() << "this CPU does not have " << kernels->name;
  const test::TempFolder grouped_folder, full_folder;
  test::TinyCheckpoint checkpoint("F32", 7, tiny(kKvHeads));
  checkpoint.write(grouped_folder);
  checkpoint.config = tiny(kHeads);
  for (test::TinyTensor& tensor : checkpoint.tensors) write_out_kv(tensor);
  checkpoint.write(full_folder);

  const test::LoadedModel grouped(grouped_folder.path(), kernels->name, kv);
  const test::LoadedModel full(full_folder.path(), kernels->name, kv);
  std::vector<TokenId> ids(100);  // more than a page, and more than the window
  for (size_t i = 0; i < ids.size(); i++) ids[i] = static_cast<TokenId>(i * 7 % 40);
  const std::vector<float> expected = full.all_logits(ids, 4096);
  // Every output is the same sum in the same order, so the bits are the same.
  EXPECT_EQ(grouped.all_logits(ids, 4096), expected);
  EXPECT_EQ(grouped.all_logits(ids, 7), expected) << "in chunks";
}

}  // namespace
}  // namespace sambay
