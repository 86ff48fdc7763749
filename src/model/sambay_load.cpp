// From a checkpoint to weights by role: matrices go where the ops want them, everything small becomes f32.
#include <fmt/core.h>

#include <cmath>
#include <utility>

#include "model/sambay.h"

namespace sambay {

class SambaYLoader {
 public:
  SambaYLoader(SambaY& model, const Checkpoint& checkpoint) : model_(model), checkpoint_(checkpoint) {}

  Result<void> load() {
    const SambaYConfig& config = model_.config_;
    const std::vector<TensorSpec> specs = sambay_tensors(config);
    SAMBAY_TRY(const std::vector<const TensorView*> views, match_tensors(checkpoint_, specs),
               checkpoint_.name());
    model_.spec_ = sambay_cache_spec(config);
    model_.layers_.resize(static_cast<size_t>(config.layers));
    for (SambaYLayer& layer : model_.layers_) layer.norm1.eps = layer.norm2.eps = config.norm_eps;
    model_.final_norm_.eps = config.norm_eps;
    for (size_t i = 0; i < specs.size(); i++) {
      place(specs[i], *views[i]);
      SAMBAY_TRY_VOID(std::move(placed_));
      model_.info_.parameter_count += specs[i].element_count();
      model_.info_.weight_bytes += static_cast<int64_t>(views[i]->bytes.size());
    }
    for (int i = 0; i < config.layers; i++) finish_layer(i);
    describe_model();
    return {};
  }

 private:
  void place(const TensorSpec& spec, const TensorView& view) {
    if (spec.layer < 0) return place_global(spec, view);
    SambaYLayer& l = model_.layers_[static_cast<size_t>(spec.layer)];
    const SambaYConfig& config = model_.config_;
    switch (spec.role) {
      case Role::norm1: l.norm1.weight = small(spec, view); break;
      case Role::norm1_bias: l.norm1.bias = small(spec, view); break;
      case Role::norm2: l.norm2.weight = small(spec, view); break;
      case Role::norm2_bias: l.norm2.bias = small(spec, view); break;
      case Role::gate_up: l.gate_up.weight = matrix(spec, view); break;
      case Role::down: l.down.weight = matrix(spec, view); break;
      case Role::mamba_in: l.mamba.in_proj.weight = matrix(spec, view); break;
      case Role::conv: l.mamba.conv.weight = transposed(spec, view, config.conv); break;
      case Role::conv_bias: l.mamba.conv.bias = small(spec, view); break;
      case Role::x_proj: l.mamba.x_proj.weight = matrix(spec, view); break;
      case Role::dt_proj: l.mamba.dt_proj.weight = matrix(spec, view); break;
      case Role::dt_bias: l.mamba.dt_proj.bias = small(spec, view); break;
      case Role::a: l.mamba.scan.a = transposed(spec, view, config.state); break;
      case Role::d: l.mamba.scan.d = small(spec, view); break;
      case Role::mamba_out: l.mamba.out_proj.weight = matrix(spec, view); break;
      case Role::gmu_in: l.gmu.in_proj.weight = matrix(spec, view); break;
      case Role::gmu_out: l.gmu.out_proj.weight = matrix(spec, view); break;
      case Role::q: l.attention.q_proj.weight = matrix(spec, view); break;
      case Role::q_bias: l.attention.q_proj.bias = small(spec, view); break;
      // Apart, since layer L/2+1 computes keys and values of all rows, queries of the kept ones.
      case Role::qkv:
        l.attention.q_proj.weight = matrix_rows(spec, view, 0, config.hidden);
        l.attention.kv_proj.weight = matrix_rows(spec, view, config.hidden, spec.shape[0]);
        break;
      case Role::qkv_bias:
        l.attention.q_proj.bias = small(spec, view);
        l.attention.kv_proj.bias = l.attention.q_proj.bias + config.hidden;
        break;
      case Role::attn_out: l.attention.out_proj.weight = matrix(spec, view); break;
      case Role::attn_out_bias: l.attention.out_proj.bias = small(spec, view); break;
      case Role::lambda_q1: lambda_q1_ = small(spec, view); break;
      case Role::lambda_k1: lambda_k1_ = small(spec, view); break;
      case Role::lambda_q2: lambda_q2_ = small(spec, view); break;
      case Role::lambda_k2: set_lambda(spec.layer, small(spec, view)); break;
      case Role::sub_norm: l.attention.diff.sub_norm = small(spec, view); break;
      case Role::embedding:
      case Role::final_norm:
      case Role::final_norm_bias: break;
    }
  }

  void place_global(const TensorSpec& spec, const TensorView& view) {
    if (spec.role == Role::embedding) model_.embedding_.weight = matrix(spec, view);
    if (spec.role == Role::final_norm) model_.final_norm_.weight = small(spec, view);
    if (spec.role == Role::final_norm_bias) model_.final_norm_.bias = small(spec, view);
  }

  Weight matrix(const TensorSpec& spec, const TensorView& view) {
    return matrix_rows(spec, view, 0, spec.shape[0]);
  }
  /// Rows [first, last) of a matrix, as one of their own.
  Weight matrix_rows(const TensorSpec& spec, const TensorView& view, int64_t first, int64_t last) {
    const Weight stored = {view.type, view.bytes.data(), spec.shape[0], spec.shape[1]};
    const Weight part = stored.row_range(first, last - first);
    const Result<Weight> placed = model_.ops_.place(part);
    if (!placed) {
      placed_ = tl::unexpected(placed.error());
      return {};
    }
    if (placed->data != part.data)
      checkpoint_.let_go({part.data, static_cast<size_t>(part.rows * part.row_bytes())});
    return *placed;
  }

