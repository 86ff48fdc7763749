// Every name and shape of a SambaY checkpoint, once.
#include <fmt/core.h>

#include <cmath>

#include "model/tensor_table.h"

namespace sambay {
namespace {

using Shape = std::vector<int64_t>;

class TableBuilder {
 public:
  explicit TableBuilder(const SambaYConfig& config) : c_(config) {}

  std::vector<TensorSpec> build() {
    matrix(Role::embedding, "model.embed_tokens.weight", "token_embd.weight", {c_.vocab, c_.hidden});
    vector(Role::final_norm, "model.final_layernorm.weight", "output_norm.weight", c_.hidden);
    vector(Role::final_norm_bias, "model.final_layernorm.bias", "output_norm.bias", c_.hidden);
    for (layer_ = 0; layer_ < c_.layers; layer_++) {
      hf_ = fmt::format("model.layers.{}.", layer_);
      gguf_ = fmt::format("blk.{}.", layer_);
      norms();
      switch (c_.mixer(layer_)) {
        case Mixer::mamba:
        case Mixer::memory_mamba: mamba(); break;
        case Mixer::window_attention:
        case Mixer::shared_kv_attention:
        case Mixer::cross_attention: attention(c_.mixer(layer_) == Mixer::cross_attention); break;
        case Mixer::gmu: gmu(); break;
      }
      matrix(Role::gate_up, "mlp.fc1.weight", "ffn_up.weight", {2 * c_.intermediate, c_.hidden});
      matrix(Role::down, "mlp.fc2.weight", "ffn_down.weight", {c_.hidden, c_.intermediate});
    }
    return std::move(specs_);
  }

 private:
  void norms() {
    vector(Role::norm1, "input_layernorm.weight", "attn_norm.weight", c_.hidden);
    vector(Role::norm1_bias, "input_layernorm.bias", "attn_norm.bias", c_.hidden);
    vector(Role::norm2, "post_attention_layernorm.weight", "ffn_norm.weight", c_.hidden);
    vector(Role::norm2_bias, "post_attention_layernorm.bias", "ffn_norm.bias", c_.hidden);
  }

  void mamba() {
    const int64_t inner = c_.inner();
    matrix(Role::mamba_in, "attn.in_proj.weight", "ssm_in.weight", {2 * inner, c_.hidden});
    small(Role::conv, "attn.conv1d.weight", "ssm_conv1d.weight", {inner, 1, c_.conv}, {inner, c_.conv},
          Transform::squeeze);
    vector(Role::conv_bias, "attn.conv1d.bias", "ssm_conv1d.bias", inner);
    matrix(Role::x_proj, "attn.x_proj.weight", "ssm_x.weight", {c_.dt_rank + 2 * c_.state, inner});
    matrix(Role::dt_proj, "attn.dt_proj.weight", "ssm_dt.weight", {inner, c_.dt_rank});
    vector(Role::dt_bias, "attn.dt_proj.bias", "ssm_dt.bias", inner);
    small(Role::a, "attn.A_log", "ssm_a", {inner, c_.state}, {inner, c_.state}, Transform::neg_exp);
    vector(Role::d, "attn.D", "ssm_d", inner);
    matrix(Role::mamba_out, "attn.out_proj.weight", "ssm_out.weight", {c_.hidden, inner});
  }

  void gmu() {
    matrix(Role::gmu_in, "attn.in_proj.weight", "gmu_in.weight", {c_.inner(), c_.hidden});
    matrix(Role::gmu_out, "attn.out_proj.weight", "gmu_out.weight", {c_.hidden, c_.inner()});
  }

  void attention(bool cross) {
    if (cross) {
      matrix(Role::q, "attn.Wqkv.weight", "attn_q.weight", {c_.hidden, c_.hidden});
      vector(Role::q_bias, "attn.Wqkv.bias", "attn_q.bias", c_.hidden);
    } else {
      const int64_t rows = c_.hidden + 2 * c_.kv_width();
      matrix(Role::qkv, "attn.Wqkv.weight", "attn_qkv.weight", {rows, c_.hidden});
      vector(Role::qkv_bias, "attn.Wqkv.bias", "attn_qkv.bias", rows);
    }
    matrix(Role::attn_out, "attn.out_proj.weight", "attn_output.weight", {c_.hidden, c_.hidden});
    vector(Role::attn_out_bias, "attn.out_proj.bias", "attn_output.bias", c_.hidden);
    const std::string lambda = "attn.inner_cross_attn.lambda_";
    vector(Role::lambda_q1, lambda + "q1", "attn_lambda_q1", c_.head_dim());
    vector(Role::lambda_k1, lambda + "k1", "attn_lambda_k1", c_.head_dim());
    vector(Role::lambda_q2, lambda + "q2", "attn_lambda_q2", c_.head_dim());
    vector(Role::lambda_k2, lambda + "k2", "attn_lambda_k2", c_.head_dim());
    vector(Role::sub_norm, "attn.inner_cross_attn.subln.weight", "attn_sub_norm.weight", 2 * c_.head_dim());
  }

  void matrix(Role role, const std::string& hf, const std::string& gguf, const Shape& shape) {
    specs_.push_back({role, layer_, hf_ + hf, gguf_ + gguf, shape, shape, Transform::none, true});
  }
  void vector(Role role, const std::string& hf, const std::string& gguf, int64_t length) {
    small(role, hf, gguf, {length}, {length}, Transform::none);
  }
  void small(Role role, const std::string& hf, const std::string& gguf, const Shape& hf_shape,
             const Shape& shape, Transform transform) {
    specs_.push_back({role, layer_, hf_ + hf, gguf_ + gguf, hf_shape, shape, transform, false});
  }

  const SambaYConfig& c_;
  int layer_ = -1;
  std::string hf_, gguf_;  // in front of the layer's names
  std::vector<TensorSpec> specs_;
};

}  // namespace

std::vector<TensorSpec> sambay_tensors(const SambaYConfig& config) { return TableBuilder(config).build(); }

}  // namespace sambay
