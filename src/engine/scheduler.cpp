#include "engine/scheduler.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <utility>

namespace sambay {
namespace {

int sum(std::span<const int> values) { return std::accumulate(values.begin(), values.end(), 0); }

/// The prompts of one key at one priority, and what they want together.
struct KeyPrompts {
  uint64_t served = 0;
  std::vector<int> prompts;  // indices of runnables
  std::vector<int> wants;
};

/// Highest priority first; keys by what they got, prompts of a key by how far they are.
std::map<int, std::map<int, KeyPrompts>, std::greater<>> prompts_by_priority(
    std::span<const Runnable> runnables) {
  std::vector<int> order(runnables.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    return runnables[static_cast<size_t>(a)].prompt_done < runnables[static_cast<size_t>(b)].prompt_done;
  });
  std::map<int, std::map<int, KeyPrompts>, std::greater<>> groups;
  for (const int i : order) {
    const Runnable& r = runnables[static_cast<size_t>(i)];
    if (r.prompt_left == 0) continue;
    KeyPrompts& group = groups[r.priority][r.key];
    group.served = r.served;
    group.prompts.push_back(i);
    group.wants.push_back(std::min(r.prompt_left, r.most_rows));
  }
  return groups;
}

}  // namespace

std::vector<int> share_evenly(int total, std::span<const int> wants) {
  std::vector<int> gives(wants.size(), 0);
  std::vector<size_t> hungry;
  for (size_t i = 0; i < wants.size(); i++)
    if (wants[i] > 0) hungry.push_back(i);
  while (total > 0 && !hungry.empty()) {
    const int each = total / static_cast<int>(hungry.size());
    for (const size_t i : hungry) {
      const int give = std::min({std::max(each, 1), wants[i] - gives[i], total});
      gives[i] += give;
      total -= give;
    }
    std::erase_if(hungry, [&](size_t i) { return gives[i] == wants[i]; });
  }
  return gives;
}

std::vector<Slice> schedule_rows(std::span<const Runnable> runnables, int prompt_rows) {
  std::vector<Slice> slices;
  for (int i = 0; i < static_cast<int>(runnables.size()); i++)
    if (runnables[static_cast<size_t>(i)].prompt_left == 0) slices.push_back({i, 1});
  int left = prompt_rows;
  for (auto& [priority, keys] : prompts_by_priority(runnables)) {
    std::vector<KeyPrompts*> order;
    for (auto& [key, prompts] : keys) order.push_back(&prompts);
    std::stable_sort(order.begin(), order.end(),
                     [](const KeyPrompts* a, const KeyPrompts* b) { return a->served < b->served; });
    std::vector<int> wants;
    for (const KeyPrompts* key : order) wants.push_back(sum(key->wants));
    const std::vector<int> of_key = share_evenly(left, wants);
    for (size_t k = 0; k < order.size(); k++) {
      const std::vector<int> rows = share_evenly(of_key[k], order[k]->wants);
      for (size_t p = 0; p < rows.size(); p++)
        if (rows[p] > 0) slices.push_back({order[k]->prompts[p], rows[p]});
    }
    left -= sum(of_key);
  }
  std::sort(slices.begin(), slices.end(),
            [](const Slice& a, const Slice& b) { return a.sequence < b.sequence; });
  return slices;
}

void KeyShares::enter(const std::string& key) {
  const auto [at, is_new] = shares_.try_emplace(key);
  if (is_new) {
    uint64_t least = floor_;
    bool alone = true;
    for (const auto& [other, share] : shares_) {
      if (other == key) continue;
      least = alone ? share.served : std::min(least, share.served);
      alone = false;
    }
    at->second.served = least;
  }
  at->second.requests++;
}

void KeyShares::leave(const std::string& key) {
  const auto at = shares_.find(key);
  if (at == shares_.end() || --at->second.requests > 0) return;
  floor_ = std::max(floor_, at->second.served);
  shares_.erase(at);
}

void KeyShares::charge(const std::string& key, uint64_t rows) {
  if (const auto at = shares_.find(key); at != shares_.end()) at->second.served += rows;
}

uint64_t KeyShares::served(const std::string& key) const {
  const auto at = shares_.find(key);
  return at == shares_.end() ? 0 : at->second.served;
}

int next_to_start(std::span<const Waiting> waiting) {
  int best = -1;
  for (int i = 0; i < static_cast<int>(waiting.size()); i++) {
    const Waiting& w = waiting[static_cast<size_t>(i)];
    if (best < 0) {
      best = i;
      continue;
    }
    const Waiting& b = waiting[static_cast<size_t>(best)];
    if (w.priority > b.priority || (w.priority == b.priority && w.served < b.served)) best = i;
  }
  return best;
}

}  // namespace sambay
