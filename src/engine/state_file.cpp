#include "engine/state_file.h"

#include <fmt/core.h>
#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/mapped_file.h"
#include "base/running_hash.h"

namespace sambay {
namespace {

static_assert(std::endian::native == std::endian::little, "the file is little-endian");

constexpr std::array<char, 8> kMagic = {'S', 'A', 'M', 'B', 'A', 'Y', 'S', 'T'};

struct GroupHeader {
  uint64_t page_bytes;
  uint32_t first_page, page_count;
};

struct Header {
  std::array<char, 8> magic;
  uint32_t version, header_bytes;
  uint64_t model;
  uint32_t kv_type, token_count;
  uint64_t slot_bytes;
  uint32_t group_count, logit_count;
  std::array<GroupHeader, kMaxKvGroups> groups;
  uint64_t payload_bytes, payload_hash;
  uint64_t header_hash;  // of all before it
};
static_assert(sizeof(Header) == 104 && kMaxKvGroups == 2, "no padding");

uint64_t hash_of(const Header& header) { return XXH3_64bits(&header, offsetof(Header, header_hash)); }

int first_page(const KvGroup& group, int position) {
  return group.window > 0 ? std::max(0, position - group.window + 1) / kPageTokens : 0;
}

/// What the header must say for these pools, hashes aside.
Header expected_header(const StateShape& shape, uint32_t token_count, uint32_t logit_count) {
  const CachePlan& plan = *shape.plan;
  Header header{};
  header.magic = kMagic;
  header.version = kStateFileVersion, header.header_bytes = sizeof(Header);
  header.model = shape.model;
  header.kv_type = static_cast<uint32_t>(plan.groups[0].layout.type);
  header.token_count = token_count, header.logit_count = logit_count;
  header.slot_bytes = static_cast<uint64_t>(plan.slot_bytes);
  header.group_count = static_cast<uint32_t>(plan.groups.size());
  header.payload_bytes = 4 * uint64_t{token_count} + 4 * uint64_t{logit_count} + header.slot_bytes;
  for (size_t g = 0; g < plan.groups.size(); g++) {
    const auto position = static_cast<int>(token_count);
    const int first = first_page(plan.groups[g].layout.group, position);
    const int count = pages_for(position) - first;
    header.groups[g] = {static_cast<uint64_t>(plan.groups[g].layout.page_bytes), static_cast<uint32_t>(first),
                        static_cast<uint32_t>(count)};
    header.payload_bytes += header.groups[g].page_bytes * header.groups[g].page_count;
  }
  return header;
}

Result<void> check_header(const Header& h, size_t file_bytes, const StateShape& shape) {
  const auto wrong = [](ErrorCode code, const char* what) {
    return fail(code, fmt::format("saved state: {}", what));
  };
  if (h.version != kStateFileVersion)
    return fail(ErrorCode::unsupported, fmt::format("saved state: version {}; this program reads version {}",
                                                    h.version, kStateFileVersion));
  if (h.header_hash != hash_of(h)) return wrong(ErrorCode::corrupt, "its header is damaged");
  if (h.model != shape.model) return wrong(ErrorCode::unsupported, "it belongs to another model file");
  if (h.token_count == 0 || h.token_count > static_cast<uint32_t>(shape.max_tokens))
    return fail(ErrorCode::unsupported, fmt::format("saved state: {} tokens; the context here is {}",
                                                    h.token_count, shape.max_tokens));
  if (h.logit_count != 0 && h.logit_count != static_cast<uint32_t>(shape.vocab))
    return wrong(ErrorCode::corrupt, "it has logits of another vocabulary");
  Header expected = expected_header(shape, h.token_count, h.logit_count);
  if (h.kv_type != expected.kv_type)
    return wrong(ErrorCode::unsupported, "its keys and values are of another type (--kv)");
  expected.payload_hash = h.payload_hash, expected.header_hash = h.header_hash;
  if (std::memcmp(&h, &expected, sizeof h) != 0)
    return wrong(ErrorCode::unsupported, "its caches have another shape than this model's");
  if (file_bytes != sizeof h + h.payload_bytes)
    return fail(ErrorCode::corrupt, fmt::format("saved state: {} bytes; its header says {}", file_bytes,
                                                sizeof h + h.payload_bytes));
  return {};
}

/// Appends and hashes.
class Payload {
 public:
  explicit Payload(AtomicFile& file) : file_(file) {}
  Result<void> write(const void* data, size_t bytes) {
    hash_.update(data, bytes);
    return file_.write({static_cast<const std::byte*>(data), bytes});
  }
  uint64_t hash() const { return hash_.digest(); }

 private:
  AtomicFile& file_;
  RunningHash hash_;
};

/// A page whose rows from `used` on are zero: they may hold what another sequence left.
std::vector<std::byte> cleaned_page(const std::byte* page, const KvLayout& layout, int used) {
  std::vector<std::byte> bytes(page, page + layout.page_bytes);
  const int64_t kept = int64_t{used} * layout.row_bytes;
  for (int64_t plane = 0; plane < layout.page_bytes; plane += layout.plane_bytes)
    std::fill(bytes.begin() + plane + kept, bytes.begin() + plane + layout.plane_bytes, std::byte{0});
  return bytes;
}

}  // namespace

Result<StateView> parse_state(std::span<const std::byte> bytes, const StateShape& shape) {
  Header header;
  if (bytes.size() < sizeof header || std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) != 0)
    return fail(ErrorCode::unsupported, "this is no saved state of sambay");
  std::memcpy(&header, bytes.data(), sizeof header);
  SAMBAY_TRY_VOID(check_header(header, bytes.size(), shape));
  std::span<const std::byte> rest = bytes.subspan(sizeof header);
  if (XXH3_64bits(rest.data(), rest.size()) != header.payload_hash)
    return fail(ErrorCode::corrupt, "saved state: its checksum is wrong");

