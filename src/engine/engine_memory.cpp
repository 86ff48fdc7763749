// Who may keep which memory: admission, the prefix cache, parking.
#include <algorithm>
#include <tuple>
#include <utility>

#include "engine/engine_loop.h"

namespace sambay {
namespace {

/// What a sequence is promised when it starts: its prompt and the beginning of its answer. More comes as the
/// answer grows.
constexpr int kAnswerAhead = 2 * kPageTokens;

int promised_pages(int prompt_size, int max_context) {
  return pages_for(std::min(prompt_size + kAnswerAhead, max_context));
}

}  // namespace

/// Whether `need` and what running sequences were promised is there, once the prefix cache makes room.
/// Windows and slots are reserved for every place.
bool EngineLoop::has_room_for(const CacheNeed& need) const {
  for (size_t g = 0; g < plan_.caches.groups.size(); g++) {
    if (plan_.caches.groups[g].layout.group.window > 0) continue;
    int wanted = need.pages[g];
    for (const auto& s : running_) {
      if (s->finished || s->is_parked()) continue;
      wanted += std::max(
          0, promised_pages(s->prompt_size(), max_context_) - static_cast<int>(s->cache.pages[g].size()));
      wanted += static_cast<int>(s->siblings.size()) * pages_for(kAnswerAhead);
    }
    if (wanted > pools_->free_pages(static_cast<int>(g)) + cache_->evictable_pages(g)) return false;
  }
  return true;
}

bool EngineLoop::fits(const Job& job) {
  if (running_.empty()) return true;  // one full context always has room
  CacheNeed need;
  need.pages.fill(promised_pages(job.prompt_size(), max_context_) +
                  (job.request.n - 1) * pages_for(kAnswerAhead));
  if (has_room_for(need)) return true;
  if (!is_looked_up(job.request)) return false;
  // Pages that it would share with running sequences are there already.
  const PrefixCache::Entry* beginning = cache_->find(job.owner, *job.prompt).entry;
  if (!beginning) return false;
  for (size_t g = 0; g < plan_.caches.groups.size(); g++)
    need.pages[g] -= cache_->pages_of_others(*beginning, g);
  return has_room_for(need);
}

bool EngineLoop::is_looked_up(const Request& r) const {
  return cache_->enabled() && r.use_cache && !r.prompt_logprobs && !r.embed;
}

/// By evicting what the prefix cache keeps, except `keep`.
bool EngineLoop::make_room(const CacheNeed& need, const PrefixCache::Entry* keep) {
  while (!pools_->has(need))
    if (!cache_->evict_one(keep)) return false;
  return true;
}

/// Frees something: first what is only cached, then the memory of a running sequence, for `spare` of one
/// behind it. False when nothing can go.
bool EngineLoop::relieve(const Sequence* spare) { return cache_->evict_one() || park_youngest(spare); }

bool EngineLoop::park_youngest(const Sequence* spare) {
  Sequence* youngest = nullptr;
  int active = 0;
  const auto rank = [](const Sequence& s) {
    return std::tuple(-s.request().priority, s.job->order, s.index);
  };
  for (const auto& s : running_) {
    if (s->finished || s->is_parked()) continue;
    active++;
    // Answers that are about to start need this one's caches.
    const bool is_forking = !s->siblings.empty() && s->prompt_left() == 0;
    if (s.get() == spare || is_forking || s->position == 0) continue;
    if (!youngest || rank(*s) > rank(*youngest)) youngest = s.get();
  }
  if (!youngest || active < 2) return false;
  if (spare && rank(*youngest) < rank(*spare)) return false;  // nobody goes for one that came later
  park(*youngest, youngest->cache);
  return true;
}

/// Moves it to disk; `cache` is its own, or that of the sequence that it is about to fork from. If it cannot
/// be written it fails, alone, which frees its memory too.
void EngineLoop::park(Sequence& s, const SequenceCache& cache) {
  const std::vector<TokenId> tokens = s.processed();
  const auto write = [&] { return SpilledState::write(spill_folder_, shape_, *pools_, cache, tokens, {}); };
  auto written = write();
  // On a full disk what is only cached makes room.
  while (!written && written.error().code == ErrorCode::io && cache_->drop_from_disk()) written = write();
  if (!written) return finish(s, FinishReason::failed, std::move(written.error()).during("parking on disk"));
  pools_->close(s.cache);
  s.parked = *std::move(written);
  s.parked_at = Clock::now();
  parked_count_++;
  count([](Stats& stats) { stats.parked++; });
  update_place(s);
}

/// The oldest ones come back as soon as they have room, with some to grow for everybody.
void EngineLoop::unpark() {
  while (parked_count_ > 0) {
    Sequence* oldest = nullptr;
    int active = 0;
    for (const auto& s : running_) {
      if (s->finished) continue;
      if (!s->is_parked())
        active++;
      else if (!oldest || std::pair(s->job->order, s->index) < std::pair(oldest->job->order, oldest->index))
        oldest = s.get();
    }
    if (!oldest) return;
    CacheNeed need = need_to_load(*pools_, oldest->position);
    CacheNeed with_growth = need;
    for (int& pages : with_growth.pages) pages += 2 * (active + 1);
    if (active > 0 && !has_room_for(with_growth)) return;
    if (!make_room(need)) return;
    load_parked(*oldest);
  }
}

void EngineLoop::load_parked(Sequence& s) {
  Result<SequenceCache> cache = s.parked->load(shape_, *pools_);
  if (!cache) return finish(s, FinishReason::failed, cache.error());
  s.cache = *std::move(cache);
  s.parked.reset();
  s.parked_time += Clock::now() - s.parked_at;
  parked_count_--;
  count([](Stats& stats) { stats.unparked++; });
  update_place(s);
}

/// A sequence that starts gets its caches, from the prefix cache where it can.
void EngineLoop::open_cache(Sequence& s) {
  const Request& r = s.request();
  std::vector<float> logits;
  if (is_looked_up(r)) logits = look_up(s);
  if (s.cache.slot == kZeroState) {
    make_room({1, {}});
    pools_->open(s.cache);
  }
  count([&](Stats& stats) {
    stats.cache_lookups[static_cast<size_t>(s.cache_result)]++;
    stats.prompt_tokens += static_cast<uint64_t>(s.prompt_size());
    stats.cached_tokens += static_cast<uint64_t>(s.cached);
  });
  update_place(s);
  if (r.report_progress) publish(s, {});
  if (s.prompt_left() == 0) prompt_read(s, logits);
}

/// The logits of the prompt's last token when all of it was found.
std::vector<float> EngineLoop::look_up(Sequence& s) {
  const PrefixCache::Found found = cache_->find(s.job->owner, *s.job->prompt);
  s.shared_tokens = found.shared;
  s.cache_result = found.result;
  std::vector<float> logits;
  if (found.entry) s.cache_result = continue_from(s, *found.entry, logits);
  if (s.prompt_left() > 0) {
    s.snapshots = snapshot_lengths(s.position, s.prompt_size(), found.shared, s.request().cache_marks);
    s.snapshots.push_back(s.prompt_size());
  }
  return logits;
}

/// hit, busy or damaged.
CacheResult EngineLoop::continue_from(Sequence& s, PrefixCache::Entry& entry, std::vector<float>& logits) {
  const bool is_whole = entry.length == s.prompt_size();
  if (entry.spilled) {
    if (!make_room(need_to_load(*pools_, entry.length), &entry)) return CacheResult::busy;
    Result<SequenceCache> cache = entry.spilled->load(shape_, *pools_, is_whole ? &logits : nullptr);
    if (!cache) {
      cache_->erase(entry.id);
      return CacheResult::damaged;
    }
    s.cache = *std::move(cache);
    count([](Stats& stats) { stats.cache_reloaded++; });
  } else {
    if (!make_room(pools_->need_to_fork(entry.length), &entry)) return CacheResult::busy;
    s.cache = pools_->fork(entry.cache, entry.length);
    if (is_whole) logits = entry.logits;
  }
  s.position = s.cached = entry.length;
  s.kept.push_back(entry.id);  // if it is damaged, it goes too
  return CacheResult::hit;
}

/// Slots for the states that are to be kept of this step's rows.
void EngineLoop::plan_snapshots(Part& part) {
  Sequence& s = *part.sequence;
  while (!s.snapshots.empty() && s.snapshots.front() <= s.position + part.rows) {
    const int length = s.snapshots.front();
    s.snapshots.erase(s.snapshots.begin());
    if (!make_room({1, {}})) continue;
    part.kept.emplace_back(length, pools_->take_slot());
  }
}

/// After the step: last_logits belong to the prompt's last token.
void EngineLoop::keep_snapshots(Part& part, std::span<const float> last_logits) {
  Sequence& s = *part.sequence;
  for (const auto& [length, slot] : part.kept) {
    if (length == s.position) pools_->copy_slot(s.cache.slot, slot);
    std::vector<float> logits;
    if (length == s.prompt_size()) logits.assign(last_logits.begin(), last_logits.end());
    SequenceCache kept = pools_->keep(s.cache, length, slot);
    if (const uint64_t id =
            cache_->insert(s.job->owner, s.job->prompt, length, std::move(kept), std::move(logits)))
      s.kept.push_back(id);
  }
  part.kept.clear();
}

/// What a sequence leaves when it ends: its answer may be continued, or a prompt that was cut off read again.
/// Costs nothing that it does not hold already, and is the first to go.
void EngineLoop::keep_end(Sequence& s) {
  const bool has_state = !s.is_parked() && s.cache.slot != kZeroState && s.position > 0;
  if (!cache_->enabled() || !s.request().use_cache || s.request().embed || !has_state) return;
  Place& place = places_[static_cast<size_t>(s.place)];
  if (s.position == s.prompt_size() && !s.kept.empty()) {
    place.entry = s.kept.back();
    return;
  }
  pools_->trim(s.cache, s.position);
  auto tokens = std::make_shared<const std::vector<TokenId>>(s.processed());
  place.entry = cache_->insert(s.job->owner, std::move(tokens), s.position, std::exchange(s.cache, {}));
  for (const uint64_t id : s.kept) cache_->touch(id);
}

}  // namespace sambay
