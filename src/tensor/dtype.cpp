#include "tensor/dtype.h"

#include <array>
#include <cstring>

#include "base/half.h"
#include "tensor/quant_iq4_nl.h"
#include "tensor/quant_q2_k.h"
#include "tensor/quant_q3_k.h"
#include "tensor/quant_q4_0.h"
#include "tensor/quant_q4_1.h"
#include "tensor/quant_q4_k.h"
#include "tensor/quant_q5_0.h"
#include "tensor/quant_q5_1.h"
#include "tensor/quant_q5_k.h"
#include "tensor/quant_q6_k.h"
#include "tensor/quant_q8_0.h"

namespace sambay {
namespace {

// Source bytes may be unaligned (safetensors), hence memcpy per element; compilers turn it into plain loads.
void decode_f32(const std::byte* from, float* to, int64_t count) {
  std::memcpy(to, from, static_cast<size_t>(count) * sizeof(float));
}
void encode_f32(const float* from, std::byte* to, int64_t count) {
  std::memcpy(to, from, static_cast<size_t>(count) * sizeof(float));
}

template <float (*Widen)(uint16_t)>
void decode_16(const std::byte* from, float* to, int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    uint16_t h;
    std::memcpy(&h, from + i * 2, 2);
    to[i] = Widen(h);
  }
}
template <uint16_t (*Narrow)(float)>
void encode_16(const float* from, std::byte* to, int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    const uint16_t h = Narrow(from[i]);
    std::memcpy(to + i * 2, &h, 2);
  }
}

template <auto Encode>
void unweighted(const float* from, std::byte* to, int64_t count) {
  Encode(from, to, count, nullptr);
}

constexpr DTypeInfo plain(DType type, const char* name, uint32_t gguf_id, int bytes, bool is_kv,
                          decltype(DTypeInfo::decode) decode, decltype(DTypeInfo::encode) encode) {
  return {type, name, gguf_id, 1, bytes, true, is_kv, decode, encode, nullptr};
}
template <class Block, auto Decode, auto Encode>
constexpr DTypeInfo searched(DType type, const char* name, uint32_t gguf_id) {
  return {type, name, gguf_id, Block::kElems, sizeof(Block), true, false, Decode, unweighted<Encode>, Encode};
}

// Rows are in the order of the enumeration.
constexpr std::array<DTypeInfo, kDTypeCount> kTable = {{
    plain(DType::f32, "f32", 0, 4, true, decode_f32, encode_f32),
    plain(DType::f16, "f16", 1, 2, true, decode_16<f16_to_f32>, encode_16<f32_to_f16>),
    plain(DType::bf16, "bf16", 30, 2, false, decode_16<bf16_to_f32>, encode_16<f32_to_bf16>),
    {DType::q8_0, "q8_0", 8, BlockQ8_0::kElems, sizeof(BlockQ8_0), true, true, decode_q8_0, encode_q8_0,
     nullptr},
    searched<BlockQ4_0, decode_q4_0, encode_q4_0>(DType::q4_0, "q4_0", 2),
    searched<BlockQ4_1, decode_q4_1, encode_q4_1>(DType::q4_1, "q4_1", 3),
    searched<BlockQ5_0, decode_q5_0, encode_q5_0>(DType::q5_0, "q5_0", 6),
    searched<BlockQ5_1, decode_q5_1, encode_q5_1>(DType::q5_1, "q5_1", 7),
    searched<BlockQ2_K, decode_q2_k, encode_q2_k>(DType::q2_k, "q2_k", 10),
    searched<BlockQ3_K, decode_q3_k, encode_q3_k>(DType::q3_k, "q3_k", 11),
    searched<BlockQ4_K, decode_q4_k, encode_q4_k>(DType::q4_k, "q4_k", 12),
    searched<BlockQ5_K, decode_q5_k, encode_q5_k>(DType::q5_k, "q5_k", 13),
    searched<BlockQ6_K, decode_q6_k, encode_q6_k>(DType::q6_k, "q6_k", 14),
    searched<BlockIQ4_NL, decode_iq4_nl, encode_iq4_nl>(DType::iq4_nl, "iq4_nl", 20),
    {DType::i32, "i32", 26, 1, 4, false, false, nullptr, nullptr, nullptr},
}};

}  // namespace

const DTypeInfo& dtype_info(DType type) { return kTable[static_cast<size_t>(type)]; }
std::span<const DTypeInfo> all_dtypes() { return kTable; }

std::optional<DType> dtype_from_name(std::string_view name) {
  for (const DTypeInfo& row : kTable)
    if (name == row.name) return row.type;
  return std::nullopt;
}

std::optional<DType> dtype_from_gguf_id(uint32_t id) {
  for (const DTypeInfo& row : kTable)
    if (id == row.gguf_id) return row.type;
  return std::nullopt;
}

}  // namespace sambay
