// The forward pass. Read this with docs/model.md beside it.
#include "model/sambay.h"

#include <algorithm>
#include <new>

namespace sambay {

// Layers 0..15 alternate Mamba and window attention. Layer 16 is the Mamba whose scan output becomes the
// gated memory. Layer 17 is the only one that writes a full-length KV cache. Layers 18..31 alternate GMU and
// cross-attention; they keep no state, so only rows whose logits somebody asked for go through them. (Numbers
// of the 32-layer model.)
void SambaY::forward(const Batch& batch, const CacheMemory& cache, Rows<float> logits, const Probe* probe) {
  const auto tap = [&](std::string_view name, int layer, Rows<const float> rows) {
    if (probe) (*probe)(name, layer, rows);
  };
  Step step = begin(batch, cache);
  ops_.embed(embedding_.weight, batch.tokens, step.x);
  tap("embed", -1, step.x);

  for (int i = 0; i < config_.layers; i++) {
    ops_.layer_norm(step.x, layers_[i].norm1, step.h);
    switch (config_.mixer(i)) {
      case Mixer::mamba: mamba(i, step); break;
      case Mixer::memory_mamba:
        mamba(i, step);  // leaves its scan output, before the gate, in step.gmu_memory
        tap("gmu_memory", -1, step.gmu_memory);
        break;
      case Mixer::window_attention:
        write_kv(i, step, nullptr);
        attend(i, step);
        break;
      case Mixer::shared_kv_attention:
        write_kv(i, step, probe);              // every row leaves its key and value behind ...
        if (batch.logit_rows.empty()) return;  // ... and a chunk in the middle of a prompt is done,
        keep_rows(step);                       // else the rows shrink to those whose logits are wanted
        attend(i, step);
        break;
      case Mixer::cross_attention: attend(i, step); break;
      case Mixer::gmu: gmu(i, step); break;
    }
    tap("mixer_out", i, step.y);
    ops_.add(step.y, step.x);
    mlp(i, step);  // x += down(silu(gate) * up), [gate up] = gate_up(norm2(x))
    tap("layer_out", i, step.x);
  }
  ops_.layer_norm(step.x, final_norm_, step.h);
  tap("final_norm", -1, step.h);
  if (logits.data) ops_.matmul(step.h, embedding_, logits);  // the embedding is also the output head
}

void SambaY::mlp(int layer, Step& step) {
  const SambaYLayer& l = layers_[layer];
  const Rows<float> gate_up = view(scratch_.wide, step, 2 * config_.intermediate);
  const Rows<float> gate = gate_up.columns(0, config_.intermediate);
  const Rows<float> up = gate_up.columns(config_.intermediate, config_.intermediate);
  ops_.layer_norm(step.x, l.norm2, step.h);
  ops_.matmul(step.h, l.gate_up, gate_up);
  ops_.silu_mul(gate, up, gate);
  ops_.matmul(gate, l.down, step.y);
  ops_.add(step.y, step.x);
}

/// From here on only the rows whose logits are wanted exist.
void SambaY::keep_rows(Step& step) {
  const auto count = static_cast<int64_t>(step.batch.logit_rows.size());
  if (count == step.row_count) return;
  step.kept = step.batch.logit_rows;
  for (Rows<float>* rows : {&step.x, &step.h, &step.gmu_memory}) {
    ops_.gather_rows(*rows, step.kept, rows->first_rows(count));
    *rows = rows->first_rows(count);
  }
  step.y = step.y.first_rows(count);
  step.row_count = count;
}

SambaY::Step SambaY::begin(const Batch& batch, const CacheMemory& cache) {
  const auto rows = static_cast<int64_t>(batch.tokens.size());
  // Only a batch larger than what was planned for grows it; a forward has no way to refuse.
  if (!scratch_.reserve(SambaYWidths(config_), rows)) throw std::bad_alloc();
  Step step{batch, cache, {}, rows, {}, {}, {}, {}};
  step.x = view(scratch_.x, step, config_.hidden);
  step.h = view(scratch_.h, step, config_.hidden);
  step.y = view(scratch_.y, step, config_.hidden);
  step.gmu_memory = view(scratch_.memory, step, config_.inner());
  return step;
}

SambaYWidths::SambaYWidths(const SambaYConfig& c)
    : hidden(c.hidden),
      inner(c.inner()),
      wide(std::max({2 * c.inner(), 2 * c.intermediate, 2 * c.hidden + 2 * c.kv_width()})),
      dbc(c.dt_rank + 2 * c.state) {}

Result<void> SambaY::Scratch::reserve(const SambaYWidths& widths, int64_t wanted) {
  if (wanted <= rows) return {};
  const std::pair<Buffer*, int64_t> all[] = {
      {&x, widths.hidden}, {&h, widths.hidden},  {&y, widths.hidden}, {&memory, widths.inner},
      {&u, widths.inner},  {&wide, widths.wide}, {&dbc, widths.dbc}};
  for (const auto& [buffer, width] : all) {
    *buffer = Buffer();  // the old one goes first
    SAMBAY_TRY(*buffer, Buffer::allocate(4 * width * wanted), "working memory");
  }
  rows = wanted;
  return {};
}

}  // namespace sambay
