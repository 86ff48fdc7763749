// The parts of a training step that are neither matrix products nor worth the memory traffic of separate
// PyTorch operations: norms, gates, convolution, selective scan, attention, loss, each with its hand-written
// gradient.
//
// Plain C functions for ctypes. Every function runs on the calling thread alone; the trainer runs one batch
// per core. Rows are tokens; `starts` [sequences + 1] says where each sequence of a packed batch begins. bf16
// travels as uint16_t, all arithmetic is float32. Reference for each gradient: the plain PyTorch versions in
// ops.py, compared by the tests.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace {

using bf16 = uint16_t;
#if defined(__AVX512F__)
constexpr int kLanes = 16;
#else
constexpr int kLanes = 8;
#endif
typedef float Vec __attribute__((vector_size(4 * kLanes), aligned(4)));
typedef int32_t IntVec __attribute__((vector_size(4 * kLanes), aligned(4)));
typedef uint32_t BitsVec __attribute__((vector_size(4 * kLanes), aligned(4)));
typedef bf16 HalfVec __attribute__((vector_size(2 * kLanes), aligned(2)));

inline Vec load(const float* p) { return *reinterpret_cast<const Vec*>(p); }
inline void store(float* p, Vec v) { *reinterpret_cast<Vec*>(p) = v; }
inline Vec splat(float x) { return x - Vec{}; }
inline Vec load(const bf16* p) {
  return (Vec)(__builtin_convertvector(*reinterpret_cast<const HalfVec*>(p), BitsVec) << 16);
}

// Rounds to the nearest, ties to even, as PyTorch does. A NaN may become an infinity, which the trainer stops
// at just the same.
inline void store(bf16* p, Vec v) {
  BitsVec bits = (BitsVec)v;
  bits += 0x7fff + ((bits >> 16) & 1);
  *reinterpret_cast<HalfVec*>(p) = __builtin_convertvector(bits >> 16, HalfVec);
}

inline float sum(Vec v) {
  float total = 0;
  for (int i = 0; i < kLanes; ++i) total += v[i];
  return total;
}

inline float largest(Vec v) {
  float top = v[0];
  for (int i = 1; i < kLanes; ++i) top = std::max(top, v[i]);
  return top;
}

