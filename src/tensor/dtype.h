// The table of element types. Adding a quantization type means one quant_<name>.h and one row in dtype.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace sambay {

enum class DType : uint8_t {
  f32,
  f16,
  bf16,
  q8_0,
  q4_0,
  q4_1,
  q5_0,
  q5_1,
  q2_k,
  q3_k,
  q4_k,
  q5_k,
  q6_k,
  iq4_nl,
  i32,  // last: no weights are made of it
};
inline constexpr int kDTypeCount = 15;

struct DTypeInfo {
  DType type;
  const char* name;  ///< as on the command line and in `sambay info`: "f32", "q8_0"
  uint32_t gguf_id;  ///< ggml's number for the type
  int block_elems;   ///< elements that share one block; 1 for plain types
  int block_bytes;
  bool is_weight;  ///< may hold a matrix that matmul reads
  bool is_kv;      ///< may hold keys and values

  /// block-encoded -> f32; count is a multiple of block_elems. Null for i32.
  void (*decode)(const std::byte* from, float* to, int64_t count);
  /// f32 -> block-encoded; the least squared error that the format's search finds. Null for i32. A value
  /// that is not finite makes at least one value of its block decode as NaN or infinity.
  void (*encode)(const float* from, std::byte* to, int64_t count);
  /// The same when errors do not weigh the same: importance [count], finite and not negative. Null for types
  /// that round each value by itself, or by a fixed rule (q8_0).
  void (*encode_weighted)(const float* from, std::byte* to, int64_t count, const float* importance);

  bool is_block() const { return block_elems > 1; }
  double bits() const { return 8.0 * block_bytes / block_elems; }  ///< per value
};

const DTypeInfo& dtype_info(DType type);
std::span<const DTypeInfo> all_dtypes();
std::optional<DType> dtype_from_name(std::string_view name);
std::optional<DType> dtype_from_gguf_id(uint32_t id);

/// Bytes of `count` elements; count must be a multiple of the block length. No overflow check.
inline int64_t dtype_bytes(DType type, int64_t count) {
  const DTypeInfo& info = dtype_info(type);
  return count / info.block_elems * info.block_bytes;
}

}  // namespace sambay
