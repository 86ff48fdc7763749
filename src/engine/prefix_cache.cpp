#include "engine/prefix_cache.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/running_hash.h"

namespace sambay {
namespace {

constexpr size_t kEvictedRemembered = 4096;

}  // namespace

int common_length(std::span<const TokenId> a, std::span<const TokenId> b) {
  return static_cast<int>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
}

uint64_t prefix_hash(uint64_t owner, std::span<const TokenId> tokens) {
  RunningHash hash(owner);
  hash.update(tokens.data(), tokens.size_bytes());
  return hash.digest();
}

std::vector<int> snapshot_lengths(int from, int prompt_size, int shared, std::span<const int> marks) {
  std::set<int> lengths(marks.begin(), marks.end());
  if (shared - from >= PrefixCache::kMinShared) lengths.insert(shared);
  for (int length = kSnapshotTokens; length < prompt_size; length += kSnapshotTokens) lengths.insert(length);
  std::vector<int> wanted;
  for (const int length : lengths)
    if (length > from && length < prompt_size) wanted.push_back(length);
  return wanted;
}

void PrefixCache::start() {
  for (size_t g = 0; g < pools_.plan().groups.size(); g++)
    page_holders_.emplace_back(static_cast<size_t>(pools_.page_count(static_cast<int>(g))), 0);
}

void PrefixCache::spill_to(std::string folder, int64_t limit, StateShape shape) {
  spill_folder_ = std::move(folder), spill_limit_ = limit, shape_ = shape;
}

PrefixCache::Found PrefixCache::find(uint64_t owner, std::span<const TokenId> prompt) {
  Found found;
  const auto size = static_cast<int>(prompt.size());
  RunningHash hash(owner);
  int hashed = 0, evicted_length = 0;
  Place best = entries_.end();
  for (const auto& [length, count] : lengths_) {
    if (length > size) break;
    hash.update(prompt.data() + hashed, sizeof(TokenId) * static_cast<size_t>(length - hashed));
    hashed = length;
    const uint64_t digest = hash.digest();
    if (evicted_hashes_.contains(digest)) evicted_length = length;
    const auto at = by_hash_.find(digest);
    if (at == by_hash_.end()) continue;
    const Entry& e = *at->second;
    const bool can_go_on = length < size || e.has_logits;
    if (can_go_on && e.owner == owner && e.length == length &&
        std::equal(prompt.begin(), prompt.begin() + length, e.tokens->begin()))
      best = at->second;
  }
  const std::vector<TokenId>* last = nullptr;  // entries of one prompt stand together
  for (const Entry& e : entries_) {
    if (e.owner != owner || e.tokens.get() == last) continue;
    last = e.tokens.get();
    found.shared = std::max(found.shared, common_length(prompt, *e.tokens));
  }
  if (best != entries_.end()) {
    entries_.splice(entries_.end(), entries_, best);
    found.result = CacheResult::hit;
    found.entry = &*best;
  } else if (evicted_length > 0) {
    found.result = CacheResult::evicted;
  } else if (found.shared >= kMinShared) {
    found.result = CacheResult::diverged;
  }
  return found;
}

/// Adds (sign 1) or takes away (-1) what only this entry of the cache holds.
void PrefixCache::account(const Entry& entry, int sign) {
  if (entry.cache.slot == kZeroState) return;
  bytes_ += sign * (pools_.plan().slot_bytes + static_cast<int64_t>(entry.logits.size() * sizeof(float)));
  for (size_t g = 0; g < entry.cache.pages.size(); g++)
    for (const PageId page : entry.cache.pages[g]) {
      if (page == kNoPage) continue;
      int& holders = page_holders_[g][static_cast<size_t>(page)];
      if (sign > 0 ? holders == 0 : holders == 1) bytes_ += sign * pools_.plan().groups[g].layout.page_bytes;
      holders += sign;
    }
}

uint64_t PrefixCache::insert(uint64_t owner, Tokens tokens, int length, SequenceCache cache,
                             std::vector<float> logits) {
  const uint64_t hash = prefix_hash(owner, {tokens->data(), static_cast<size_t>(length)});
  if (const auto at = by_hash_.find(hash); at != by_hash_.end()) {
    Entry& old = *at->second;
    const bool is_same = old.owner == owner && old.length == length &&
                         std::equal(tokens->begin(), tokens->begin() + length, old.tokens->begin());
    // The same state again; the one with more to it stays. Others with this hash, if there ever are, go.
    if (is_same && !old.spilled && (old.has_logits || logits.empty())) {
      entries_.splice(entries_.end(), entries_, at->second);
      pools_.close(cache);
      return old.id;
    }
    forget(at->second, false);
  }
  Entry entry;
  entry.id = next_id_++, entry.owner = owner, entry.hash = hash;
  entry.tokens = std::move(tokens), entry.length = length;
  entry.cache = std::move(cache);
  entry.has_logits = !logits.empty(), entry.logits = std::move(logits);
  account(entry, 1);
  entries_.push_back(std::move(entry));
  const Place place = std::prev(entries_.end());
  by_hash_[hash] = place;
  by_id_[place->id] = place;
  count_length(length, 1);
  counters_.stored++;
  while (bytes_ > limit_ && evict_one(&*place)) {
  }
  if (bytes_ <= limit_) return place->id;
  forget(place, true);  // larger than all that may be kept
  return 0;
}

bool PrefixCache::evict_one(const Entry* keep) {
  const auto place = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& e) { return !e.spilled && &e != keep; });
  if (place == entries_.end()) return false;
  counters_.evicted++;
  if (!spill(*place, keep)) forget(place, true);
  return true;
}