  const auto take = [&](size_t count) {
    const std::span<const std::byte> part = rest.first(count);
    rest = rest.subspan(count);
    return part;
  };
  StateView view;
  view.tokens.resize(header.token_count);
  std::memcpy(view.tokens.data(), take(4 * size_t{header.token_count}).data(), 4 * view.tokens.size());
  for (const TokenId id : view.tokens)
    if (id < 0 || id >= shape.vocab)
      return fail(ErrorCode::corrupt, fmt::format("saved state: token {} does not exist", id));
  view.logits.resize(header.logit_count);
  if (header.logit_count > 0)
    std::memcpy(view.logits.data(), take(4 * size_t{header.logit_count}).data(), 4 * view.logits.size());
  view.slot = take(header.slot_bytes);
  for (size_t g = 0; g < header.group_count; g++)
    view.pages[g] = {static_cast<int>(header.groups[g].first_page),
                     take(header.groups[g].page_bytes * header.groups[g].page_count)};
  return view;
}

Result<void> write_state(AtomicFile& file, const StateShape& shape, const CachePools& pools,
                         const SequenceCache& cache, std::span<const TokenId> tokens,
                         std::span<const float> logits) {
  const CachePlan& plan = pools.plan();
  Header header =
      expected_header(shape, static_cast<uint32_t>(tokens.size()), static_cast<uint32_t>(logits.size()));
  SAMBAY_TRY_VOID(file.reserve(static_cast<int64_t>(sizeof header + header.payload_bytes)));
  SAMBAY_TRY_VOID(file.write(std::as_bytes(std::span(&header, 1))));
  Payload payload(file);
  SAMBAY_TRY_VOID(payload.write(tokens.data(), tokens.size_bytes()));
  SAMBAY_TRY_VOID(payload.write(logits.data(), logits.size_bytes()));
  SAMBAY_TRY_VOID(payload.write(pools.slot(cache.slot), header.slot_bytes));
  for (size_t g = 0; g < plan.groups.size(); g++) {
    const GroupHeader& group = header.groups[g];
    const int used = static_cast<int>(tokens.size() - 1) % kPageTokens + 1;  // of the last page
    for (size_t i = group.first_page; i < group.first_page + group.page_count; i++) {
      const std::byte* page = pools.page(g, cache.pages[g][i]);
      const bool is_last = i + 1 == group.first_page + group.page_count;
      if (is_last) {
        const std::vector<std::byte> cleaned = cleaned_page(page, plan.groups[g].layout, used);
        SAMBAY_TRY_VOID(payload.write(cleaned.data(), cleaned.size()));
      } else {
        SAMBAY_TRY_VOID(payload.write(page, group.page_bytes));
      }
    }
  }
  header.payload_hash = payload.hash();
  header.header_hash = hash_of(header);
  return file.write_at(0, std::as_bytes(std::span(&header, 1)));
}

CacheNeed need_to_load(const CachePools& pools, int tokens) {
  CacheNeed need{1, {}};
  for (size_t g = 0; g < pools.plan().groups.size(); g++)
    need.pages[g] = pages_for(tokens) - pools.first_page(g, tokens);
  return need;
}

SequenceCache load_state(CachePools& pools, const StateView& view) {
  SequenceCache cache;
  pools.open(cache);
  std::memcpy(pools.slot(cache.slot), view.slot.data(), view.slot.size());
  for (size_t g = 0; g < cache.pages.size(); g++)
    cache.pages[g].assign(static_cast<size_t>(view.pages[g].first), kNoPage);
  pools.extend(cache, static_cast<int>(view.tokens.size()));
  for (size_t g = 0; g < cache.pages.size(); g++) {
    const StateView::Pages& from = view.pages[g];
    const auto page_bytes = static_cast<size_t>(pools.plan().groups[g].layout.page_bytes);
    for (size_t i = 0; i * page_bytes < from.bytes.size(); i++)
      std::memcpy(pools.page(g, cache.pages[g][static_cast<size_t>(from.first) + i]),
                  from.bytes.data() + i * page_bytes, page_bytes);
  }
  return cache;
}

Result<SpilledState> SpilledState::write(const std::string& folder, const StateShape& shape,
                                         const CachePools& pools, const SequenceCache& cache,
                                         std::span<const TokenId> tokens, std::span<const float> logits) {
  SAMBAY_TRY(AtomicFile file, AtomicFile::create(folder + "/sambay-spilled-state"), "parking");
  SAMBAY_TRY_VOID(write_state(file, shape, pools, cache, tokens, logits));
  return SpilledState(std::move(file));
}

Result<SequenceCache> SpilledState::load(const StateShape& shape, CachePools& pools,
                                         std::vector<float>* logits) const {
  SAMBAY_TRY(const MappedFile file, MappedFile::open(file_.inspection_path()), "parked state");
  SAMBAY_TRY(StateView view, parse_state(file.bytes(), shape), "parked state");
  if (logits) *logits = std::move(view.logits);
  return load_state(pools, view);
}

}  // namespace sambay
