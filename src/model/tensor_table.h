// One table per architecture names its tensors; loader, converter, and size report walk the same table.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "formats/checkpoint.h"
#include "model/sambay_config.h"
#include "sambay/error.h"

namespace sambay {

/// What a tensor is, in our words; with the layer number it identifies it.
enum class Role {
  embedding,
  final_norm,
  final_norm_bias,
  norm1,
  norm1_bias,
  norm2,
  norm2_bias,
  gate_up,
  down,
  mamba_in,
  conv,
  conv_bias,
  x_proj,
  dt_proj,
  dt_bias,
  a,
  d,
  mamba_out,
  gmu_in,
  gmu_out,
  qkv,
  qkv_bias,  // layers with keys and values of their own
  q,
  q_bias,  // cross layers (Hugging Face name Wqkv all the same)
  attn_out,
  attn_out_bias,
  lambda_q1,
  lambda_k1,
  lambda_q2,
  lambda_k2,
  sub_norm,
};

/// What a report adds up under one name.
enum class TensorGroup { embedding, mlp, mamba, attention, gmu, norms };
inline constexpr int kTensorGroupCount = 6;
/// The norms of the residual stream only: the one inside attention counts as attention.
TensorGroup tensor_group(Role role);
const char* to_string(TensorGroup group);

/// What happens between the Hugging Face tensor and ours; a GGUF already holds ours.
enum class Transform {
  none,
  squeeze,  ///< drop dimensions of length 1 ([inner, 1, conv] -> [inner, conv])
  neg_exp,  ///< x -> -exp(x), kept f32 (A_log -> A)
};

struct TensorSpec {
  Role role;
  int layer;  ///< -1 for global tensors
  std::string hf_name, gguf_name;
  std::vector<int64_t> hf_shape;  ///< outermost first
  std::vector<int64_t> shape;     ///< after the transform; what a GGUF holds
  Transform transform;
  bool is_matrix;  ///< read by matmul or as embedding: may be stored in any weight type. Others are f32 in
                   ///< GGUF

  int64_t element_count() const;
};

/// In file order: global tensors first, then layer by layer. 434 entries for the real shapes.
std::vector<TensorSpec> sambay_tensors(const SambaYConfig& config);

/// The checkpoint's tensor for each spec, in the table's order. Checks that each is there with the right
/// shape and a type that its place allows, and that the checkpoint holds nothing else (an equal
/// lm_head.weight is accepted, an unequal one refused). Errors: not_found, corrupt, naming the tensor, what
/// it is and what it would have to be.
Result<std::vector<const TensorView*>> match_tensors(const Checkpoint& checkpoint,
                                                     const std::vector<TensorSpec>& specs);

/// Elements [first, first + count) of a tensor as f32 after its transform (transform is applied only for
/// hugging_face checkpoints). count and first must fall on block borders.
void read_as_f32(const TensorView& tensor, Transform transform, int64_t first, int64_t count, float* out);

}  // namespace sambay
