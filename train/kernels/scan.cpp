// The selective scan and its gradient.

#include "vectors.h"

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
