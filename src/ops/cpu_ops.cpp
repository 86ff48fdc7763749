// Ops on the CPU: checks shapes, splits work over threads, calls the kernel table.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "base/check.h"
#include "base/thread_pool.h"
#include "kernels/cpu/kernels.h"
#include "ops/arena.h"
#include "ops/cpu_attention.h"
#include "ops/decoded_matmul.h"
#include "ops/ops.h"
#include "tensor/packed_weight.h"

namespace sambay {
namespace {

// Work below these sizes is not worth waking another thread for.
constexpr int64_t kElementGrain = 2048;  // elements of an elementwise op
constexpr int64_t kChannelGrain = 64;    // channels of convolution and scan
constexpr int64_t kOutputGrain = 8;      // output rows of a matrix product
constexpr int64_t kFewInputs = 16, kPanelGrain = 4;

const uint8_t* bytes(const std::byte* p) { return reinterpret_cast<const uint8_t*>(p); }

class CpuOps final : public Ops {
 public:
  CpuOps(const CpuKernels& kernels, int threads, bool pin)
      : kernels_(kernels), pool_(threads, pin), name_(fmt::format("cpu/{}", kernels.name)) {}

  std::string_view name() const override { return name_; }
  int threads() const override { return pool_.thread_count(); }

  Result<Weight> place(const Weight& stored) override {
    const PackedFormat* format = packed_format(stored.type);
    if (!format || !kernels_.panel_matmul[static_cast<size_t>(stored.type)]) return stored;
    SAMBAY_TRY(std::byte* const panels, weights_.take(packed_bytes(stored.type, stored.rows, stored.cols)),
               "laying out weights");
    const int64_t size = panel_bytes(format->layout, stored.cols);
    pool_.parallel_for(panel_count(stored.rows), 1, [&](int64_t first, int64_t last) {
      for (int64_t p = first; p < last; p++) {
        const auto rows = std::min<int64_t>(kPanelRows, stored.rows - p * kPanelRows);
        format->pack(stored.row(p * kPanelRows), stored.row_bytes(), static_cast<int>(rows), stored.cols,
                     panels + p * size);
      }
    });
    return Weight{stored.type, panels, stored.rows, stored.cols, true};
  }

  void embed(const Weight& table, std::span<const TokenId> tokens, Rows<float> y) override {
    SAMBAY_CHECK(table.cols == y.cols && static_cast<int64_t>(tokens.size()) == y.rows, shape("embed", y));
    for (int64_t t = 0; t < y.rows; t++) {
      SAMBAY_CHECK(tokens[t] >= 0 && tokens[t] < table.rows, fmt::format("token {}", tokens[t]));
      dtype_info(table.type).decode(stored_row(table, tokens[t]), y.row(t), table.cols);
    }
  }

  void layer_norm(Rows<const float> x, const Norm& norm, Rows<float> y) override {
    SAMBAY_CHECK(x.rows == y.rows && x.cols == y.cols, shape("layer_norm", x));
    pool_.parallel_for(x.rows, 1, [&](int64_t first, int64_t last) {
      for (int64_t t = first; t < last; t++)
        kernels_.layer_norm(x.row(t), norm.weight, norm.bias, norm.eps, y.row(t), x.cols);
    });
  }

  void matmul(Rows<const float> x, const Linear& linear, Rows<float> y) override {
    const Weight& w = linear.weight;
    SAMBAY_CHECK(x.cols == w.cols && y.cols == w.rows && x.rows == y.rows, shape("matmul", x));
    const auto type = static_cast<size_t>(w.type);
    SAMBAY_CHECK(dtype_info(w.type).is_weight, "weight type");
    if (w.in_panels) return matmul_panels(x, linear, y);
    MatMulArgs args{};
    args.weight = bytes(w.data);
    args.row_bytes = w.row_bytes();
    args.cols = w.cols;
    args.bias = linear.bias;
    args.x = x.data;
    args.x_stride = x.stride;
    args.x_rows = x.rows;
    args.y = y.data;
    args.y_stride = y.stride;
    if (type >= kKernelTypeCount || !kernels_.matmul[type]) return matmul_decoded(w, args);
    pool_.parallel_for(w.rows, kOutputGrain, [&](int64_t first, int64_t last) {
      MatMulArgs mine = args;
      mine.first = first;
      mine.last = last;
      kernels_.matmul[type](mine);
    });
  }

