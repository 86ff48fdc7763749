// How keys and values lie inside a page, and what one sequence of a model costs.
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/dtype.h"

namespace sambay {

inline constexpr int kPageTokens = 64;  ///< positions in one KV page
inline constexpr int kMaxKvGroups = 2;

/// Layers that share one page table. Keys (and values) of `unit_heads` neighbouring heads lie together as one
/// row per position: two for differential attention, whose pairs are always read together.
struct KvGroup {
  int layers = 0, kv_heads = 0, head_dim = 0;
  int window = 0;  ///< a query sees this many positions, its own included; 0: all
  int unit_heads = 1;

  int units() const { return kv_heads / unit_heads; }
  int unit_width() const { return unit_heads * head_dim; }
};

/// Page of a group: [layer][unit][K then V][kPageTokens rows], a row being unit_width elements of the KV
/// type, padded to whole blocks. So what one query reads is contiguous in position.
struct KvLayout {
  KvLayout(const KvGroup& g, DType kv_type) : group(g), type(kv_type) {
    const DTypeInfo& info = dtype_info(kv_type);
    row_elems = (g.unit_width() + info.block_elems - 1) / info.block_elems * info.block_elems;
    row_bytes = row_elems / info.block_elems * info.block_bytes;
    plane_bytes = int64_t{row_bytes} * kPageTokens;
    page_bytes = plane_bytes * 2 * g.units() * g.layers;
  }
  /// Offset inside a page of the key plane of (layer of the group, unit); the value plane follows it.
  int64_t key_plane(int layer, int unit) const {
    return (int64_t{layer} * group.units() + unit) * 2 * plane_bytes;
  }

  KvGroup group;
  DType type;
  int row_elems = 0;
  int row_bytes = 0;
  int64_t plane_bytes = 0, page_bytes = 0;
};

/// What one sequence of this model costs. Whoever owns the memory allocates from this and knows nothing else
/// of the architecture.
struct CacheSpec {
  int64_t state_bytes = 0;  ///< recurrent state per slot; 0 for models without
  std::vector<KvGroup> kv;  ///< SambaY: {8 layers, window 512}, {1 layer, everything}
};

}  // namespace sambay
