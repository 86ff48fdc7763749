// How Q4_K and Q5_K pack eight scales and eight minimums of 6 bits into 12 bytes: those of groups 0 to 3 in
// the lower 6 bits of bytes 0 to 3 (scales) and 4 to 7 (minimums); of groups 4 to 7 the lower 4 bits in bytes
// 8 to 11 (scale in the lower half), the upper 2 bits on top of bytes 0 to 3 and 4 to 7.
#pragma once

#include <cstdint>

namespace sambay {

inline int k_scale(const uint8_t* packed, int group) {
  return group < 4 ? packed[group] & 63 : (packed[group + 4] & 15) | packed[group - 4] >> 6 << 4;
}
inline int k_min(const uint8_t* packed, int group) {
  return group < 4 ? packed[group + 4] & 63 : packed[group + 4] >> 4 | packed[group] >> 6 << 4;
}

inline void pack_k_scales(const int* scales, const int* mins, uint8_t* packed) {
  for (int g = 0; g < 4; g++) {
    packed[g] = static_cast<uint8_t>(scales[g] | scales[g + 4] >> 4 << 6);
    packed[g + 4] = static_cast<uint8_t>(mins[g] | mins[g + 4] >> 4 << 6);
    packed[g + 8] = static_cast<uint8_t>((scales[g + 4] & 15) | (mins[g + 4] & 15) << 4);
  }
}

}  // namespace sambay
