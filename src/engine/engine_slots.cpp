// What others ask about the engine: figures, places, saved conversations.
#include <fmt/core.h>

#include <algorithm>

#include "base/mapped_file.h"
#include "engine/engine_loop.h"

namespace sambay {

Stats EngineLoop::stats() const {
  Stats stats;
  {
    const std::lock_guard lock(figures_mutex_);
    stats = stats_;
  }
  stats.running = std::max(0, running_count_ - stats.parked_now);
  const std::lock_guard lock(mutex_);
  stats.waiting = static_cast<int>(waiting_.size());
  return stats;
}

std::vector<SlotInfo> EngineLoop::slots() const {
  const std::lock_guard lock(figures_mutex_);
  return slots_;
}

void EngineLoop::update_gauges() {
  const std::lock_guard lock(figures_mutex_);
  Stats& s = stats_;
  s.parked_now = parked_count_;
  s.slots_total = pools_->slot_count();
  s.slots_used = s.slots_total - pools_->free_slots();
  s.kv_pages_used = s.kv_pages_total = s.kv_bytes_used = s.kv_bytes_total = 0;
  for (size_t g = 0; g < plan_.caches.groups.size(); g++) {
    const int total = pools_->page_count(static_cast<int>(g));
    const int used = total - pools_->free_pages(static_cast<int>(g));
    const int64_t page_bytes = plan_.caches.groups[g].layout.page_bytes;
    s.kv_pages_total += total, s.kv_pages_used += used;
    s.kv_bytes_total += total * page_bytes, s.kv_bytes_used += used * page_bytes;
  }
  s.cache_bytes = cache_->bytes(), s.cache_bytes_limit = cache_->limit();
  s.cache_entries = cache_->size();
  s.spill_bytes = cache_->spilled_bytes();
  const PrefixCache::Counters& counters = cache_->counters();
  s.cache_stored = counters.stored, s.cache_evicted = counters.evicted, s.cache_spilled = counters.spilled;
  for (size_t id = 0; id < places_.size(); id++) {
    if (places_[id].entry && !cache_->by_id(places_[id].entry)) places_[id].entry = 0;
    const PrefixCache::Entry* entry = cache_->by_id(places_[id].entry);
    slots_[id].remembered = entry ? entry->length : 0;
  }
}

void EngineLoop::update_place(const Sequence& s) {
  const std::lock_guard lock(figures_mutex_);
  SlotInfo& slot = slots_[static_cast<size_t>(s.place)];
  slot.is_processing = !s.finished;
  slot.is_parked = s.is_parked();
  slot.prompt_tokens = s.prompt_size();
  slot.prompt_done = std::min(s.position, s.prompt_size());
  slot.generated = s.chosen();
  slot.max_tokens = s.request().max_tokens;
  // Before the last event, so that who has read it sees what can be saved.
  const PrefixCache::Entry* entry =
      s.finished ? cache_->by_id(places_[static_cast<size_t>(s.place)].entry) : nullptr;
  slot.remembered = entry ? entry->length : 0;
  if (!s.generated.empty()) return;  // the rest stays as it is
  slot.sampling = s.request().sampling;
  slot.sampling.seed = s.seed;
}

Result<void> EngineLoop::check_place(int id) const {
  if (id < 0 || id >= static_cast<int>(places_.size()))
    return fail(ErrorCode::invalid_argument,
                fmt::format("slot: {}: there are 0 to {}", id, places_.size() - 1));
  if (places_[static_cast<size_t>(id)].is_taken)
    return fail(ErrorCode::busy, fmt::format("slot {} is processing a request", id));
  return {};
}

/// What a place remembers, if it is of this key: others neither save nor erase it.
PrefixCache::Entry* EngineLoop::remembered(int id, const std::string& key) {
  PrefixCache::Entry* entry = cache_->by_id(places_[static_cast<size_t>(id)].entry);
  return entry && entry->owner == owner_of(key) ? entry : nullptr;
}

Result<SlotFile> EngineLoop::save_slot(int id, const std::string& path, const std::string& key) {
  Result<SlotFile> result;
  SAMBAY_TRY_VOID(on_engine_thread([&] { result = save_place(id, path, key); }));
  return result;
}

Result<SlotFile> EngineLoop::restore_slot(int id, const std::string& path, const std::string& key) {
  Result<SlotFile> result;
  SAMBAY_TRY_VOID(on_engine_thread([&] { result = restore_place(id, path, key); }));
  return result;
}

Result<int> EngineLoop::erase_slot(int id, const std::string& key) {
  Result<int> result;
  SAMBAY_TRY_VOID(on_engine_thread([&] {
    const Result<void> good = check_place(id);
    if (!good) {
      result = tl::unexpected(good.error());
      return;
    }
    Place& place = places_[static_cast<size_t>(id)];
    result = 0;
    if (const PrefixCache::Entry* entry = remembered(id, key)) {
      const uint64_t owner = entry->owner;
      const PrefixCache::Tokens tokens = entry->tokens;
      const std::span<const TokenId> all(tokens->data(), static_cast<size_t>(entry->length));
      result = entry->length;
      cache_->erase(place.entry);  // which find() would pass over: a whole prompt needs logits
      while (const PrefixCache::Entry* beginning = cache_->find(owner, all).entry)
        cache_->erase(beginning->id);
      place.entry = 0;
    }
    update_gauges();
  }));
  return result;
}

Result<SlotFile> EngineLoop::save_place(int id, const std::string& path, const std::string& key) {
  SAMBAY_TRY_VOID(check_place(id));
  PrefixCache::Entry* entry = remembered(id, key);
  if (!entry)
    return fail(ErrorCode::not_found, fmt::format("slot {} remembers no conversation{}", id,
                                                  cache_->enabled() ? "" : ": there is no prefix cache"));
  SequenceCache loaded;
  std::vector<float> logits;
  if (entry->spilled) {
    if (!make_room(need_to_load(*pools_, entry->length), entry))
      return fail(ErrorCode::out_of_memory, "no memory to load the conversation into");
    SAMBAY_TRY(loaded, entry->spilled->load(shape_, *pools_, &logits), "saving");
  }
  const std::span<const TokenId> tokens(entry->tokens->data(), static_cast<size_t>(entry->length));
  const auto write = [&]() -> Result<SlotFile> {
    SAMBAY_TRY(AtomicFile file, AtomicFile::create(path), "saving");
    SAMBAY_TRY_VOID(write_state(file, shape_, *pools_, entry->spilled ? loaded : entry->cache, tokens,
                                entry->spilled ? logits : entry->logits));
    const int64_t bytes = file.size();
    SAMBAY_TRY_VOID(file.commit());
    return SlotFile{entry->length, bytes};
  };
  Result<SlotFile> written = write();
  pools_->close(loaded);
  return written;
}

Result<SlotFile> EngineLoop::restore_place(int id, const std::string& path, const std::string& key) {
  SAMBAY_TRY_VOID(check_place(id));
  const auto no_room = [] {
    return fail(ErrorCode::out_of_memory, "the prefix cache has no room for this conversation");
  };
  if (!cache_->enabled()) return fail(ErrorCode::out_of_memory, "there is no prefix cache to restore into");
  SAMBAY_TRY(const MappedFile file, MappedFile::open(path), "restoring");
  SAMBAY_TRY(StateView view, parse_state(file.bytes(), shape_), path);
  const auto length = static_cast<int>(view.tokens.size());
  if (!make_room(need_to_load(*pools_, length))) return no_room();
  SequenceCache cache = load_state(*pools_, view);
  auto tokens = std::make_shared<const std::vector<TokenId>>(std::move(view.tokens));
  const uint64_t entry =
      cache_->insert(owner_of(key), std::move(tokens), length, std::move(cache), std::move(view.logits));
  if (entry == 0) return no_room();
  places_[static_cast<size_t>(id)].entry = entry;
  update_gauges();
  return SlotFile{length, static_cast<int64_t>(file.bytes().size())};
}

}  // namespace sambay
