// Norms, gates, convolution, the difference of attention's halves, loss: operations on rows.

#include "vectors.h"

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
    const float lse = highest + std::log(sum(denominator)), own = to_float(logits[targets[t]]);
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
