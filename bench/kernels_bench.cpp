// Every kernel of every instruction set that this CPU has, on one thread, on the shapes of the 3.8B model.
//
//   kernels_bench --benchmark_filter='panels_x_vector/.*/q4_0'
//
// Counters: GB/s of the bytes that a kernel must read and write, GOP/s of its operations (a multiply-add is
// two), and their shares of what this CPU reads from memory, or multiplies, on one thread, measured just
// before. Matrices are read from memory: several take turns, 256 MiB in all. Vectors are in the L1.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/cpu/kernels.h"
#include "tensor/packed_weight.h"
#include "tensor/tensor.h"
#include "tools/ceilings.h"
#include "tools/random_blocks.h"

namespace sambay {
namespace {

constexpr int kHidden = 2560, kInner = 5120, kState = 16, kTaps = 4, kOutputs = 10240;
constexpr int64_t kCold = int64_t{256} << 20;

std::vector<float> random_floats(int64_t count, float amplitude = 1) {
  static uint64_t counter = 0;
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = amplitude * random_uniform(++counter);
  return values;
}

ThreadPool& one_thread() {
  static ThreadPool pool(1);
  return pool;
}

enum class Bound { memory, int8, f32 };

/// What one call of a kernel does, and what it is held against.
struct Work {
  double bytes = 0;          // read and written
  double multiply_adds = 0;  // that the ceiling counts
  double other_ops = 0;      // additions, comparisons, exponentials
  Bound bound = Bound::f32;
};

void run(benchmark::State& state, const CpuKernels& kernels, const Work& work,
         const std::function<void()>& kernel) {
  auto probe = CeilingProbe::create(kernels, one_thread(), 1);
  if (!probe) return state.SkipWithError(probe.error().message.c_str());
  const double ceiling = work.bound == Bound::memory ? probe->read_bytes_per_s()
                         : work.bound == Bound::int8 ? probe->int8_per_s()
                                                     : probe->f32_per_s();
  for (auto _ : state) kernel();
  using benchmark::Counter;
  const auto rate = [](double per_call) { return Counter(per_call, Counter::kIsIterationInvariantRate); };
  if (work.bytes > 0) state.counters["GB/s"] = rate(work.bytes * 1e-9);
  const double ops = 2 * work.multiply_adds + work.other_ops;
  if (ops > 0) state.counters["GOP/s"] = rate(ops * 1e-9);
  const double counted = work.bound == Bound::memory ? work.bytes : work.multiply_adds;
  if (counted > 0)
    state.counters[work.bound == Bound::memory ? "share_of_memory"
                   : work.bound == Bound::int8 ? "share_of_int8"
                                               : "share_of_f32"] = rate(counted / ceiling);
}

/// Matrices [kOutputs, kHidden] of one type, as many as make 256 MiB. Sixteen rows are encoded; the others
/// are the same bytes elsewhere, which no kernel notices.
class ColdMatrices {
 public:
  ColdMatrices(DType type, bool in_panels) {
    const std::vector<float> values = random_floats(int64_t{kPanelRows} * kHidden, 0.03f);
    std::vector<std::byte> rows(static_cast<size_t>(dtype_bytes(type, int64_t{kPanelRows} * kHidden)));
    dtype_info(type).encode(values.data(), rows.data(), int64_t{kPanelRows} * kHidden);
    if (in_panels) {
      std::vector<std::byte> panel(static_cast<size_t>(packed_bytes(type, kPanelRows, kHidden)));
      packed_format(type)->pack(rows.data(), dtype_bytes(type, kHidden), kPanelRows, kHidden, panel.data());
      rows = std::move(panel);
    }
    bytes_ = static_cast<int64_t>(rows.size()) * (kOutputs / kPanelRows);
    count_ = std::max<int64_t>(1, kCold / bytes_);
    memory_ = *Buffer::allocate(bytes_ * count_);
    for (int64_t at = 0; at < bytes_ * count_; at += static_cast<int64_t>(rows.size()))
      std::memcpy(memory_.data() + at, rows.data(), rows.size());
  }
  int64_t bytes() const { return bytes_; }
  const uint8_t* next() {
    turn_ = (turn_ + 1) % count_;
    return reinterpret_cast<const uint8_t*>(memory_.data()) + turn_ * bytes_;
  }

