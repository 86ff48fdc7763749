// Attention, full and windowed, and its gradient.

#include "vectors.h"

namespace {

// One sequence's part of an attention layer, unpacked to float32. Query rows may be fewer than key rows;
// positions[i] says which key is query i's own.
struct Attention {
  int heads, kv_heads, width;  // query heads, KV heads, head width
  int keys, padded;            // rows, and rows rounded up to a multiple of 32
  int queries, window;         // window: keys seen including the own one; 0 = all
  const int* positions;
  std::vector<float> k_t, v,
      v_t;  // [kv_heads, width, padded], [pairs, padded, 2 width], [pairs, 2 width, padded]

  Attention(int heads_, int kv_heads_, int width_, int keys_, int queries_, int window_,
            const int* positions_, const bf16* k, int ldk, const bf16* value, int ldv)
      : heads(heads_),
        kv_heads(kv_heads_),
        width(width_),
        keys(keys_),
        padded((keys_ + 31) / 32 * 32),
        queries(queries_),
        window(window_),
        positions(positions_),
        k_t(size_t(kv_heads_) * width_ * padded),
        v(size_t(kv_heads_) * width_ * padded),
        v_t(size_t(kv_heads_) * width_ * padded) {
    for (int t = 0; t < keys; ++t)
      for (int h = 0; h < kv_heads; ++h)
        for (int e = 0; e < width; ++e) {
          const int pair = h / 2, column = (h % 2) * width + e;
          k_t[(size_t(h) * width + e) * padded + t] = to_float(k[int64_t(t) * ldk + h * width + e]);
          const float x = to_float(value[int64_t(t) * ldv + h * width + e]);
          v[(size_t(pair) * padded + t) * 2 * width + column] = x;
          v_t[(size_t(pair) * 2 * width + column) * padded + t] = x;
        }
  }

  // Query pair p uses KV pair p / (heads / kv_heads); member c of a pair uses member c.
  int kv_head(int h) const { return h / 2 / (heads / kv_heads) * 2 + h % 2; }
  int first_key(int position) const { return window ? std::max(0, position - window + 1) : 0; }
};

constexpr int kQueryBlock = 12;    // a multiple of kRows
constexpr float kUnseen = -1e30f;  // score of a key that a query may not see

// The probabilities of up to kQueryBlock query rows of one head: p [kQueryBlock, padded], zero outside of
// [first, last); lse as found or as given.
void probabilities(const Attention& at, int head, int row, int rows, const float* q, float* p, float* lse,
                   bool lse_given, int* first, int* last) {
  *last = (at.positions[row + rows - 1] + 1 + 31) / 32 * 32;
  *first = at.first_key(at.positions[row]) / 32 * 32;
  const float* k_t = at.k_t.data() + size_t(at.kv_head(head)) * at.width * at.padded;
  multiply(rows, *last - *first, at.width, q, at.width, 1, k_t + *first, at.padded, p + *first, at.padded,
           false);
  const float scale = 1 / std::sqrt(float(at.width));
  for (int r = 0; r < rows; ++r) {
    const int position = at.positions[row + r], from = at.first_key(position);
    float* line = p + size_t(r) * at.padded;
    for (int t = *first; t < from; ++t) line[t] = kUnseen;
    for (int t = position + 1; t < *last; ++t) line[t] = kUnseen;
    if (!lse_given) {
      Vec top = splat(kUnseen), total{};
      for (int t = *first; t < *last; t += kLanes) {
        const Vec x = load(line + t);
        top = x > top ? x : top;
      }
      const Vec shift = splat(largest(top) * scale);
      for (int t = *first; t < *last; t += kLanes) total += exp(load(line + t) * scale - shift);
      lse[r] = shift[0] + std::log(sum(total));
    }
    const Vec shift = splat(lse[r]);
    for (int t = *first; t < *last; t += kLanes) {
      const Vec x = load(line + t), p_values = exp(x * scale - shift);
      store(line + t, x == kUnseen ? Vec{} : p_values);
    }
  }
}

void unpack(const bf16* from, int rows, int stride, int width, float* to) {
  for (int r = 0; r < rows; ++r)
    for (int e = 0; e < width; ++e) to[r * width + e] = to_float(from[int64_t(r) * stride + e]);
}

}  // namespace

