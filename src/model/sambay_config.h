// The shape of a SambaY (phi4flash) model.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "formats/checkpoint.h"
#include "formats/gguf.h"
#include "sambay/error.h"

namespace sambay {

/// What layer i computes between its two norms. Source: docs/model.md, "Layer schedule".
enum class Mixer { mamba, window_attention, memory_mamba, shared_kv_attention, gmu, cross_attention };

/// Names follow the paper and the checkpoint; every field was checked against the others by validate().
struct SambaYConfig {
  int layers = 32, hidden = 2560, heads = 40, kv_heads = 20, intermediate = 10240, vocab = 200064;
  int window = 512, max_context = 262144;
  int state = 16, conv = 4, expand = 2, dt_rank = 160;
  float norm_eps = 1e-5f;

  int head_dim() const { return hidden / heads; }
  int inner() const { return hidden * expand; }
  int kv_width() const { return kv_heads * head_dim(); }
  Mixer mixer(int layer) const {
    if (layer == layers / 2) return Mixer::memory_mamba;
    if (layer == layers / 2 + 1) return Mixer::shared_kv_attention;
    const bool recurrent = layer % 2 == 0;
    if (layer < layers / 2) return recurrent ? Mixer::mamba : Mixer::window_attention;
    return recurrent ? Mixer::gmu : Mixer::cross_attention;
  }
  /// lambda_init of the paper, by absolute layer index.
  static float lambda_init(int layer);
  bool operator==(const SambaYConfig&) const = default;
};

/// config.json -> config; missing Mamba fields get the class defaults (docs/model.md). sliding_window may be
/// a number or a list whose non-null entries sit on odd layers below layers/2. `name` goes in front of
/// messages. Errors: corrupt (not JSON, missing or wrong-typed or impossible field, with the field's name),
/// unsupported (another model_type, a feature that we do not compute).
Result<SambaYConfig> parse_sambay_config(std::string_view json, std::string_view name);
/// The same from `phi4flash.*` keys.
Result<SambaYConfig> read_sambay_config(const GgufReader& gguf, std::string_view name);
/// The keys for a GGUF file, as read_sambay_config reads them back; the architecture and layout keys too.
std::vector<GgufEntry> sambay_config_to_gguf(const SambaYConfig& config);
/// Either, by the checkpoint's kind.
Result<SambaYConfig> load_sambay_config(const Checkpoint& checkpoint);

/// Names one of the shapes that `--synthetic` knows: "phi4-mini-flash"; "small", of the same kind and 1.5 %
/// of its size, for tests. Errors: invalid_argument.
Result<SambaYConfig> sambay_preset(std::string_view name);

/// Limits that make every later product of two dimensions fit an int64 and every dimension an int; relations
/// that the forward needs (layers divisible by 4, heads even, ...). Errors: corrupt, with field and value.
Result<void> validate(const SambaYConfig& config, std::string_view name);

}  // namespace sambay
