// Counters and histograms in Prometheus' text format, named as vLLM names its own, with the prefix "sambay:".
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sambay/sambay.h"

namespace sambay::server {

/// Not thread-safe by itself.
class Histogram {
 public:
  explicit Histogram(std::span<const double> bounds) : bounds_(bounds), counts_(bounds.size() + 1) {}
  void observe(double value, uint64_t times = 1);
  uint64_t count() const { return total_; }
  /// NAME_bucket{LABELS,le="..."} lines, NAME_sum and NAME_count.
  void write(std::string_view name, std::string_view labels, std::string& out) const;

 private:
  std::span<const double> bounds_;  // ascending, static
  std::vector<uint64_t> counts_;    // not cumulative; the last is everything above
  double sum_ = 0;
  uint64_t total_ = 0;
};

/// What one answer was, when it has ended.
struct AnswerRecord {
  FinishReason finish = FinishReason::stop;
  Usage usage = {};
  double e2e_s = 0;
  bool first_of_request = true;  ///< of several answers to one prompt: prompt figures count once
};

/// Thread-safe.
class Metrics {
 public:
  explicit Metrics(std::string model_name);
  void observe_first_token(double seconds);
  void observe_tokens(double gap_s, int tokens);  ///< tokens that came `gap_s` after those before
  void observe_answer(const AnswerRecord& record);
  void count_http(std::string_view route, int status);
  void count_client_left();
  void count_refused(std::string_view reason);
  std::string text(const Stats& engine, int connections) const;

 private:
  const std::string labels_;
  mutable std::mutex mutex_;
  Histogram ttft_, inter_token_, e2e_, queue_, prefill_, decode_, prompt_tokens_, generation_tokens_;
  std::map<std::pair<std::string, int>, uint64_t> http_;  // route, status
  std::map<std::string, uint64_t> refused_;
  uint64_t clients_left_ = 0, reasoning_tokens_ = 0;
};

/// Label values: backslash, quote and line end escaped.
std::string label_value(std::string_view text);

}  // namespace sambay::server
