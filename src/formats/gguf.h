// GGUF: what reader and writer share. Source: the GGUF description in ggml; keys in docs/file-format.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace sambay {

inline constexpr uint32_t kGgufMagic = 0x46554747;  // "GGUF", little-endian
inline constexpr int64_t kGgufDefaultAlignment = 32;

// Limits on what a file may claim; Phi-4-mini-flash has 434 tensors and some 40 keys.
inline constexpr uint64_t kGgufMaxTensors = 1 << 16;
inline constexpr uint64_t kGgufMaxKeys = 1 << 16;
inline constexpr uint64_t kGgufMaxNameBytes = (1 << 16) - 1;  // of a key or a tensor's name; the format's own
inline constexpr uint32_t kGgufMaxDims = 4;
inline constexpr int64_t kGgufMaxAlignment = 1 << 20;

enum class GgufType : uint32_t {
  u8 = 0,
  i8 = 1,
  u16 = 2,
  i16 = 3,
  u32 = 4,
  i32 = 5,
  f32 = 6,
  boolean = 7,
  string = 8,
  array = 9,
  u64 = 10,
  i64 = 11,
  f64 = 12,
};

/// A metadata value for writing.
using GgufValue =
    std::variant<uint32_t, int32_t, float, bool, uint64_t, std::string, std::vector<std::string>,
                 std::vector<int32_t>, std::vector<uint32_t>, std::vector<float>>;

struct GgufEntry {
  std::string key;
  GgufValue value;
};

}  // namespace sambay