// e^x = 2^n 2^f with n the nearest integer to x log2(e): the Taylor polynomial of 2^f on [-0.5, 0.5],
// relative error below 3e-6, a thousandth of bf16's rounding. Below -87 it ends at 0 (or at e^-87), above 88
// at infinity (or at e^88).
inline Vec exp(Vec x) {
  const Vec scaled = x * 1.44269504f;
#if defined(__AVX512F__)
  const Vec n = (Vec)_mm512_roundscale_ps((__m512)scaled, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const Vec f = scaled - n;
#else
  const Vec low = splat(-125.0f), high = splat(127.0f),
            magic = splat(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer
  Vec bounded = scaled < low ? low : scaled;
  bounded = bounded > high ? high : bounded;
  const Vec shifted = bounded + magic, f = bounded - (shifted - magic);
#endif
  Vec p = splat(1.3333558e-3f);
  p = p * f + 9.6181291e-3f;
  p = p * f + 5.5504109e-2f;
  p = p * f + 2.4022651e-1f;
  p = p * f + 6.9314718e-1f;
  p = p * f + 1.0f;
#if defined(__AVX512F__)
  return (Vec)_mm512_scalef_ps((__m512)p, (__m512)n);
#else
  return (Vec)((IntVec)p +
               ((IntVec)shifted << 23));  // n stands in the lowest bits of `shifted`: added to p's exponent
#endif
}

inline Vec sigmoid(Vec x) { return 1.0f / (1.0f + exp(-x)); }

// log(1 + e^x) = max(x, 0) + log1p(z) with z = e^-|x|; log1p(z) = 2 atanh(z / (2 + z)), whose series ends
// below 1e-8 after s^15.
inline Vec softplus(Vec x) {
  const Vec zero{}, positive = x > zero ? x : zero;
  const Vec z = exp(x > zero ? -x : x), s = z / (2.0f + z), s2 = s * s;
  Vec series = splat(1.0f / 15);
  for (int n = 13; n > 0; n -= 2) series = series * s2 + 1.0f / float(n);
  return positive + 2.0f * s * series;
}

// As many rows of two vectors each as the registers hold beside a row of B and one of A's elements.
constexpr int kRows = kLanes == 16 ? 12 : 6;

// The part of `multiply` below that stays in registers: R rows, H vectors of columns.
template <int R, int H>
inline void multiply_tile(int k, const float* a, int64_t row_a, int64_t col_a, const float* b, int64_t ldb,
                          float* c, int64_t ldc, bool accumulate) {
  Vec acc[R][H] = {};
  for (int l = 0; l < k; ++l, a += col_a, b += ldb) {
    Vec row[H];
    for (int h = 0; h < H; ++h) row[h] = load(b + h * kLanes);
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r) {
      const Vec value = splat(a[r * row_a]);
      for (int h = 0; h < H; ++h) acc[r][h] += value * row[h];
    }
  }
  for (int r = 0; r < R; ++r)
    for (int h = 0; h < H; ++h) {
      float* out = c + r * ldc + h * kLanes;
      store(out, accumulate ? load(out) + acc[r][h] : acc[r][h]);
    }
}

template <int R>
void multiply_rows(int rows, int n, int k, const float* a, int64_t row_a, int64_t col_a, const float* b,
                   int64_t ldb, float* c, int64_t ldc, bool accumulate) {
  if constexpr (R > 1) {
    if (rows < R) return multiply_rows<R - 1>(rows, n, k, a, row_a, col_a, b, ldb, c, ldc, accumulate);
  }
  int j = 0;
  for (; j + 2 * kLanes <= n; j += 2 * kLanes)
    multiply_tile<R, 2>(k, a, row_a, col_a, b + j, ldb, c + j, ldc, accumulate);
  for (; j < n; j += kLanes) multiply_tile<R, 1>(k, a, row_a, col_a, b + j, ldb, c + j, ldc, accumulate);
}

// C [m, n] (+)= A [m, k] B [k, n]; element (i, l) of A is a[i * row_a + l * col_a]; n is a multiple of 16.
void multiply(int m, int n, int k, const float* a, int row_a, int col_a, const float* b, int ldb, float* c,
              int ldc, bool accumulate) {
  for (int i = 0; i < m; i += kRows)
    multiply_rows<kRows>(std::min(kRows, m - i), n, k, a + int64_t(i) * row_a, row_a, col_a, b, ldb,
                         c + int64_t(i) * ldc, ldc, accumulate);
}

}  // namespace

