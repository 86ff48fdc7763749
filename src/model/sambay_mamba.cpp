// The two recurrent mixers: Mamba-1 and the Gated Memory Unit.
#include "model/sambay.h"

namespace sambay {

// [x z] = in_proj(h);  u = silu(conv(x));  [dt B C] = x_proj(u);  y = scan(softplus(dt_proj(dt)), u, B, C);
// out = out_proj(silu(z) * y). The scan's output y is also what the GMUs read, when this is the memory layer.
void SambaY::mamba(int layer, Step& step) {
  const MambaWeights& w = layers_[layer].mamba;
  const int inner = config_.inner(), state = config_.state;
  const Rows<float> xz = view(scratch_.wide, step, 2 * inner);
  const Rows<float> x = xz.columns(0, inner), z = xz.columns(inner, inner);
  const Rows<float> u = view(scratch_.u, step, inner);
  const Rows<float> dbc = view(scratch_.dbc, step, config_.dt_rank + 2 * state);
  const Rows<float> scanned = step.gmu_memory;  // dt before the scan, y after it; the memory layer comes last

  ops_.matmul(step.h, w.in_proj, xz);
  ops_.conv1d(step.batch, step.cache, w.state, w.conv, x, u);
  ops_.matmul(u, w.x_proj, dbc);
  ops_.matmul(dbc.columns(0, config_.dt_rank), w.dt_proj, scanned);
  ops_.selective_scan(step.batch, step.cache, w.state, w.scan, scanned, u,
                      dbc.columns(config_.dt_rank, state), dbc.columns(config_.dt_rank + state, state),
                      scanned);
  ops_.silu_mul(z, scanned, x);
  ops_.matmul(x, w.out_proj, step.y);
}

// out = out_proj(silu(in_proj(h)) * memory). Silu is on the projection, not on the memory.
void SambaY::gmu(int layer, Step& step) {
  const GmuWeights& w = layers_[layer].gmu;
  const Rows<float> gate = view(scratch_.wide, step, config_.inner());
  ops_.matmul(step.h, w.in_proj, gate);
  ops_.silu_mul(gate, step.gmu_memory, gate);
  ops_.matmul(gate, w.out_proj, step.y);
}

}  // namespace sambay