  void add(Rows<const float> y, Rows<float> x) override {
    SAMBAY_CHECK(x.rows == y.rows && x.cols == y.cols, shape("add", y));
    by_elements(x.rows, x.cols, [&](int64_t t, int64_t from, int64_t count) {
      kernels_.add(y.row(t) + from, x.row(t) + from, count);
    });
  }

  void silu_mul(Rows<const float> gate, Rows<const float> up, Rows<float> y) override {
    SAMBAY_CHECK(gate.rows == y.rows && gate.cols == y.cols && up.rows == y.rows && up.cols == y.cols,
                 shape("silu_mul", gate));
    by_elements(y.rows, y.cols, [&](int64_t t, int64_t from, int64_t count) {
      kernels_.silu_mul(gate.row(t) + from, up.row(t) + from, y.row(t) + from, count);
    });
  }

  void gather_rows(Rows<const float> x, std::span<const int> rows, Rows<float> y) override {
    SAMBAY_CHECK(x.cols == y.cols && static_cast<int64_t>(rows.size()) == y.rows, shape("gather_rows", x));
    for (int64_t i = 0; i < y.rows; i++)
      if (x.row(rows[i]) != y.row(i))
        std::memcpy(y.row(i), x.row(rows[i]), static_cast<size_t>(x.cols) * sizeof(float));
  }

  void conv1d(const Batch& batch, const CacheMemory& memory, const MambaState& state, const ConvWeights& w,
              Rows<const float> x, Rows<float> u) override {
    SAMBAY_CHECK(x.rows == u.rows && x.cols == u.cols, shape("conv1d", x));
    const StateRows out(batch, memory, state.conv_offset);
    pool_.parallel_for(x.cols, kChannelGrain, [&](int64_t first, int64_t last) {
      for (const SeqRows& s : batch.sequences) {
        ConvArgs args{};
        args.x = x.row(s.first_row), args.x_stride = x.stride;
        args.u = u.row(s.first_row), args.u_stride = u.stride;
        args.rows = s.row_count, args.inner = x.cols;
        args.weight = w.weight, args.bias = w.bias, args.taps = w.taps;
        args.state_in = state_in(s, memory, state.conv_offset);
        args.state_out = out.of(s);
        args.first = first, args.last = last;
        kernels_.conv1d(args);
      }
    });
  }

  void selective_scan(const Batch& batch, const CacheMemory& memory, const MambaState& state,
                      const ScanWeights& w, Rows<const float> dt_raw, Rows<const float> u,
                      Rows<const float> b, Rows<const float> c, Rows<float> y) override {
    SAMBAY_CHECK(dt_raw.cols == u.cols && u.cols == y.cols && b.cols == w.state && c.cols == w.state,
                 shape("selective_scan", u));
    const StateRows out(batch, memory, state.ssm_offset);
    pool_.parallel_for_guided(u.cols, kChannelGrain, [&](int64_t first, int64_t last) {
      for (const SeqRows& s : batch.sequences) {
        ScanArgs args{};
        args.dt = dt_raw.row(s.first_row), args.dt_stride = dt_raw.stride;
        args.u = u.row(s.first_row), args.u_stride = u.stride;
        args.b = b.row(s.first_row), args.b_stride = b.stride;
        args.c = c.row(s.first_row), args.c_stride = c.stride;
        args.y = y.row(s.first_row), args.y_stride = y.stride;
        args.rows = s.row_count, args.inner = u.cols;
        args.a = w.a, args.d = w.d, args.state = w.state;
        args.state_in = state_in(s, memory, state.ssm_offset);
        args.state_out = out.of(s);
        args.first = first, args.last = last;
        kernels_.selective_scan(args);
      }
    });
  }