extern "C" {

// x_out = x + m; y = LayerNorm(x_out) * w + b. x, x_out: float32 [rows, d]; m (may be null), y: bf16; stats:
// [rows, 2] mean and 1 / deviation, for the gradient.
void add_norm(int rows, int d, const float* x, const bf16* m, const float* w, const float* b, float* x_out,
              bf16* y, float* stats) {
  for (int t = 0; t < rows; ++t, x += d, x_out += d, y += d) {
    Vec total{}, squares{};
    for (int j = 0; j < d; j += kLanes) {
      const Vec value = m ? load(x + j) + load(m + int64_t(t) * d + j) : load(x + j);
      store(x_out + j, value);
      total += value;
    }
    const float mean = sum(total) / d;
    for (int j = 0; j < d; j += kLanes) {
      const Vec centred = load(x_out + j) - mean;
      squares += centred * centred;
    }
    const float scale = 1 / std::sqrt(sum(squares) / d + 1e-5f);
    for (int j = 0; j < d; j += kLanes)
      store(y + j, (load(x_out + j) - mean) * scale * load(w + j) + load(b + j));
    stats[2 * t] = mean;
    stats[2 * t + 1] = scale;
  }
}

// From dx_out and dy: dx (float32), dm = dx in bf16 (null when there was no m); dw, db [d] are added to.
void add_norm_grad(int rows, int d, const float* x_out, const float* w, const float* stats,
                   const float* dx_out, const bf16* dy, float* dx, bf16* dm, float* dw, float* db) {
  for (int t = 0; t < rows; ++t, x_out += d, dx_out += d, dy += d, dx += d) {
    const float mean = stats[2 * t], scale = stats[2 * t + 1];
    Vec sum_g{}, sum_gx{};
    for (int j = 0; j < d; j += kLanes) {
      const Vec grad = load(dy + j), normal = (load(x_out + j) - mean) * scale, g = grad * load(w + j);
      store(dw + j, load(dw + j) + grad * normal);
      store(db + j, load(db + j) + grad);
      sum_g += g;
      sum_gx += g * normal;
    }
    const float mean_g = sum(sum_g) / d, mean_gx = sum(sum_gx) / d;
    for (int j = 0; j < d; j += kLanes) {
      const Vec normal = (load(x_out + j) - mean) * scale, g = load(dy + j) * load(w + j);
      const Vec grad = load(dx_out + j) + (g - mean_g - normal * mean_gx) * scale;
      store(dx + j, grad);
      if (dm) store(dm + int64_t(t) * d + j, grad);
    }
  }
}

// o = silu(a) * b, all bf16 [rows, d], a and b with row strides lda and ldb.
void gate(int rows, int d, const bf16* a, int lda, const bf16* b, int ldb, bf16* o) {
  for (int t = 0; t < rows; ++t, a += lda, b += ldb, o += d)
    for (int j = 0; j < d; j += kLanes) {
      const Vec x = load(a + j);
      store(o + j, x * sigmoid(x) * load(b + j));
    }
}

void gate_grad(int rows, int d, const bf16* a, int lda, const bf16* b, int ldb, const bf16* do_, bf16* da,
               int ldda, bf16* db, int lddb) {
  for (int t = 0; t < rows; ++t, a += lda, b += ldb, do_ += d, da += ldda, db += lddb)
    for (int j = 0; j < d; j += kLanes) {
      const Vec x = load(a + j), s = sigmoid(x), grad = load(do_ + j);
      store(da + j, grad * load(b + j) * s * (1.0f + x * (1.0f - s)));
      store(db + j, grad * x * s);
    }
}

// u = silu(causal depthwise convolution of x with 4 taps). x: bf16 [rows, d] with row stride ldx; w: [4, d]
// (tap-major), b: [d].
void conv_silu(int sequences, const int* starts, int d, const bf16* x, int ldx, const float* w,
               const float* b, bf16* u) {
  for (int s = 0; s < sequences; ++s)
    for (int t = starts[s]; t < starts[s + 1]; ++t)
      for (int j = 0; j < d; j += kLanes) {
        Vec c = load(b + j);
        for (int k = std::max(0, 3 - (t - starts[s])); k < 4; ++k)
          c += load(w + k * d + j) * load(x + int64_t(t - 3 + k) * ldx + j);
        store(u + int64_t(t) * d + j, c * sigmoid(c));
      }
}

// dx (row stride lddx) is written; dw [4, d] and db [d] are added to.
void conv_silu_grad(int sequences, const int* starts, int d, const bf16* x, int ldx, const float* w,
                    const float* b, const bf16* du, bf16* dx, int lddx, float* dw, float* db) {
  for (int s = 0; s < sequences; ++s) {
    const int begin = starts[s], end = starts[s + 1];
    for (int j = 0; j < d; j += kLanes) {
      Vec taps[4], dtaps[4] = {}, dbias{}, ahead[4] = {};  // ahead[k]: gradient of the convolution at t + k
      for (int k = 0; k < 4; ++k) taps[k] = load(w + k * d + j);
      const Vec bias = load(b + j);
      for (int t = end - 1; t >= begin; --t) {
        Vec inputs[4], c = bias;
        for (int k = 0; k < 4; ++k) {
          inputs[k] = t - 3 + k >= begin ? load(x + int64_t(t - 3 + k) * ldx + j) : Vec{};
          c += taps[k] * inputs[k];
        }
        const Vec sg = sigmoid(c), grad = load(du + int64_t(t) * d + j) * sg * (1.0f + c * (1.0f - sg));
        for (int k = 3; k > 0; --k) ahead[k] = ahead[k - 1];
        ahead[0] = grad;
        dbias += grad;
        Vec dinput{};
        for (int k = 0; k < 4; ++k) {
          dtaps[k] += grad * inputs[k];
          dinput += taps[3 - k] * ahead[k];
        }
        store(dx + int64_t(t) * lddx + j, dinput);
      }
      for (int k = 0; k < 4; ++k) store(dw + k * d + j, load(dw + k * d + j) + dtaps[k]);
      store(db + j, load(db + j) + dbias);
    }
  }
}

}  // extern "C"

