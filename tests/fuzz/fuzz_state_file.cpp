// Saved states of sequences: first as they are, then with checksums that are right, so that what stands
// behind them is looked at too.
#include <xxhash.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <vector>

#include "engine/state_file.h"

namespace {

constexpr size_t kHeaderBytes = 104, kPayloadHashAt = 88, kHeaderHashAt = 96;

sambay::CachePools& pools() {
  static sambay::CachePools pools = *sambay::CachePools::create(
      sambay::plan_caches({64, {{1, 2, 2, 3, 2}, {1, 2, 2, 0, 2}}}, sambay::DType::f32, 1, 200, 8));
  return pools;
}

bool try_to_load(std::span<const uint8_t> bytes) {
  const sambay::StateShape shape{42, 500, 200, &pools().plan()};
  const auto view = sambay::parse_state(std::as_bytes(bytes), shape);
  if (!view) return false;
  if (!pools().has(sambay::need_to_load(pools(), static_cast<int>(view->tokens.size())))) std::abort();
  sambay::SequenceCache cache = sambay::load_state(pools(), *view);
  pools().close(cache);
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try_to_load({data, size});
  if (size < kHeaderBytes) return 0;
  std::vector<uint8_t> mended(data, data + size);
  const uint64_t payload = XXH3_64bits(mended.data() + kHeaderBytes, size - kHeaderBytes);
  std::memcpy(mended.data() + kPayloadHashAt, &payload, sizeof payload);
  const uint64_t header = XXH3_64bits(mended.data(), kHeaderHashAt);
  std::memcpy(mended.data() + kHeaderHashAt, &header, sizeof header);
  try_to_load(mended);
  return 0;
}
