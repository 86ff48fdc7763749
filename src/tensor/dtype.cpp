#include "tensor/dtype.h"

#include <array>
#include <cstring>

#include "base/half.h"
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

// Rows are in the order of the enumeration.
constexpr std::array<DTypeInfo, kDTypeCount> kTable = {{
    {DType::f32, "f32", 0, 1, 4, true, true, decode_f32, encode_f32},
    {DType::f16, "f16", 1, 1, 2, true, true, decode_16<f16_to_f32>, encode_16<f32_to_f16>},
    {DType::bf16, "bf16", 30, 1, 2, true, false, decode_16<bf16_to_f32>, encode_16<f32_to_bf16>},
    {DType::q8_0, "q8_0", 8, BlockQ8_0::kElems, sizeof(BlockQ8_0), true, true, decode_q8_0, encode_q8_0},
    {DType::i32, "i32", 26, 1, 4, false, false, nullptr, nullptr},
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