  const float* small(const TensorSpec& spec, const TensorView& view) {
    std::vector<float>& values = model_.owned_.emplace_back(static_cast<size_t>(spec.element_count()));
    const Transform transform =
        checkpoint_.kind() == CheckpointKind::hugging_face ? spec.transform : Transform::none;
    read_as_f32(view, transform, 0, spec.element_count(), values.data());
    return values.data();
  }

  /// [channels, cols] -> [cols, channels], so that vector lanes run along channels.
  const float* transposed(const TensorSpec& spec, const TensorView& view, int cols) {
    const float* from = small(spec, view);
    const int64_t channels = spec.element_count() / cols;
    std::vector<float> turned(static_cast<size_t>(spec.element_count()));
    for (int64_t c = 0; c < channels; c++)
      for (int n = 0; n < cols; n++) turned[static_cast<size_t>(n * channels + c)] = from[c * cols + n];
    model_.owned_.back() = std::move(turned);
    return model_.owned_.back().data();
  }

  /// lambda = exp(q1 . k1) - exp(q2 . k2) + lambda_init. The table lists k2 last.
  void set_lambda(int layer, const float* lambda_k2) {
    double dot1 = 0, dot2 = 0;
    for (int i = 0; i < model_.config_.head_dim(); i++) {
      dot1 += static_cast<double>(lambda_q1_[i]) * lambda_k1_[i];
      dot2 += static_cast<double>(lambda_q2_[i]) * lambda_k2[i];
    }
    const double init = SambaYConfig::lambda_init(layer);
    DiffWeights& diff = model_.layers_[static_cast<size_t>(layer)].attention.diff;
    diff.lambda = static_cast<float>(std::exp(dot1) - std::exp(dot2) + init);
    diff.out_scale = static_cast<float>(1.0 - init);
  }

  /// Where the layer keeps its state: in which slot part, in which KV group.
  void finish_layer(int i) {
    const SambaYConfig& config = model_.config_;
    SambaYLayer& l = model_.layers_[static_cast<size_t>(i)];
    switch (config.mixer(i)) {
      case Mixer::mamba:
      case Mixer::memory_mamba: {
        const int64_t conv_floats = int64_t{config.conv - 1} * config.inner();
        const int64_t layer_floats = conv_floats + int64_t{config.state} * config.inner();
        l.mamba.state = {i / 2 * layer_floats, i / 2 * layer_floats + conv_floats};
        l.mamba.conv.taps = config.conv;
        l.mamba.scan.state = config.state;
        break;
      }
      case Mixer::window_attention: l.attention.kv = {nullptr, 0, i / 2}; break;
      case Mixer::shared_kv_attention:
      case Mixer::cross_attention: l.attention.kv = {nullptr, 1, 0}; break;
      case Mixer::gmu: break;
    }
  }

  void describe_model() {
    const SambaYConfig& config = model_.config_;
    ModelInfo& info = model_.info_;
    info.architecture = "phi4flash";
    info.vocab = config.vocab;
    info.hidden = config.hidden;
    info.layers = config.layers;
    info.max_context = config.max_context;
  }

  SambaY& model_;
  const Checkpoint& checkpoint_;
  Result<void> placed_;  // what went wrong with the tensor in hand
  const float *lambda_q1_ = nullptr, *lambda_k1_ = nullptr, *lambda_q2_ = nullptr;
};

CacheSpec sambay_cache_spec(const SambaYConfig& config) {
  CacheSpec spec;
  const int mamba_layers = config.layers / 4 + 1;
  spec.state_bytes = int64_t{mamba_layers} * (config.conv - 1 + config.state) * config.inner() * 4;
  KvGroup group{config.layers / 4, config.kv_heads, config.head_dim(), config.window, 2};
  spec.kv.push_back(group);
  group.layers = 1;
  group.window = 0;
  spec.kv.push_back(group);
  return spec;
}

Result<std::unique_ptr<Model>> SambaY::load(const Checkpoint& checkpoint, Ops& ops,
                                            const ModelOptions& options) {
  SAMBAY_TRY(const SambaYConfig config, load_sambay_config(checkpoint), "reading the configuration");
  std::unique_ptr<SambaY> model(new SambaY(config, ops));
  SAMBAY_TRY_VOID(SambaYLoader(*model, checkpoint).load());
  model->set_kv_type(options.kv_type);
  SAMBAY_TRY_VOID(model->scratch_.reserve(SambaYWidths(config), options.step_rows));
  return model;
}

void SambaY::set_kv_type(DType type) {
  layouts_.clear();
  for (const KvGroup& group : spec_.kv) layouts_.emplace_back(group, type);
  for (SambaYLayer& layer : layers_)
    layer.attention.kv.layout = &layouts_[static_cast<size_t>(layer.attention.kv.group)];
}

std::vector<float> SambaY::read_state(std::string_view name, int layer, const float* slot) const {
  const Mixer mixer = config_.mixer(layer);
  if (mixer != Mixer::mamba && mixer != Mixer::memory_mamba) return {};
  const MambaState& state = layers_[static_cast<size_t>(layer)].mamba.state;
  const bool conv = name == "conv_state";
  const int64_t cols = conv ? config_.conv - 1 : config_.state;
  const int64_t inner = config_.inner();
  const float* from = slot + (conv ? state.conv_offset : state.ssm_offset);  // [cols, inner]
  std::vector<float> out(static_cast<size_t>(cols * inner));
  for (int64_t c = 0; c < inner; c++)
    for (int64_t n = 0; n < cols; n++) out[static_cast<size_t>(c * cols + n)] = from[n * inner + c];
  return out;
}

}  // namespace sambay
