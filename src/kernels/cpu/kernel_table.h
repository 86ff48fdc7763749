// The table of CPU kernels, one per instruction set. Kernels take pointers and sizes, run on one thread,
// allocate nothing and cannot fail: the ops above checked the shapes.
//
// Plain C headers only: this file is included by the sealed isa_<name>.cpp files, which are built with extra
// instruction-set flags. A std:: template instantiated there could be kept by the linker for the whole
// program and crash older CPUs.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace sambay {

/// Same numbers as DType (checked in kernels.cpp).
enum KernelType {
  kKernelF32,
  kKernelF16,
  kKernelBF16,
  kKernelQ8_0,
  kKernelQ4_0,
  kKernelQ4_K = 10,
  kKernelQ5_K,
  kKernelQ6_K,
  kKernelTypeCount
};

/// y[t][r] = bias[r] + sum_k w[r][k] x[t][k]  for r in [first, last), t in [0, x_rows).
/// Every y element is one sum in ascending order of k with a fixed number of partial sums, whatever the other
/// arguments are.
struct MatMulArgs {
  const uint8_t* weight;  // row 0
  int64_t row_bytes;
  int64_t cols;
  const float* bias;  // [out] or null
  const float* x;     // [x_rows, cols]
  int64_t x_stride;   // floats
  int64_t x_rows;
  float* y;
  int64_t y_stride;
  int64_t first, last;
};

/// What a product with quantized weights needs to know of 32 input values besides their int8 levels.
struct InputBlock {
  float scale;                         // value = scale * level
  float scaled_sum;                    // scale * (sum of the levels): for weights with an offset
  int32_t minus_sum, minus_lower_sum;  // of all levels, and of the first 16: for weights with a zero level
};

/// The same product with a weight in panels (tensor/panel_layout.h) and the input from quantize_row. Integer
/// sums of 32 (q6_k: 16) columns are exact; those of the blocks are added as
///   acc = fma(float(sum), weight scale * input scale, acc), then fma(-offset, scaled_sum, acc)
/// in ascending order, so every instruction set gives the same bits.
struct PanelArgs {
  const uint8_t* weight;            // panel 0
  int64_t cols;                     // a multiple of the stored block
  const float* bias;                // [out] or null
  const int8_t* levels;             // [x_rows, cols]
  const struct InputBlock* blocks;  // [x_rows, cols / 32]
  int64_t x_rows;
  float* y;
  int64_t y_stride;
  int64_t first, last;  // rows; first is a multiple of 16, last too or the end of the matrix
};

/// Causal depthwise convolution with silu for channels [first, last) of one sequence.
struct ConvArgs {
  const float* x;  // [rows, inner]
  int64_t x_stride;
  float* u;  // [rows, inner]
  int64_t u_stride;
  int64_t rows, inner;
  const float* weight;  // [taps, inner]
  const float* bias;    // [inner]
  int taps;
  const float* state_in;    // [taps - 1, inner], oldest first; null = zeros
  float* const* state_out;  // [rows], null = nobody wants it; may equal state_in
  int64_t first, last;
};

/// One selective-scan step per row, in order, for channels [first, last) of one sequence (Mamba-1):
///   dt = softplus(dt_raw);  s[n] = exp(dt*A[n]) s[n] + dt*u*B[n];  y = D u + sum_n s[n] C[n]
/// The state is transposed, [state, inner], so that lanes run along channels and no sum crosses lanes.
/// Source: Gu & Dao 2023, section 3; reference values: tests/golden.
struct ScanArgs {
  const float *dt, *u, *b, *c;  // [rows, inner] x2, [rows, state] x2
  int64_t dt_stride, u_stride, b_stride, c_stride;
  float* y;  // [rows, inner]; may be dt
  int64_t y_stride;
  int64_t rows, inner;
  const float* a;  // [state, inner]
  const float* d;  // [inner]
  int state;
  const float* state_in;    // [state, inner]; null = zeros
  float* const* state_out;  // as in ConvArgs
  int64_t first, last;
};

enum {
  kAttentionPage =
      64,  ///< positions in a page of keys and values: kPageTokens (checked in attention_split.h)
  kAttentionRows = 32,  ///< most rows of one call
};

