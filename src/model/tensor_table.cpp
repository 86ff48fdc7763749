#include "model/tensor_table.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <unordered_set>

#include "base/printable.h"

namespace sambay {
namespace {

const std::string& file_name(const TensorSpec& spec, CheckpointKind kind) {
  return kind == CheckpointKind::hugging_face ? spec.hf_name : spec.gguf_name;
}

/// Why the type cannot stand in its place; "" when it can.
std::string type_objection(const TensorView& view, bool is_matrix, CheckpointKind kind) {
  const bool quantized = dtype_info(view.type).is_block();
  const bool quantized_is_fine = is_matrix && kind == CheckpointKind::gguf;
  if (!dtype_info(view.type).is_weight || (quantized && !quantized_is_fine))
    return quantized_is_fine ? "expected a type that weights have" : "expected f32, f16 or bf16";
  if (quantized && (view.shape.empty() || view.shape.back() % dtype_info(view.type).block_elems != 0))
    return fmt::format("expected rows of whole blocks of {} for this type",
                       dtype_info(view.type).block_elems);
  return "";
}

Result<const TensorView*> match_one(const Checkpoint& checkpoint, const TensorSpec& spec) {
  const CheckpointKind kind = checkpoint.kind();
  const std::string& name = file_name(spec, kind);
  const std::vector<int64_t>& shape = kind == CheckpointKind::hugging_face ? spec.hf_shape : spec.shape;
  const TensorView* view = checkpoint.find(name);
  if (view == nullptr)
    return fail(ErrorCode::not_found, fmt::format("tensor {} is missing; expected one of shape [{}]", name,
                                                  fmt::join(shape, ", ")));
  if (view->shape != shape)
    return fail(ErrorCode::corrupt, fmt::format("tensor {} has shape [{}]; the configuration asks for [{}]",
                                                name, fmt::join(view->shape, ", "), fmt::join(shape, ", ")));
  if (const std::string objection = type_objection(*view, spec.is_matrix, kind); !objection.empty())
    return fail(ErrorCode::corrupt,
                fmt::format("tensor {} has type {}; {}", name, dtype_info(view->type).name, objection));
  return view;
}

/// Index of the first element that differs, -1 when none does. NaN equals NaN: that is `info --check`'s
/// affair.
int64_t first_difference(const TensorView& a, const TensorView& b) {
  if (a.type == b.type && a.bytes.size() == b.bytes.size() &&
      std::memcmp(a.bytes.data(), b.bytes.data(), a.bytes.size()) == 0)
    return -1;
  constexpr int64_t kPiece = 4096;  // a multiple of every block length
  float left[kPiece], right[kPiece];
  const int64_t count = a.element_count();
  for (int64_t first = 0; first < count; first += kPiece) {
    const int64_t n = std::min(kPiece, count - first);
    read_as_f32(a, Transform::none, first, n, left);
    read_as_f32(b, Transform::none, first, n, right);
    for (int64_t i = 0; i < n; i++)
      if (left[i] != right[i] && !(std::isnan(left[i]) && std::isnan(right[i]))) return first + i;
  }
  return -1;
}

/// A stored output head is accepted when it says the same as the embedding.
Result<void> check_head(const TensorView& head, const TensorView& embedding, CheckpointKind kind) {
  if (head.shape != embedding.shape)
    return fail(ErrorCode::corrupt,
                fmt::format("tensor {} has shape [{}]; expected that of the embedding, [{}]", head.name,
                            fmt::join(head.shape, ", "), fmt::join(embedding.shape, ", ")));
  if (const std::string objection = type_objection(head, true, kind); !objection.empty())
    return fail(ErrorCode::corrupt,
                fmt::format("tensor {} has type {}; {}", head.name, dtype_info(head.type).name, objection));
  if (const int64_t i = first_difference(head, embedding); i >= 0)
    return fail(ErrorCode::unsupported,
                fmt::format("tensor {} differs from {} at element {}; only models whose output head is the "
                            "embedding are computed",
                            head.name, embedding.name, i));
  return {};
}

}  // namespace

TensorGroup tensor_group(Role role) {
  switch (role) {
    case Role::embedding: return TensorGroup::embedding;
    case Role::final_norm:
    case Role::final_norm_bias:
    case Role::norm1:
    case Role::norm1_bias:
    case Role::norm2:
    case Role::norm2_bias: return TensorGroup::norms;
    case Role::gate_up:
    case Role::down: return TensorGroup::mlp;
    case Role::mamba_in:
    case Role::conv:
    case Role::conv_bias:
    case Role::x_proj:
    case Role::dt_proj:
    case Role::dt_bias:
    case Role::a:
    case Role::d:
    case Role::mamba_out: return TensorGroup::mamba;
    case Role::gmu_in:
    case Role::gmu_out: return TensorGroup::gmu;
    case Role::qkv:
    case Role::qkv_bias:
    case Role::q:
    case Role::q_bias:
    case Role::attn_out:
    case Role::attn_out_bias:
    case Role::lambda_q1:
    case Role::lambda_k1:
    case Role::lambda_q2:
    case Role::lambda_k2:
    case Role::sub_norm: break;
  }
  return TensorGroup::attention;
}

const char* to_string(TensorGroup group) {
  constexpr const char* kNames[kTensorGroupCount] = {"embedding", "mlp", "mamba",
                                                     "attention", "gmu", "norms"};
  return kNames[static_cast<size_t>(group)];
}

int64_t TensorSpec::element_count() const {
  int64_t count = 1;
  for (int64_t d : shape) count *= d;
  return count;
}

Result<std::vector<const TensorView*>> match_tensors(const Checkpoint& checkpoint,
                                                     const std::vector<TensorSpec>& specs) {
  const CheckpointKind kind = checkpoint.kind();
  std::vector<const TensorView*> views;
  views.reserve(specs.size());
  std::unordered_set<std::string_view> known;
  const TensorView* embedding = nullptr;
  for (const TensorSpec& spec : specs) {
    auto view = match_one(checkpoint, spec);
    if (!view) return tl::unexpected(std::move(view).error());
    views.push_back(*view);
    known.insert(file_name(spec, kind));
    if (spec.role == Role::embedding) embedding = *view;
  }
  const std::string_view head_name =
      kind == CheckpointKind::hugging_face ? "lm_head.weight" : "output.weight";
  for (const TensorView& view : checkpoint.tensors()) {
    if (known.contains(view.name)) continue;
    if (view.name != head_name || embedding == nullptr)
      return fail(ErrorCode::corrupt,
                  fmt::format("tensor {} is not part of this model; expected {} tensors, found {}",
                              printable(view.name), specs.size(), checkpoint.tensors().size()));
    SAMBAY_TRY_VOID(check_head(view, *embedding, kind));
  }
  return views;
}

void read_as_f32(const TensorView& tensor, Transform transform, int64_t first, int64_t count, float* out) {
  const DTypeInfo& info = dtype_info(tensor.type);
  info.decode(tensor.bytes.data() + dtype_bytes(tensor.type, first), out, count);
  if (transform != Transform::neg_exp) return;
  for (int64_t i = 0; i < count; i++)
    out[i] = static_cast<float>(-std::exp(static_cast<double>(out[i])));  // rounded once
}

}  // namespace sambay
