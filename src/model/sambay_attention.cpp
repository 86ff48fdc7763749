// The three attention mixers, which differ only in whose keys they read and whether they write any.
#include "model/sambay.h"

namespace sambay {

// [k v] of every row of the batch into its pages. Separate from the queries, because layer L/2+1 computes
// queries for the kept rows only.
void SambaY::write_kv(int layer, Step& step, const Probe* probe) {
  const AttentionWeights& w = layers_[layer].attention;
  const int kv_width = config_.kv_width();
  const Rows<float> kv = view(scratch_.wide, step, 2 * kv_width);
  const Rows<float> k = kv.columns(0, kv_width), v = kv.columns(kv_width, kv_width);
  ops_.matmul(step.h, w.kv_proj, kv);
  ops_.kv_append(step.batch, step.cache, w.kv, k, v);
  if (probe) {
    (*probe)("shared_k", -1, k);
    (*probe)("shared_v", -1, v);
  }
}

void SambaY::attend(int layer, Step& step) {
  const AttentionWeights& w = layers_[layer].attention;
  const Rows<float> both = view(scratch_.wide, step, 2 * config_.hidden);
  const Rows<float> q = both.columns(0, config_.hidden), out = both.columns(config_.hidden, config_.hidden);
  ops_.matmul(step.h, w.q_proj, q);
  ops_.diff_attention(step.batch, step.cache, w.kv, w.diff, step.kept, q, out);
  ops_.matmul(out, w.out_proj, step.y);
}

}  // namespace sambay
