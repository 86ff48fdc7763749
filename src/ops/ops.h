// The tensor operations that a forward pass is written in. Two levels, two vocabularies: ops take tensors,
// check shapes and split work over threads; kernels (below) take pointers and know the instruction set.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "ops/batch.h"
#include "sambay/error.h"
#include "tensor/tensor.h"

namespace sambay {

struct Norm {
  const float* weight = nullptr;  // [cols]
  const float* bias = nullptr;    // [cols]
  float eps = 1e-5f;
};

/// Where in CacheMemory one attention layer keeps its keys and values.
struct KvLayer {
  const KvLayout* layout = nullptr;
  int group = 0;  ///< in CacheMemory::pages and SeqRows::pages
  int layer = 0;  ///< within the group
};

/// Constants of one Mamba layer; f32. Offsets are in floats inside a state slot.
struct MambaState {
  int64_t conv_offset = 0;  ///< [conv-1, inner], oldest first
  int64_t ssm_offset = 0;   ///< [state, inner]
};
struct ConvWeights {
  const float* weight = nullptr;  ///< [conv, inner], tap conv-1 multiplies the current row
  const float* bias = nullptr;    ///< [inner]
  int taps = 4;
};
struct ScanWeights {
  const float* a = nullptr;  ///< [state, inner], negative
  const float* d = nullptr;  ///< [inner]
  int state = 16;
};
struct DiffWeights {
  float lambda = 0;
  const float* sub_norm = nullptr;  ///< [2 * head_dim]
  float eps = 1e-5f;
  float out_scale = 1;  ///< 1 - lambda_init
};

/// For each row of a tensor whose rows were picked from the batch: which batch row it is. Empty = all rows.
using RowIndex = std::span<const int>;

/// Everything is bit-identical for any thread count and any company of other rows: each output element is one
/// sum in a fixed order. No op fails: shapes are checked with SAMBAY_CHECK. One thread at a time.
class Ops {
 public:
  virtual ~Ops() = default;
  virtual std::string_view name() const = 0;  ///< "cpu/avx2"
  virtual int threads() const = 0;

  /// The weight in the order in which matmul reads it fastest. Where that differs from how it is stored, it
  /// is a copy that lives as long as the Ops; else what was given. Errors: out_of_memory.
  virtual Result<Weight> place(const Weight& stored) = 0;
  /// y[t] = row tokens[t] of the table as f32.   y [T, hidden]
  virtual void embed(const Weight& table, std::span<const TokenId> tokens, Rows<float> y) = 0;
  /// y = (x - mean) / sqrt(var + eps) * weight + bias, per row.   x, y [T, cols]
  virtual void layer_norm(Rows<const float> x, const Norm& norm, Rows<float> y) = 0;
  /// y = x W^T + b.   x [T, in], W [out, in], y [T, out]. W in panels: x is rounded to int8 per block of 32.
  /// Other block-quantized W is decoded to f32 on the way.
  virtual void matmul(Rows<const float> x, const Linear& linear, Rows<float> y) = 0;
  /// x += y
  virtual void add(Rows<const float> y, Rows<float> x) = 0;
  /// y = silu(gate) * up
  virtual void silu_mul(Rows<const float> gate, Rows<const float> up, Rows<float> y) = 0;
  /// y[i] = x[rows[i]], rows ascending; y may be x.
  virtual void gather_rows(Rows<const float> x, std::span<const int> rows, Rows<float> y) = 0;
  /// u = silu(causal depthwise convolution of x), starting from and leaving behind the conv state of each
  /// sequence. x, u [T, inner]; must not overlap.
  virtual void conv1d(const Batch& batch, const CacheMemory& memory, const MambaState& state,
                      const ConvWeights& w, Rows<const float> x, Rows<float> u) = 0;
  /// Selective scan (Mamba-1). Per channel c and row t, s starting from the sequence's ssm state:
  ///   dt = softplus(dt_raw);  s[n] = exp(dt*A[n]) s[n] + dt*u*B[n];  y = sum_n s[n] C[n] + D u
  /// dt_raw, u, y [T, inner] (y may be dt_raw); b, c [T, state].
  virtual void selective_scan(const Batch& batch, const CacheMemory& memory, const MambaState& state,
                              const ScanWeights& w, Rows<const float> dt_raw, Rows<const float> u,
                              Rows<const float> b, Rows<const float> c, Rows<float> y) = 0;
  /// Stores key and value of every row of the batch.   k, v [T, kv_heads * head_dim]
  virtual void kv_append(const Batch& batch, const CacheMemory& memory, const KvLayer& kv,
                         Rows<const float> k, Rows<const float> v) = 0;
  /// Differential attention: two softmaxes over neighbouring heads, one value of 2 * head_dim, a0 - lambda
  /// a1, RMS norm, scale. q, y [R, heads * head_dim]; row r is batch row rows[r] (all rows when empty), whose
  /// own key is already stored. The window is the group's. Source: docs/model.md, "Differential attention".
  virtual void diff_attention(const Batch& batch, const CacheMemory& memory, const KvLayer& kv,
                              const DiffWeights& w, RowIndex rows, Rows<const float> q, Rows<float> y) = 0;
};

struct CpuOptions {
  int threads = 0;       ///< 0: one per physical core that the process may use
  std::string_view isa;  ///< "" best supported; else a name of compiled_kernels()
  bool pin = true;
};
/// The largest inputs that the ops of a run see.
struct WorkspaceShape {
  int64_t rows = 0;            ///< of a step
  int64_t quantized_cols = 0;  ///< input columns of the widest block-quantized matrix; 0: there is none
  int attention_pairs = 0;     ///< query pairs that share one KV pair
  int head_dim = 0;
};
/// Bytes that the CPU's ops keep of their own for inputs of this size. threads 0: one per physical core.
int64_t cpu_workspace_bytes(const WorkspaceShape& shape, int threads);
/// Bytes of a weight where place() leaves it, and whether that is a copy.
struct PlacedBytes {
  int64_t bytes = 0;
  bool is_copy = false;
};
PlacedBytes cpu_placed_bytes(DType type, int64_t rows, int64_t cols);

/// Errors: invalid_argument (thread count, unknown ISA: lists the known ones), unsupported (this CPU lacks
/// it).
Result<std::unique_ptr<Ops>> make_cpu_ops(const CpuOptions& options = {});

}  // namespace sambay