extern "C" {

// Each query head's softmax average of its pair's 2 * width values: o bf16 [query rows, heads * 2 * width],
// lse [query rows, heads]. k, v: [rows, kv_heads * width] with strides; starts: rows of each sequence,
// q_starts: its query rows, positions [query rows].
void attend(int sequences, const int* starts, const int* q_starts, const int* positions, int heads,
            int kv_heads, int width, int window, const bf16* q, int ldq, const bf16* k, int ldk,
            const bf16* v, int ldv, bf16* o, float* lse) {
  std::vector<float> p, rows_q(kQueryBlock * width), out(kQueryBlock * 2 * width);
  for (int s = 0; s < sequences; ++s) {
    const int begin = starts[s], q_begin = q_starts[s], queries = q_starts[s + 1] - q_begin;
    const Attention at(heads, kv_heads, width, starts[s + 1] - begin, queries, window, positions + q_begin,
                       k + int64_t(begin) * ldk, ldk, v + int64_t(begin) * ldv, ldv);
    p.resize(size_t(kQueryBlock) * at.padded);
    for (int h = 0; h < heads; ++h)
      for (int row = 0; row < queries; row += kQueryBlock) {
        const int rows = std::min(kQueryBlock, queries - row);
        float block_lse[kQueryBlock];
        int first, last;
        unpack(q + int64_t(q_begin + row) * ldq + h * width, rows, ldq, width, rows_q.data());
        probabilities(at, h, row, rows, rows_q.data(), p.data(), block_lse, false, &first, &last);
        const float* values = at.v.data() + (size_t(at.kv_head(h) / 2) * at.padded + first) * 2 * width;
        multiply(rows, 2 * width, last - first, p.data() + first, at.padded, 1, values, 2 * width, out.data(),
                 2 * width, false);
        for (int r = 0; r < rows; ++r) {
          lse[int64_t(q_begin + row + r) * heads + h] = block_lse[r];
          for (int e = 0; e < 2 * width; e += kLanes)
            store(o + (int64_t(q_begin + row + r) * heads + h) * 2 * width + e,
                  load(out.data() + r * 2 * width + e));
        }
      }
  }
}

// dq is written (row stride lddq), dk and dv likewise (lddk, lddv).
void attend_grad(int sequences, const int* starts, const int* q_starts, const int* positions, int heads,
                 int kv_heads, int width, int window, const bf16* q, int ldq, const bf16* k, int ldk,
                 const bf16* v, int ldv, const bf16* o, const float* lse, const bf16* do_, bf16* dq, int lddq,
                 bf16* dk, int lddk, bf16* dv, int lddv) {
  const int wide = 2 * width;
  std::vector<float> p, dp, k_rows, dk_sum, dv_sum;
  std::vector<float> rows_q(kQueryBlock * width), rows_do(kQueryBlock * wide), rows_dq(kQueryBlock * width);
  for (int s = 0; s < sequences; ++s) {
    const int begin = starts[s], q_begin = q_starts[s], queries = q_starts[s + 1] - q_begin;
    const Attention at(heads, kv_heads, width, starts[s + 1] - begin, queries, window, positions + q_begin,
                       k + int64_t(begin) * ldk, ldk, v + int64_t(begin) * ldv, ldv);
    p.resize(size_t(kQueryBlock) * at.padded);
    dp.resize(p.size());
    k_rows.assign(size_t(at.padded) * width, 0);
    dk_sum.assign(size_t(kv_heads) * at.padded * width, 0);
    dv_sum.assign(size_t(kv_heads) * at.padded * width, 0);
    for (int h = 0; h < heads; ++h) {
      const int kv = at.kv_head(h);
      unpack(k + int64_t(begin) * ldk + kv * width, at.keys, ldk, width, k_rows.data());
      for (int row = 0; row < queries; row += kQueryBlock) {
        const int rows = std::min(kQueryBlock, queries - row);
        const int64_t at_row = int64_t(q_begin + row);
        float block_lse[kQueryBlock];
        for (int r = 0; r < rows; ++r) block_lse[r] = lse[(at_row + r) * heads + h];
        int first, last;
        unpack(q + at_row * ldq + h * width, rows, ldq, width, rows_q.data());
        unpack(do_ + (at_row * heads + h) * wide, rows, heads * wide, wide, rows_do.data());
        probabilities(at, h, row, rows, rows_q.data(), p.data(), block_lse, true, &first, &last);
        multiply(last - first, wide, rows, p.data() + first, 1, at.padded, rows_do.data(), wide,
                 dv_sum.data() + (size_t(kv / 2) * at.padded + first) * wide, wide, true);
        multiply(rows, last - first, wide, rows_do.data(), wide, 1,
                 at.v_t.data() + size_t(kv / 2) * wide * at.padded + first, at.padded, dp.data() + first,
                 at.padded, false);
        const float scale = 1 / std::sqrt(float(width));
        for (int r = 0; r < rows; ++r) {
          Vec dot{};
          for (int e = 0; e < wide; e += kLanes)
            dot += load(rows_do.data() + r * wide + e) * load(o + ((at_row + r) * heads + h) * wide + e);
          const float mean = sum(dot);
          for (int t = first; t < last; t += kLanes) {
            float* line = dp.data() + size_t(r) * at.padded + t;
            store(line, load(p.data() + size_t(r) * at.padded + t) * (load(line) - mean) * scale);
          }
        }
        multiply(rows, width, last - first, dp.data() + first, at.padded, 1,
                 k_rows.data() + size_t(first) * width, width, rows_dq.data(), width, false);
        for (int r = 0; r < rows; ++r)
          for (int e = 0; e < width; e += kLanes)
            store(dq + (at_row + r) * lddq + h * width + e, load(rows_dq.data() + r * width + e));
        multiply(last - first, width, rows, dp.data() + first, 1, at.padded, rows_q.data(), width,
                 dk_sum.data() + (size_t(kv) * at.padded + first) * width, width, true);
      }
    }
    for (int t = 0; t < at.keys; ++t)
      for (int h = 0; h < kv_heads; ++h)
        for (int e = 0; e < width; e += kLanes) {
          store(dk + int64_t(begin + t) * lddk + h * width + e,
                load(dk_sum.data() + (size_t(h) * at.padded + t) * width + e));
          store(dv + int64_t(begin + t) * lddv + h * width + e,
                load(dv_sum.data() + (size_t(h / 2) * at.padded + t) * wide + (h % 2) * width + e));
        }
  }
}
}  // extern "C"