/// Differential attention of neighbouring rows of one sequence for one KV pair ("unit"): `pairs` query pairs
/// share one pair of keys and one value of 2 * head_dim.
///
/// Positions are cut into chunks, and those into pages; both begin at absolute positions. What a row sees of
/// a chunk is added up page by page, and the sums of its chunks in ascending order. So a row's bits depend
/// neither on the rows beside it, nor on how the prompt was cut, nor on who computes which chunk.
struct AttentionArgs {
  const float* q;  // [rows, pairs, 2, head_dim]
  int64_t q_stride;
  int rows, pairs, head_dim;        // rows: 1 to kAttentionRows
  int64_t position;                 // of the first row; the others follow
  int64_t window;                   // positions that a row sees, its own included; 0: all
  int64_t chunk_tokens;             // a multiple of kAttentionPage
  int64_t first_chunk, last_chunk;  // chunks [first, last); rows may see nothing of some of them
  const uint8_t* pool;              // of the group's pages
  const int32_t* pages;             // page of position p: pages[p / kAttentionPage]
  int64_t page_bytes;
  int64_t key_plane;    // offset of this unit's keys in a page
  int64_t plane_bytes;  // the values follow the keys after as many bytes
  int64_t row_bytes;
  float scale;                   // 1 / sqrt(head_dim)
  float* sums;                   // [rows] of attention_sum_floats; or one such for each chunk,
  bool keep_apart;               //   [chunks, rows]
  float* scratch;                // attention_scratch_floats(pairs, head_dim), aligned to 64 bytes
  float lambda, eps, out_scale;  // from here on: for attention_finish
  const float* sub_norm;         // [2 * head_dim]
  float* y;                      // [rows, pairs, 2 * head_dim]
  int64_t y_stride;
};

/// What a row has seen of some chunks: weighted values [queries, 2 * head_dim], maxima of the scores
/// [queries] and sums of the weights [queries], queries being 2 * pairs. Whole cache lines.
static inline int64_t attention_sum_floats(int64_t pairs, int64_t head_dim) {
  return (2 * pairs * (2 * head_dim + 2) + 15) / 16 * 16;
}
/// A page decoded, and for each row the weights of a page, the sum of a chunk, and two factors per query.
static inline int64_t attention_scratch_floats(int64_t pairs, int64_t head_dim) {
  const int64_t row = 2 * pairs * (kAttentionPage + 2) + attention_sum_floats(pairs, head_dim);
  return 2 * 2 * head_dim * kAttentionPage + kAttentionRows * row;
}

struct CpuKernels {
  const char* name;
  bool (*supported)();  // asked from a file built without extra flags

  void (*matmul[kKernelTypeCount])(const MatMulArgs&);       // null: no kernel for rows as stored
  void (*panel_matmul[kKernelTypeCount])(const PanelArgs&);  // null: no kernel for panels
  /// One row to int8, per block of 32: scale = max|x| / 127, ties to even. cols is a multiple of 32. A value
  /// that is not finite makes its block's scale NaN or infinite.
  void (*quantize_row)(const float* x, int8_t* levels, InputBlock* blocks, int64_t cols);

  void (*layer_norm)(const float* x, const float* weight, const float* bias, float eps, float* y, int64_t n);
  void (*add)(const float* y, float* x, int64_t n);  // x += y
  void (*silu_mul)(const float* gate, const float* up, float* y, int64_t n);
  void (*conv1d)(const ConvArgs&);
  void (*selective_scan)(const ScanArgs&);
  void (*attend[kKernelTypeCount])(const AttentionArgs&);  // to a.sums; by KV type; null for bf16
  /// Adds to a.sums those that attend kept apart for chunks [first_chunk, last_chunk) behind them.
  void (*attention_add)(const AttentionArgs&, float* sums);
  void (*attention_finish)(const AttentionArgs&);  // a.sums of all chunks to a.y

  // Elementary functions, exposed so that tests can sweep their whole range.
  void (*exp)(const float* x, float* y, int64_t n);
  void (*softplus)(const float* x, float* y, int64_t n);

  // Nothing but loads or multiplications: the ceilings that kernels are held against.
  /// Reads [data, data + bytes) once; XOR of its 64-bit words. data is 64-byte aligned, bytes a multiple of
  /// 4096. In one stream as the CPU prefetches it, and in four that are prefetched: CPUs differ in which is
  /// faster.
  uint64_t (*read_memory[2])(const uint8_t* data, int64_t bytes);
  const char* int8_instructions;             // of multiply_int8, which are those of panel_matmul
  int64_t (*multiply_int8)(int64_t rounds);  // both: how many multiply-adds were done
  int64_t (*multiply_f32)(int64_t rounds);
};

}  // namespace sambay
