#include "loadgen/load_record.h"

#include <algorithm>
#include <map>
#include <utility>

namespace sambay {
namespace {

LoadRow row_of(std::span<const LoadRecord* const> records, double seconds) {
  LoadRow row;
  row.seconds = seconds;
  std::vector<double> first, between, whole;
  double prompt = 0, cached = 0, completion = 0;
  for (const LoadRecord* r : records) {
    row.requests++;
    row.comments += static_cast<size_t>(r->comments);
    if (!r->fault.empty()) {
      row.errors[r->fault]++;
      continue;
    }
    row.good++;
    if (r->first_ms >= 0) first.push_back(r->first_ms);
    between.insert(between.end(), r->gaps_ms.begin(), r->gaps_ms.end());
    whole.push_back(r->whole_ms);
    prompt += r->prompt_tokens, cached += r->cached_tokens, completion += r->completion_tokens;
  }
  row.first_token_ms = percentiles_of(std::move(first));
  row.between_tokens_ms = percentiles_of(std::move(between));
  row.whole_ms = percentiles_of(std::move(whole));
  if (row.good > 0) {
    const auto count = static_cast<double>(row.good);
    row.prompt_tokens = prompt / count, row.cached_tokens = cached / count;
    row.completion_tokens = completion / count;
  }
  if (seconds > 0) {
    row.requests_per_s = static_cast<double>(row.good) / seconds;
    row.output_tokens_per_s = completion / seconds;
    row.prompt_tokens_per_s = prompt / seconds;
  }
  return row;
}

}  // namespace

std::vector<LoadRow> summarize(const LoadLevel& level, std::span<const LoadRecord> records, int peak_open) {
  std::map<std::pair<bool, int>, std::vector<const LoadRecord*>> by_turn;
  double seconds = 0;
  for (const LoadRecord& record : records) {
    by_turn[{record.is_cold, record.turn}].push_back(&record);
    seconds = std::max(seconds, record.ended_s);
  }
  std::vector<LoadRow> rows;
  for (const auto& [key, list] : by_turn) {
    LoadRow row = row_of(list, seconds);
    row.level = level;
    row.is_cold = key.first;
    row.turn = key.second;
    row.peak_open = peak_open;
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace sambay