 private:
  int64_t bytes_ = 0, count_ = 0, turn_ = 0;
  Buffer memory_;
};

Work product_work(int64_t matrix_bytes, int64_t inputs, Bound arithmetic) {
  Work work;
  work.bytes = static_cast<double>(matrix_bytes);
  work.multiply_adds = static_cast<double>(inputs) * kOutputs * kHidden;
  work.bound = inputs == 1 ? Bound::memory : arithmetic;
  return work;
}

/// Quantizing the inputs is part of a product, but done once for all rows: it has a benchmark of its own.
void panel_product(benchmark::State& state, const CpuKernels& kernels, DType type, int64_t inputs) {
  ColdMatrices matrices(type, true);
  const std::vector<float> x = random_floats(inputs * kHidden);
  std::vector<int8_t> levels(x.size());
  std::vector<InputBlock> blocks(x.size() / kPanelBlock);
  for (int64_t t = 0; t < inputs; t++)
    kernels.quantize_row(x.data() + t * kHidden, levels.data() + t * kHidden,
                         blocks.data() + t * kHidden / kPanelBlock, kHidden);
  std::vector<float> y(static_cast<size_t>(inputs * kOutputs));
  PanelArgs args{};
  args.cols = kHidden;
  args.levels = levels.data(), args.blocks = blocks.data();
  args.x_rows = inputs;
  args.y = y.data(), args.y_stride = kOutputs;
  args.last = kOutputs;
  run(state, kernels, product_work(matrices.bytes(), inputs, Bound::int8), [&] {
    args.weight = matrices.next();
    kernels.panel_matmul[static_cast<size_t>(type)](args);
  });
}

void plain_product(benchmark::State& state, const CpuKernels& kernels, DType type, int64_t inputs) {
  ColdMatrices matrices(type, false);
  const std::vector<float> x = random_floats(inputs * kHidden);
  std::vector<float> y(static_cast<size_t>(inputs * kOutputs));
  MatMulArgs args{};
  args.row_bytes = dtype_bytes(type, kHidden), args.cols = kHidden;
  args.x = x.data(), args.x_stride = kHidden, args.x_rows = inputs;
  args.y = y.data(), args.y_stride = kOutputs;
  args.last = kOutputs;
  run(state, kernels, product_work(matrices.bytes(), inputs, Bound::f32), [&] {
    args.weight = matrices.next();
    kernels.matmul[static_cast<size_t>(type)](args);
  });
}

void quantize_row(benchmark::State& state, const CpuKernels& kernels) {
  const std::vector<float> x = random_floats(kHidden);
  std::vector<int8_t> levels(kHidden);
  std::vector<InputBlock> blocks(kHidden / kPanelBlock);
  const double bytes = kHidden * 5.0 + static_cast<double>(blocks.size() * sizeof(InputBlock));
  run(state, kernels, {bytes, 0, kHidden * 4.0}, [&] {
    kernels.quantize_row(x.data(), levels.data(), blocks.data(), kHidden);
    benchmark::ClobberMemory();
  });
}

/// Convolution, then scan, of one layer; states in place, as when decoding.
void convolution_and_scan(benchmark::State& state, const CpuKernels& kernels, int64_t rows, bool with_conv,
                          bool with_scan) {
  const std::vector<float> x = random_floats(rows * kInner), taps = random_floats(kTaps * kInner, 0.5f),
                           bias = random_floats(kInner, 0.1f), dt = random_floats(rows * kInner),
                           b = random_floats(rows * kState), c = random_floats(rows * kState);
  std::vector<float> a = random_floats(kState * kInner), d = random_floats(kInner),
                     conv_state((kTaps - 1) * kInner), scan_state(kState * kInner),
                     u = random_floats(rows * kInner), y(u.size());
  for (float& value : a) value = -8 - 7 * value;  // -1 to -15
  std::vector<float*> conv_out(static_cast<size_t>(rows), nullptr), scan_out = conv_out;
  conv_out.back() = conv_state.data(), scan_out.back() = scan_state.data();
  ConvArgs conv{};
  conv.x = x.data(), conv.u = u.data(), conv.x_stride = conv.u_stride = kInner;
  conv.rows = rows, conv.inner = conv.last = kInner;
  conv.weight = taps.data(), conv.bias = bias.data(), conv.taps = kTaps;
  conv.state_in = conv_state.data(), conv.state_out = conv_out.data();
  ScanArgs scan{};
  scan.dt = dt.data(), scan.u = u.data(), scan.b = b.data(), scan.c = c.data(), scan.y = y.data();
  scan.dt_stride = scan.u_stride = scan.y_stride = kInner, scan.b_stride = scan.c_stride = kState;
  scan.rows = rows, scan.inner = scan.last = kInner;
  scan.a = a.data(), scan.d = d.data(), scan.state = kState;
  scan.state_in = scan_state.data(), scan.state_out = scan_out.data();

  Work work;
  const double elements = static_cast<double>(rows) * kInner;
  if (with_conv) {
    work.bytes += 8 * elements + 4.0 * kInner * (kTaps + 1 + 2 * (kTaps - 1));
    work.multiply_adds += elements * kTaps;
    work.other_ops += elements * 4;  // silu: exp, +, /, *
  }
  if (with_scan) {
    work.bytes += 12 * elements + 4.0 * kInner * (3 * kState + 1);
    work.multiply_adds += elements * (2 * kState + 1);  // the state and what is read of it
    work.other_ops += elements * (2 * kState + 1 + 3);  // dt A, exp; dt u; softplus
  }
  run(state, kernels, work, [&] {
    if (with_conv) kernels.conv1d(conv);
    if (with_scan) kernels.selective_scan(scan);
    benchmark::ClobberMemory();
  });
}

void layer_norm(benchmark::State& state, const CpuKernels& kernels) {
  const std::vector<float> x = random_floats(kHidden), w = random_floats(kHidden), b = random_floats(kHidden);
  std::vector<float> y(kHidden);
  run(state, kernels, {kHidden * 16.0, kHidden * 2.0, kHidden * 3.0}, [&] {
    kernels.layer_norm(x.data(), w.data(), b.data(), 1e-5f, y.data(), kHidden);
    benchmark::ClobberMemory();
  });
}

void add(benchmark::State& state, const CpuKernels& kernels) {
  const std::vector<float> y = random_floats(kHidden);
  std::vector<float> x(kHidden);
  run(state, kernels, {kHidden * 12.0, 0, kHidden * 1.0}, [&] {
    kernels.add(y.data(), x.data(), kHidden);
    benchmark::ClobberMemory();
  });
}

void silu_mul(benchmark::State& state, const CpuKernels& kernels) {
  const std::vector<float> gate = random_floats(kHidden, 4), up = random_floats(kHidden);
  std::vector<float> y(kHidden);
  run(state, kernels, {kHidden * 12.0, 0, kHidden * 5.0}, [&] {
    kernels.silu_mul(gate.data(), up.data(), y.data(), kHidden);
    benchmark::ClobberMemory();
  });
}

void elementary(benchmark::State& state, const CpuKernels& kernels, bool softplus) {
  const std::vector<float> x = random_floats(kHidden, 8);
  std::vector<float> y(kHidden);
  run(state, kernels, {kHidden * 8.0, 0, kHidden * 1.0}, [&] {
    (softplus ? kernels.softplus : kernels.exp)(x.data(), y.data(), kHidden);
    benchmark::ClobberMemory();
  });
}

void register_kernels(const CpuKernels& k) {
  const auto add_benchmark = [&](const std::string& name, auto function) {
    const size_t slash = name.find('/');
    benchmark::RegisterBenchmark(
        (name.substr(0, slash) + "/" + k.name + (slash == std::string::npos ? "" : name.substr(slash)))
            .c_str(),
        function)
        ->Unit(benchmark::kMicrosecond)
        ->UseRealTime();  // as the ceilings are measured
  };
  using benchmark::State;
  for (const DTypeInfo& info : all_dtypes()) {
    const auto type = static_cast<size_t>(info.type);
    if (type >= kKernelTypeCount) continue;
    for (const bool panels : {true, false}) {
      if (panels ? !k.panel_matmul[type] : !k.matmul[type]) continue;
      const auto product = panels ? panel_product : plain_product;
      const std::string name = panels ? "panels" : "rows";
      for (const int64_t inputs : {1, 16, 256}) {
        const bool is_vector = inputs == 1;
        add_benchmark(name + (is_vector ? "_x_vector/" : "_x_matrix/") + info.name +
                          (is_vector ? "" : "/" + std::to_string(inputs)),
                      [&k, &info, inputs, product](State& s) { product(s, k, info.type, inputs); });
      }
    }
  }
  add_benchmark("quantize_row", [&k](State& s) { quantize_row(s, k); });
  for (const int64_t rows : {1, 256}) {
    const std::string of = "/" + std::to_string(rows);
    add_benchmark("conv" + of, [&k, rows](State& s) { convolution_and_scan(s, k, rows, true, false); });
    add_benchmark("scan" + of, [&k, rows](State& s) { convolution_and_scan(s, k, rows, false, true); });
    add_benchmark("conv_and_scan" + of,
                  [&k, rows](State& s) { convolution_and_scan(s, k, rows, true, true); });
  }
  add_benchmark("layer_norm", [&k](State& s) { layer_norm(s, k); });
  add_benchmark("add", [&k](State& s) { add(s, k); });
  add_benchmark("silu_mul", [&k](State& s) { silu_mul(s, k); });
  add_benchmark("exp", [&k](State& s) { elementary(s, k, false); });
  add_benchmark("softplus", [&k](State& s) { elementary(s, k, true); });
}

// Before benchmark_main's main: the set of benchmarks depends on the CPU.
const bool kRegistered = [] {
  for (const CpuKernels* kernels : compiled_kernels())
    if (kernels->supported()) register_kernels(*kernels);
  return true;
}();

}  // namespace
}  // namespace sambay