namespace {

constexpr int kState = 16;  // Mamba's d_state
constexpr int kChunk = 16;  // steps between two saved states

// The rows of B and C of a chunk, unpacked: [steps, kState] each.
struct StateRows {
  float b[kChunk][kState], c[kChunk][kState];
  StateRows(const bf16* bc, int ld_bc, int steps) {  // bc: [steps, ld_bc], 16 of B, then 16 of C
    for (int i = 0; i < steps; ++i)
      for (int n = 0; n < kState; n += kLanes) {
        store(b[i] + n, load(bc + int64_t(i) * ld_bc + n));
        store(c[i] + n, load(bc + int64_t(i) * ld_bc + kState + n));
      }
  }
};

}  // namespace

extern "C" {

// y [rows, d] = selective scan of u, before the gate. dt: [rows, d] float32 out, softplus(dt_raw + bias).
// saved: [chunks of all sequences, kState, d], the state before each chunk of 16 steps.
//
// Within a chunk one state after the other goes through all steps: its decay, its sum and what the
// exponential needs stay in registers, which sixteen states at a time would not.
void scan(int sequences, const int* starts, int d, const bf16* u, const bf16* dt_raw, const float* dt_bias,
          const float* a, const bf16* bc, int ld_bc, const float* skip, bf16* y, float* dt_out,
          float* saved) {
  std::vector<float> h(size_t(kState) * d);
  for (int s = 0; s < sequences; ++s) {
    const int begin = starts[s], end = starts[s + 1];
    std::fill(h.begin(), h.end(), 0.0f);
    for (int first = begin; first < end; first += kChunk, saved += int64_t(kState) * d) {
      const int steps = std::min(kChunk, end - first);
      std::memcpy(saved, h.data(), h.size() * sizeof(float));
      const StateRows rows(bc + int64_t(first) * ld_bc, ld_bc, steps);
      for (int j = 0; j < d; j += kLanes) {
        Vec dt[kChunk], dtu[kChunk], out[kChunk];
        for (int i = 0; i < steps; ++i) {
          const int64_t at = int64_t(first + i) * d + j;
          const Vec input = load(u + at);
          dt[i] = softplus(load(dt_raw + at) + load(dt_bias + j));
          dtu[i] = dt[i] * input;
          out[i] = load(skip + j) * input;
          store(dt_out + at, dt[i]);
        }
        for (int n = 0; n < kState; ++n) {
          const Vec rate = load(a + n * d + j);
          Vec state = load(h.data() + n * d + j);
          for (int i = 0; i < steps; ++i) {
            state = exp(dt[i] * rate) * state + dtu[i] * rows.b[i][n];
            out[i] += state * rows.c[i][n];
          }
          store(h.data() + n * d + j, state);
        }
        for (int i = 0; i < steps; ++i) store(y + int64_t(first + i) * d + j, out[i]);
      }
    }
  }
}

// Gradients: du, ddt_raw bf16 [rows, d]; dbc bf16 [rows, ld_dbc]; added to: ddt_bias [d], da [kState, d],
// dskip [d].
void scan_grad(int sequences, const int* starts, int d, const bf16* u, const float* dt_values, const float* a,
               const bf16* bc, int ld_bc, const float* skip, const float* saved, const bf16* dy, bf16* du,
               bf16* ddt_raw, bf16* dbc, int ld_dbc, float* ddt_bias, float* da, float* dskip) {
  std::vector<float> carried(size_t(kState) * d);  // gradient of the state after the chunk at hand
  for (int s = 0; s < sequences; ++s) {
    const int begin = starts[s], end = starts[s + 1], chunks = (end - begin + kChunk - 1) / kChunk;
    std::fill(carried.begin(), carried.end(), 0.0f);
    for (int chunk = chunks - 1; chunk >= 0; --chunk) {
      const int first = begin + chunk * kChunk, steps = std::min(kChunk, end - first);
      const StateRows rows(bc + int64_t(first) * ld_bc, ld_bc, steps);
      static thread_local Vec db[kState][kChunk], dc[kState][kChunk];  // sums over the channels, lane by lane
      for (int n = 0; n < kState; ++n)
        for (int i = 0; i < steps; ++i) db[n][i] = dc[n][i] = Vec{};
      for (int j = 0; j < d; j += kLanes) {
        Vec dt[kChunk], dtu[kChunk], grad[kChunk], from_a[kChunk], from_b[kChunk];
        for (int i = 0; i < steps; ++i) {
          const int64_t at = int64_t(first + i) * d + j;
          dt[i] = load(dt_values + at);
          dtu[i] = dt[i] * load(u + at);
          grad[i] = load(dy + at);
          from_a[i] = from_b[i] = Vec{};
        }
        for (int n = 0; n < kState; ++n) {
          const Vec rate = load(a + n * d + j);
          Vec h[kChunk + 1], decay[kChunk];
          h[0] = load(saved + (int64_t(chunk) * kState + n) * d + j);
          for (int i = 0; i < steps; ++i) {
            decay[i] = exp(dt[i] * rate);
            h[i + 1] = decay[i] * h[i] + dtu[i] * rows.b[i][n];
          }
          Vec dh = load(carried.data() + n * d + j), drate = load(da + n * d + j);
          for (int i = steps - 1; i >= 0; --i) {
            dc[n][i] += h[i + 1] * grad[i];
            dh += grad[i] * rows.c[i][n];
            db[n][i] += dh * dtu[i];
            from_b[i] += dh * rows.b[i][n];
            dh *= decay[i];  // now with respect to the state before the step
            const Vec through = dh * h[i];
            from_a[i] += through * rate;
            drate += through * dt[i];
          }
          store(carried.data() + n * d + j, dh);
          store(da + n * d + j, drate);
        }
        Vec dbias = load(ddt_bias + j), dskip_sum = load(dskip + j);
        for (int i = steps - 1; i >= 0; --i) {
          const int64_t at = int64_t(first + i) * d + j;
          const Vec input = load(u + at);
          store(du + at, from_b[i] * dt[i] + load(skip + j) * grad[i]);
          // dt = softplus(r): d dt / d r = 1 - e^-dt
          const Vec draw = (from_a[i] + from_b[i] * input) * (1.0f - exp(-dt[i]));
          store(ddt_raw + at, draw);
          dbias += draw;
          dskip_sum += grad[i] * input;
        }
        store(ddt_bias + j, dbias);
        store(dskip + j, dskip_sum);
      }
      for (int i = 0; i < steps; ++i) {
        float sums[2 * kState];
        for (int n = 0; n < kState; ++n) sums[n] = sum(db[n][i]), sums[kState + n] = sum(dc[n][i]);
        for (int n = 0; n < 2 * kState; n += kLanes)
          store(dbc + int64_t(first + i) * ld_dbc + n, load(sums + n));
      }
    }
    saved += int64_t(chunks) * kState * d;
  }
}

}  // extern "C"

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

  static float to_float(bf16 x) {
    const uint32_t bits = uint32_t(x) << 16;
    float result;
    std::memcpy(&result, &bits, 4);
    return result;
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
    for (int e = 0; e < width; ++e) to[r * width + e] = Attention::to_float(from[int64_t(r) * stride + e]);
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

// Differential attention's end: o = RMSNorm(a_0 - lambda a_1) * w * factor. a: bf16 [rows, 2 pairs, wide], o:
// bf16 [rows, pairs, wide].
void combine(int rows, int pairs, int wide, const bf16* a, float lambda, const float* w, float factor,
             bf16* o) {
  for (int64_t i = 0; i < int64_t(rows) * pairs; ++i, a += 2 * wide, o += wide) {
    Vec squares{};
    for (int e = 0; e < wide; e += kLanes) {
      const Vec x = load(a + e) - lambda * load(a + wide + e);
      squares += x * x;
    }
    const float scale = factor / std::sqrt(sum(squares) / wide + 1e-5f);
    for (int e = 0; e < wide; e += kLanes)
      store(o + e, (load(a + e) - lambda * load(a + wide + e)) * scale * load(w + e));
  }
}

// da is written; dw [wide] and dlambda [1] are added to.
void combine_grad(int rows, int pairs, int wide, const bf16* a, float lambda, const float* w, float factor,
                  const bf16* do_, bf16* da, float* dw, float* dlambda) {
  Vec dl{};
  for (int64_t i = 0; i < int64_t(rows) * pairs; ++i, a += 2 * wide, da += 2 * wide, do_ += wide) {
    Vec squares{}, dots{};
    for (int e = 0; e < wide; e += kLanes) {
      const Vec x = load(a + e) - lambda * load(a + wide + e);
      squares += x * x;
      dots += x * load(do_ + e) * load(w + e);
    }
    const float scale = 1 / std::sqrt(sum(squares) / wide + 1e-5f), along = sum(dots) * scale * scale / wide;
    for (int e = 0; e < wide; e += kLanes) {
      const Vec second = load(a + wide + e), x = load(a + e) - lambda * second, grad = load(do_ + e) * factor;
      store(dw + e, load(dw + e) + grad * x * scale);
      const Vec dx = (grad * load(w + e) - x * (along * factor)) * scale;
      store(da + e, dx);
      store(da + wide + e, -lambda * dx);
      dl -= dx * second;
    }
  }
  *dlambda += sum(dl);
}

// Cross entropy of logits bf16 [rows, n], which become their own gradient times `scale`. Returns the sum of
// the losses; right[t] = whether the largest logit was the target's.
float cross_entropy(int rows, int n, bf16* logits, const int* targets, float scale, uint8_t* right) {
  double total = 0;
  for (int t = 0; t < rows; ++t, logits += n) {
    Vec top = splat(-1e30f), denominator{};
    for (int j = 0; j < n; j += kLanes) {
      const Vec x = load(logits + j);
      top = x > top ? x : top;
    }
    const float highest = largest(top);
    for (int j = 0; j < n; j += kLanes) denominator += exp(load(logits + j) - highest);
    const float lse = highest + std::log(sum(denominator)), own = Attention::to_float(logits[targets[t]]);
    total += lse - own;
    right[t] = own >= highest;
    for (int j = 0; j < n; j += kLanes) store(logits + j, exp(load(logits + j) - lse) * scale);
    const float grad = (std::exp(own - lse) - 1) * scale;
    uint32_t bits;
    std::memcpy(&bits, &grad, 4);
    logits[targets[t]] = bf16((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
  }
  return float(total);
}

}  // extern "C"
