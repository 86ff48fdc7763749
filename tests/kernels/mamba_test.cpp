// Convolution and selective scan against the formulas in double.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/every_isa.h"
#include "support/random.h"

namespace sambay {
namespace {

using Mamba = test::EveryIsa;
SAMBAY_FOR_EVERY_ISA(Mamba);

TEST_P(Mamba, ConvolutionMatchesTheFormulaAndLeavesTheLastInputsBehind) {
  test::Random random(21);
  for (int64_t inner : {1, 8, 13, 130})
    for (int taps : {1, 2, 4})
      for (int64_t rows : {1, 2, 3, 9}) {
        const int64_t history = taps - 1;
        const auto x = random.normals(rows * inner), w = random.normals(taps * inner),
                   b = random.normals(inner);
        const auto before = random.normals(history * inner + 1);
        std::vector<float> u(x.size()), after(static_cast<size_t>(history * inner + 1));
        std::vector<float*> out(static_cast<size_t>(rows), nullptr);
        out.back() = after.data();
        ConvArgs a{x.data(), inner, u.data(),      inner,      rows, inner, w.data(),
                   b.data(), taps,  before.data(), out.data(), 0,    inner};
        kernels().conv1d(a);
        const auto input = [&](int64_t t, int64_t c) -> double {
          return t >= 0 ? x[t * inner + c] : before[(history + t) * inner + c];
        };
        for (int64_t c = 0; c < inner; c++) {
          for (int64_t t = 0; t < rows; t++) {
            double sum = b[c], magnitude = std::fabs(b[c]);
            for (int k = 0; k < taps; k++) {
              const double term = w[k * inner + c] * input(t - history + k, c);
              sum += term, magnitude += std::fabs(term);
            }
            // taps roundings of the sum, which silu passes on with a slope below 1.1, and its own few ulps.
            ASSERT_NEAR(u[t * inner + c], sum / (1 + std::exp(-sum)), (taps + 6) * 0x1p-24 * magnitude * 1.1);
          }
          for (int64_t i = 0; i < history; i++)
            ASSERT_EQ(after[i * inner + c], static_cast<float>(input(rows - history + i, c)));
        }
      }
}

TEST_P(Mamba, ConvolutionInTwoPartsInPlaceEqualsWhole) {
  test::Random random(22);
  const int64_t inner = 70, rows = 9, taps = 4;
  const auto x = random.normals(rows * inner), w = random.normals(taps * inner), b = random.normals(inner);
  std::vector<float> whole(x.size()), parts(x.size()), state(static_cast<size_t>(3 * inner));
  std::vector<float*> nowhere(rows, nullptr), every(rows, state.data());
  kernels().conv1d({x.data(), inner, whole.data(), inner, rows, inner, w.data(), b.data(), 4, nullptr,
                    nowhere.data(), 0, inner});
  kernels().conv1d({x.data(), inner, parts.data(), inner, 2, inner, w.data(), b.data(), 4, nullptr,
                    every.data(), 0, inner});
  kernels().conv1d({x.data() + 2 * inner, inner, parts.data() + 2 * inner, inner, 7, inner, w.data(),
                    b.data(), 4, state.data(), every.data(), 0, inner});
  EXPECT_EQ(std::memcmp(whole.data(), parts.data(), whole.size() * sizeof(float)), 0);
}

struct Scan {
  int64_t inner, rows;
  int state;
  std::vector<float> dt, u, b, c, a, d;
};

Scan make_scan(int64_t inner, int state, int64_t rows, uint64_t seed) {
  test::Random r(seed);
  Scan s{inner,
         rows,
         state,
         r.normals(rows * inner, 2),
         r.normals(rows * inner),
         r.normals(rows * state),
         r.normals(rows * state),
         r.normals(state * inner),
         r.normals(inner)};
  for (float& a : s.a) a = -std::exp(a);
  return s;
}

std::vector<float> run_scan(const CpuKernels& k, const Scan& s, int64_t first, int64_t count,
                            const float* state_in, float* state_out) {
  std::vector<float> y(static_cast<size_t>(count * s.inner));
  std::vector<float*> out(static_cast<size_t>(count), nullptr);
  out.back() = state_out;
  ScanArgs a{};
  a.dt = s.dt.data() + first * s.inner, a.u = s.u.data() + first * s.inner;
  a.b = s.b.data() + first * s.state, a.c = s.c.data() + first * s.state;
  a.dt_stride = a.u_stride = a.y_stride = a.inner = s.inner;
  a.b_stride = a.c_stride = s.state;
  a.y = y.data(), a.rows = count, a.a = s.a.data(), a.d = s.d.data(), a.state = s.state;
  a.state_in = state_in, a.state_out = out.data(), a.last = s.inner;
  k.selective_scan(a);
  return y;
}

TEST_P(Mamba, ScanMatchesTheRecurrenceInDouble) {
  for (const auto& [inner, state] : {std::pair<int64_t, int>{8, 16}, {13, 16}, {1, 1}, {40, 3}}) {
    const Scan s = make_scan(inner, state, 20, 23);
    std::vector<float> last(static_cast<size_t>(state * inner));
    const std::vector<float> y = run_scan(kernels(), s, 0, 20, nullptr, last.data());
    for (int64_t c = 0; c < inner; c++) {
      std::vector<double> h(static_cast<size_t>(state), 0.0), bound(static_cast<size_t>(state), 0.0);
      for (int64_t t = 0; t < 20; t++) {
        const double dt = std::log1p(std::exp(static_cast<double>(s.dt[t * inner + c]))),
                     u = s.u[t * inner + c];
        double sum = s.d[c] * u, magnitude = std::fabs(sum);
        for (int n = 0; n < state; n++) {
          const double exponent = dt * s.a[n * inner + c];
          h[n] = std::exp(exponent) * h[n] + dt * u * s.b[t * state + n];
          // exp's relative error is 2 ulp + that of its argument (6 ulp of |exponent|); the input term has 6
          // ulp.
          bound[n] =
              std::exp(exponent) * (bound[n] + std::fabs(h[n]) * (3 + 6 * std::fabs(exponent)) * 0x1p-24) +
              (std::fabs(dt * u * s.b[t * state + n]) * 8 + std::fabs(h[n])) * 0x1p-24;
          sum += h[n] * s.c[t * state + n];
          magnitude += std::fabs(h[n] * s.c[t * state + n]);
        }
        double tolerance = (state + 3) * 0x1p-24 * magnitude;
        for (int n = 0; n < state; n++) tolerance += 4 * bound[n] * std::fabs(s.c[t * state + n]);
        ASSERT_NEAR(y[t * inner + c], sum, tolerance) << "t " << t << " c " << c;
      }
      for (int n = 0; n < state; n++) ASSERT_NEAR(last[n * inner + c], h[n], 4 * bound[n] + 1e-30);
    }
  }
}

TEST_P(Mamba, ScanInPartsInPlaceEqualsWhole) {
  const Scan s = make_scan(70, 16, 15, 24);
  std::vector<float> state(70 * 16), end(70 * 16);
  const std::vector<float> whole = run_scan(kernels(), s, 0, 15, nullptr, end.data());
  std::vector<float> parts = run_scan(kernels(), s, 0, 4, nullptr, state.data());
  const std::vector<float> rest = run_scan(kernels(), s, 4, 11, state.data(), state.data());
  parts.insert(parts.end(), rest.begin(), rest.end());
  EXPECT_EQ(std::memcmp(whole.data(), parts.data(), whole.size() * sizeof(float)), 0);
  EXPECT_EQ(std::memcmp(state.data(), end.data(), end.size() * sizeof(float)), 0);
}

TEST_P(Mamba, ScanOfAChannelRangeTouchesNothingElse) {
  const Scan s = make_scan(64, 16, 3, 25);
  std::vector<float> y(3 * 64, -7.0f);
  std::vector<float*> out(3, nullptr);
  ScanArgs a{s.dt.data(), s.u.data(), s.b.data(), s.c.data(), 64, 64,      16,         16, y.data(), 64,
             3,           64,         s.a.data(), s.d.data(), 16, nullptr, out.data(), 8,  24};
  kernels().selective_scan(a);
  for (int64_t t = 0; t < 3; t++)
    for (int64_t c = 0; c < 64; c++) EXPECT_EQ(y[t * 64 + c] != -7.0f, c >= 8 && c < 24);
}

}  // namespace
}  // namespace sambay