/// To disk, where older ones make room, but not `keep`.
bool PrefixCache::spill(Entry& entry, const Entry* keep) {
  if (spill_limit_ == 0) return false;
  const std::span<const TokenId> tokens(entry.tokens->data(), static_cast<size_t>(entry.length));
  auto written = SpilledState::write(spill_folder_, shape_, pools_, entry.cache, tokens, entry.logits);
  if (!written) return false;  // a full disk costs a prefix, nothing else
  const int64_t kept_bytes = keep && keep->spilled ? keep->spilled->bytes() : 0;
  if (written->bytes() + kept_bytes > spill_limit_) return false;
  release(by_id_[entry.id]);
  spilled_bytes_ += written->bytes();
  entry.spilled = *std::move(written);
  counters_.spilled++;
  while (spilled_bytes_ > spill_limit_) {
    const auto oldest = std::find_if(entries_.begin(), entries_.end(),
                                     [&](const Entry& e) { return e.spilled && &e != &entry && &e != keep; });
    forget(oldest, true);
  }
  return true;
}

bool PrefixCache::drop_from_disk() {
  const auto oldest =
      std::find_if(entries_.begin(), entries_.end(), [](const Entry& e) { return e.spilled.has_value(); });
  if (oldest == entries_.end()) return false;
  forget(oldest, true);
  return true;
}

/// Gives the memory back.
void PrefixCache::release(Place place) {
  account(*place, -1);
  pools_.close(place->cache);
  place->logits = {};
}

void PrefixCache::forget(Place place, bool evicted) {
  if (place->spilled)
    spilled_bytes_ -= place->spilled->bytes();
  else
    release(place);
  if (evicted) remember_evicted(*place);
  count_length(place->length, -1);
  by_hash_.erase(place->hash);
  by_id_.erase(place->id);
  entries_.erase(place);
}

void PrefixCache::remember_evicted(const Entry& entry) {
  evicted_.push_back({entry.hash, entry.length});
  evicted_hashes_[entry.hash]++;
  count_length(entry.length, 1);
  if (evicted_.size() <= kEvictedRemembered) return;
  const Evicted oldest = evicted_.front();
  evicted_.pop_front();
  if (--evicted_hashes_[oldest.hash] == 0) evicted_hashes_.erase(oldest.hash);
  count_length(oldest.length, -1);
}

void PrefixCache::count_length(int length, int change) {
  if ((lengths_[length] += change) == 0) lengths_.erase(length);
}

PrefixCache::Entry* PrefixCache::by_id(uint64_t id) {
  const auto at = by_id_.find(id);
  return at == by_id_.end() ? nullptr : &*at->second;
}

void PrefixCache::erase(uint64_t id) {
  if (const auto at = by_id_.find(id); at != by_id_.end()) forget(at->second, false);
}

void PrefixCache::touch(uint64_t id) {
  if (const auto at = by_id_.find(id); at != by_id_.end())
    entries_.splice(entries_.end(), entries_, at->second);
}

int PrefixCache::evictable_pages(size_t group) const {
  int pages = 0;
  const std::vector<int>& holders = page_holders_[group];
  for (size_t page = 0; page < holders.size(); page++)
    pages += holders[page] > 0 && pools_.page_references(group, static_cast<PageId>(page)) == holders[page];
  return pages;
}

int PrefixCache::pages_of_others(const Entry& entry, size_t group) const {
  if (entry.spilled) return 0;
  int pages = 0;
  const std::vector<PageId>& table = entry.cache.pages[group];
  for (size_t i = 0; i < static_cast<size_t>(entry.length / kPageTokens); i++)
    pages += table[i] != kNoPage &&
             pools_.page_references(group, table[i]) > page_holders_[group][static_cast<size_t>(table[i])];
  return pages;
}

}  // namespace sambay
