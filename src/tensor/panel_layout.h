// How block-quantized weights lie in memory when they are multiplied: in panels of 16 output rows, so that a
// vector register holds the same four columns of several rows. A dot product then ends with one row per lane:
// no sums across lanes, and the same order of additions whatever else is computed.
//
// A panel of [16, cols] is one stream: super-blocks, each a record of scales and then the levels of its
// blocks of 32 columns. The columns of a block are eight groups of four; 64 bytes hold one group of all rows:
// byte 4 r + c is row r, column 4 g + c.
//   levels of 4 bits  256 bytes: vector j has group j in the lower halves, group j + 4 in the upper halves
//             5 bits  320: those, then one vector whose bit g is bit 4 of group g
//             6 bits  384: those of 4 bits, then vectors h = 0, 1 whose bits 2 j are the upper bits of group
//                     4 h + j
//             8 bits  512: vector g is group g, signed
//   record of q4_0, q8_0  2 blocks: for each 16 x f16 scale
//             q4_k, q5_k  8 blocks: 16 x f16 factor, 16 x f16 min_factor, then for each block 16 x scale and
//                         16 x min, a byte each
//             q6_k        8 blocks: 16 x f16 factor, then per 16 columns 16 x int8 scale; 32 bytes to fill a
//             line
// The last panel of a matrix is filled up with zeros. Plain C: also read by the sealed files.
#pragma once

#include <stdint.h>

namespace sambay {

enum { kPanelRows = 16, kPanelBlock = 32, kPanelGroups = 8, kPanelVector = 64 };

struct PanelLayout {
  int levels_bytes;  // of one block
  int super_blocks;  // blocks that share a record of scales
  int record_bytes;
};
// Free and static: a member would be inline, and the sealed files' copy could become the whole program's.
static constexpr int panel_super_bytes(PanelLayout layout) {
  return layout.record_bytes + layout.super_blocks * layout.levels_bytes;
}
static constexpr int64_t panel_bytes(PanelLayout layout, int64_t cols) {
  const int64_t columns = static_cast<int64_t>(layout.super_blocks) * kPanelBlock;
  return (cols + columns - 1) / columns * panel_super_bytes(layout);
}

constexpr PanelLayout kPanelQ8_0 = {512, 2, 2 * 32};
constexpr PanelLayout kPanelQ4_0 = {256, 2, 2 * 32};
constexpr PanelLayout kPanelQ4_K = {256, 8, 64 + 8 * 32};
constexpr PanelLayout kPanelQ5_K = {320, 8, 64 + 8 * 32};
constexpr PanelLayout kPanelQ6_K = {384, 8, 32 + 16 * 16 + 32};

}  // namespace sambay