  void kv_append(const Batch& batch, const CacheMemory& memory, const KvLayer& kv, Rows<const float> k,
                 Rows<const float> v) override {
    const KvLayout& layout = *kv.layout;
    const int width = layout.group.unit_width();
    SAMBAY_CHECK(k.cols == int64_t{width} * layout.group.units() && v.cols == k.cols, shape("kv_append", k));
    const auto encode = dtype_info(layout.type).encode;
    padded_row_.assign(static_cast<size_t>(layout.row_elems), 0.0f);  // behind the row it stays zero
    std::vector<float>& padded = padded_row_;
    for (const SeqRows& s : batch.sequences)
      for (int i = 0; i < s.row_count; i++) {
        const int position = s.position + i;
        std::byte* page = memory.pages[kv.group] + page_of(s, kv, position) * layout.page_bytes;
        for (int unit = 0; unit < layout.group.units(); unit++) {
          std::byte* key =
              page + layout.key_plane(kv.layer, unit) + position % kPageTokens * layout.row_bytes;
          for (const auto& [from, to] : {std::pair{k, key}, std::pair{v, key + layout.plane_bytes}}) {
            const float* row = from.row(s.first_row + i) + int64_t{unit} * width;
            if (width == layout.row_elems) {
              encode(row, to, width);
            } else {
              std::memcpy(padded.data(), row, static_cast<size_t>(width) * sizeof(float));
              encode(padded.data(), to, layout.row_elems);
            }
          }
        }
      }
  }

  void diff_attention(const Batch& batch, const CacheMemory& memory, const KvLayer& kv, const DiffWeights& w,
                      RowIndex rows, Rows<const float> q, Rows<float> y) override {
    attention_.run({batch, memory, kv, w, rows, q, y});
  }

 private:
  /// For every row of a batch, where its state goes (null = nowhere).
  struct StateRows {
    StateRows(const Batch& batch, const CacheMemory& memory, int64_t offset)
        : targets(batch.tokens.size(), nullptr) {
      for (const SeqRows& s : batch.sequences)
        for (int i = 0; i < s.row_count; i++)
          if (s.state_out[i] != kDiscard) targets[s.first_row + i] = memory.slot(s.state_out[i]) + offset;
    }
    float* const* of(const SeqRows& s) const { return targets.data() + s.first_row; }
    std::vector<float*> targets;
  };

  static std::string shape(const char* op, Rows<const float> x) {
    return fmt::format("{}: x [{}, {}]", op, x.rows, x.cols);
  }
  static const float* state_in(const SeqRows& s, const CacheMemory& memory, int64_t offset) {
    return s.state_in == kZeroState ? nullptr : memory.slot(s.state_in) + offset;
  }
  static int64_t page_of(const SeqRows& s, const KvLayer& kv, int position) {
    const PageId page = s.pages[kv.group][position / kPageTokens];
    SAMBAY_CHECK(page != kNoPage, fmt::format("no page for position {}", position));
    return page;
  }

  void matmul_decoded(const Weight& w, const MatMulArgs& args) {
    decode_scratch_.resize(static_cast<size_t>(pool_.thread_count()));
    const int64_t grains = (w.rows + kOutputGrain - 1) / kOutputGrain;
    pool_.run([&](int thread) {
      MatMulArgs mine = args;
      mine.first = grains * thread / pool_.thread_count() * kOutputGrain;
      mine.last = std::min(w.rows, grains * (thread + 1) / pool_.thread_count() * kOutputGrain);
      decoded_matmul(kernels_, w, mine, decode_scratch_[static_cast<size_t>(thread)]);
    });
  }

  void matmul_panels(Rows<const float> x, const Linear& linear, Rows<float> y) {
    const Weight& w = linear.weight;
    PanelArgs args{};
    args.weight = bytes(w.data);
    args.cols = w.cols;
    args.bias = linear.bias;
    args.x_rows = x.rows;
    args.y = y.data;
    args.y_stride = y.stride;
    quantize_input(x, args);
    // Whole panels, so that each thread streams contiguous memory; a few at once where all inputs pass by for
    // each of them.
    const int64_t grain = x.rows > kFewInputs ? kPanelGrain : 1;
    pool_.parallel_for_guided(panel_count(w.rows), grain, [&](int64_t first, int64_t last) {
      PanelArgs mine = args;
      mine.first = first * kPanelRows;
      mine.last = std::min(w.rows, last * kPanelRows);
      kernels_.panel_matmul[static_cast<size_t>(w.type)](mine);
    });
  }

  void quantize_input(Rows<const float> x, PanelArgs& args) {
    SAMBAY_CHECK(x.cols % kPanelBlock == 0, shape("matmul", x));
    const int64_t blocks = x.cols / kPanelBlock;
    const auto levels = static_cast<size_t>(x.rows * x.cols);
    if (input_levels_.size() < levels)
      input_levels_.resize(levels), input_blocks_.resize(levels / kPanelBlock);
    pool_.parallel_for(x.rows, 1, [&](int64_t first, int64_t last) {
      for (int64_t t = first; t < last; t++)
        kernels_.quantize_row(x.row(t), input_levels_.data() + t * x.cols, input_blocks_.data() + t * blocks,
                              x.cols);
    });
    args.levels = input_levels_.data();
    args.blocks = input_blocks_.data();
  }

  /// Row i as stored, wherever it is.
  const std::byte* stored_row(const Weight& w, int64_t i) {
    if (!w.in_panels) return w.row(i);
    stored_row_.resize(static_cast<size_t>(w.row_bytes()));
    const PackedFormat& format = *packed_format(w.type);
    format.unpack(w.data + i / kPanelRows * panel_bytes(format.layout, w.cols),
                  static_cast<int>(i % kPanelRows), w.cols, stored_row_.data());
    return stored_row_.data();
  }

  /// Splits an elementwise op over rows, or over columns when there is one row. fn(row, first column, count).
  template <class F>
  void by_elements(int64_t rows, int64_t cols, F&& fn) {
    if (rows == 1) {
      pool_.parallel_for(cols, kElementGrain,
                         [&](int64_t first, int64_t last) { fn(0, first, last - first); });
    } else {
      pool_.parallel_for(rows, 1, [&](int64_t first, int64_t last) {
        for (int64_t t = first; t < last; t++) fn(t, 0, cols);
      });
    }
  }

  const CpuKernels& kernels_;
  ThreadPool pool_;
  std::string name_;
  Arena weights_;  // those that place() laid out anew
  std::vector<int8_t> input_levels_;
  std::vector<InputBlock> input_blocks_;
  std::vector<std::byte> stored_row_;
  std::vector<float> padded_row_;
  CpuAttention attention_{kernels_, pool_};
  std::vector<std::vector<float>> decode_scratch_;  // of each thread
};

}  // namespace

int64_t cpu_workspace_bytes(const WorkspaceShape& shape, int threads) {
  const int64_t levels = shape.rows * shape.quantized_cols;
  const int64_t blocks = levels / kPanelBlock * static_cast<int64_t>(sizeof(InputBlock));
  return levels + blocks +
         cpu_attention_bytes(shape.attention_pairs, shape.head_dim,
                             threads > 0 ? threads : physical_core_count());
}

PlacedBytes cpu_placed_bytes(DType type, int64_t rows, int64_t cols) {
  if (packed_format(type)) return {packed_bytes(type, rows, cols), true};
  return {dtype_bytes(type, rows * cols), false};
}

Result<std::unique_ptr<Ops>> make_cpu_ops(const CpuOptions& options) {
  constexpr int kMaxThreads = 1024;
  if (options.threads < 0 || options.threads > kMaxThreads)
    return fail(ErrorCode::invalid_argument, fmt::format("{} threads: must be 1 to {}, or 0 for one per core",
                                                         options.threads, kMaxThreads));
  SAMBAY_TRY(const CpuKernels* kernels, select_kernels(options.isa), "choosing kernels");
  const int threads = options.threads ? options.threads : physical_core_count();
  try {
    return std::make_unique<CpuOps>(*kernels, threads, options.pin);
  } catch (const std::system_error& e) {
    return fail(ErrorCode::out_of_memory,
                fmt::format("{} threads: the system refuses them ({})", threads, e.what()));
  }
}

}  // namespace sambay
