#include "server/metrics.h"

#include <fmt/core.h>

#include <algorithm>

namespace sambay::server {
namespace {

// vLLM's bounds, so that its dashboards keep their axes.
constexpr std::array kFirstTokenBounds = {0.001, 0.005, 0.01, 0.02,  0.04,  0.06,  0.08, 0.1,
                                          0.25,  0.5,   0.75, 1.0,   2.5,   5.0,   7.5,  10.0,
                                          20.0,  40.0,  80.0, 160.0, 640.0, 2560.0};
constexpr std::array kInterTokenBounds = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2,
                                          0.3,   0.4,    0.5,   0.75, 1.0,   2.5,  5.0,   7.5, 10.0, 20.0};
constexpr std::array kRequestBounds = {0.01, 0.05, 0.1,   0.3,   0.5,   0.8,   1.0,    1.5,
                                       2.0,  2.5,  5.0,   10.0,  15.0,  20.0,  30.0,   40.0,
                                       50.0, 60.0, 120.0, 240.0, 480.0, 960.0, 1920.0, 7680.0};
constexpr std::array kTokenBounds = {1.0,   2.0,    5.0,    10.0,   20.0,    50.0,    100.0,   200.0,
                                     500.0, 1000.0, 2000.0, 5000.0, 10000.0, 20000.0, 50000.0, 65536.0};

class Text {
 public:
  Text(std::string_view labels, std::string& out) : labels_(labels), out_(out) {}
  void head(std::string_view name, std::string_view type, std::string_view help) {
    out_ += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
  }
  template <class T>
  void line(std::string_view name, T value, std::string_view more = {}) {
    out_ += fmt::format("{}{{{}{}{}}} {}\n", name, labels_, more.empty() ? "" : ",", more, value);
  }
  template <class T>
  void one(std::string_view name, std::string_view type, std::string_view help, T value) {
    head(name, type, help);
    line(name, value);
  }
  void histogram(std::string_view name, std::string_view help, const Histogram& h) {
    head(name, "histogram", help);
    h.write(name, labels_, out_);
  }

 private:
  std::string_view labels_;
  std::string& out_;
};

std::string label(std::string_view name, std::string_view value) {
  return fmt::format("{}=\"{}\"", name, label_value(value));
}

void write_gauges(Text& text, const Stats& s, int connections) {
  text.one("sambay:num_requests_running", "gauge", "Sequences that are being worked on.", s.running);
  text.one("sambay:num_requests_waiting", "gauge", "Requests in the queue.", s.waiting);
  text.one("sambay:num_requests_swapped", "gauge", "Sequences parked on disk.", s.parked_now);
  text.one("sambay:kv_cache_usage_perc", "gauge", "Used share of the KV pages, 0 to 1.",
           s.kv_pages_total > 0 ? static_cast<double>(s.kv_pages_used) / static_cast<double>(s.kv_pages_total)
                                : 0.0);
  text.one("sambay:kv_cache_bytes", "gauge", "Bytes of KV pages in use.", s.kv_bytes_used);
  text.one("sambay:state_slots_used", "gauge", "Recurrent states in use, those of the prefix cache included.",
           s.slots_used);
  text.one("sambay:state_slots_total", "gauge", "Recurrent states there are.", s.slots_total);
  text.one("sambay:prefix_cache_bytes", "gauge", "Bytes that the prefix cache keeps.", s.cache_bytes);
  text.one("sambay:prefix_cache_entries", "gauge", "Snapshots in the prefix cache.", s.cache_entries);
  text.one("sambay:prefix_cache_spill_bytes", "gauge", "Bytes that the prefix cache keeps on disk.",
           s.spill_bytes);
  text.one("sambay:http_connections", "gauge", "Open connections.", connections);
}

void write_counters(Text& text, const Stats& s) {
  text.one("sambay:prompt_tokens_total", "counter", "Prompt tokens, cached ones included.", s.prompt_tokens);
  text.one("sambay:prompt_tokens_computed_total", "counter", "Prompt tokens that were read.",
           s.computed_prompt_tokens);
  text.one("sambay:generation_tokens_total", "counter", "Tokens generated.", s.generated_tokens);
  text.one("sambay:requests_total", "counter", "Requests accepted by the engine.", s.requests);
  text.one("sambay:requests_refused_total", "counter", "Requests refused because the queue was full.",
           s.refused);
  text.one("sambay:num_preemptions_total", "counter", "Sequences parked on disk for want of memory.",
           s.parked);
  text.one("sambay:engine_steps_total", "counter", "Forward passes.", s.steps);
  text.one("sambay:engine_step_rows_total", "counter", "Rows in all forward passes.", s.step_rows);
  text.one("sambay:engine_step_seconds_total", "counter", "Seconds in forward passes.", s.step_seconds);
  text.one("sambay:prefix_cache_queries_total", "counter", "Prompt tokens looked up, as vLLM counts.",
           s.prompt_tokens);
  text.one("sambay:prefix_cache_hits_total", "counter", "Prompt tokens found.", s.cached_tokens);
  text.head("sambay:prefix_cache_lookups_total", "counter", "Prompts looked up, by what came of it.");
  for (size_t i = 0; i < s.cache_lookups.size(); i++)
    text.line("sambay:prefix_cache_lookups_total", s.cache_lookups[i],
              label("result", to_string(static_cast<CacheResult>(i))));
  text.one("sambay:prefix_cache_stored_total", "counter", "Snapshots kept.", s.cache_stored);
  text.one("sambay:prefix_cache_evicted_total", "counter", "Snapshots dropped for others.", s.cache_evicted);
  text.one("sambay:prefix_cache_spilled_total", "counter", "Snapshots moved to disk.", s.cache_spilled);
  text.one("sambay:prefix_cache_reloaded_total", "counter", "Snapshots brought back from disk.",
           s.cache_reloaded);
  text.head("sambay:request_success_total", "counter", "Answers that ended, by reason.");
  for (size_t i = 0; i < s.finished.size(); i++)
    text.line("sambay:request_success_total", s.finished[i],
              label("finished_reason", to_string(static_cast<FinishReason>(i))));
}

}  // namespace

void Histogram::observe(double value, uint64_t times) {
  const auto at = std::lower_bound(bounds_.begin(), bounds_.end(), value);
  counts_[static_cast<size_t>(at - bounds_.begin())] += times;
  sum_ += value * static_cast<double>(times);
  total_ += times;
}

void Histogram::write(std::string_view name, std::string_view labels, std::string& out) const {
  const std::string_view comma = labels.empty() ? "" : ",";
  uint64_t below = 0;
  for (size_t i = 0; i < bounds_.size(); i++) {
    below += counts_[i];
    out += fmt::format("{}_bucket{{{}{}le=\"{}\"}} {}\n", name, labels, comma, bounds_[i], below);
  }
  out += fmt::format("{}_bucket{{{}{}le=\"+Inf\"}} {}\n", name, labels, comma, total_);
  out += fmt::format("{}_sum{{{}}} {}\n{}_count{{{}}} {}\n", name, labels, sum_, name, labels, total_);
}

Metrics::Metrics(std::string model_name)
    : labels_(label("model_name", model_name)),
      ttft_(kFirstTokenBounds),
      inter_token_(kInterTokenBounds),
      e2e_(kRequestBounds),
      queue_(kRequestBounds),
      prefill_(kRequestBounds),
      decode_(kRequestBounds),
      prompt_tokens_(kTokenBounds),
      generation_tokens_(kTokenBounds) {}

void Metrics::observe_first_token(double seconds) {
  const std::lock_guard lock(mutex_);
  ttft_.observe(seconds);
}

void Metrics::observe_tokens(double gap_s, int tokens) {
  if (tokens <= 0) return;
  const std::lock_guard lock(mutex_);
  inter_token_.observe(gap_s / tokens, static_cast<uint64_t>(tokens));
}

void Metrics::observe_answer(const AnswerRecord& record) {
  const Usage& u = record.usage;
  const std::lock_guard lock(mutex_);
  e2e_.observe(record.e2e_s);
  decode_.observe(u.predicted_ms / 1000);
  generation_tokens_.observe(u.completion_tokens);
  reasoning_tokens_ += static_cast<uint64_t>(std::max(u.reasoning_tokens, 0));
  if (!record.first_of_request) return;
  queue_.observe(u.queue_ms / 1000);
  prefill_.observe(u.prompt_ms / 1000);
  prompt_tokens_.observe(u.prompt_tokens);
}

void Metrics::count_http(std::string_view route, int status) {
  const std::lock_guard lock(mutex_);
  http_[{std::string(route), status}]++;
}

void Metrics::count_client_left() {
  const std::lock_guard lock(mutex_);
  clients_left_++;
}

void Metrics::count_refused(std::string_view reason) {
  const std::lock_guard lock(mutex_);
  refused_[std::string(reason)]++;
}

std::string Metrics::text(const Stats& engine, int connections) const {
  std::string out;
  Text text(labels_, out);
  write_gauges(text, engine, connections);
  write_counters(text, engine);
  const std::lock_guard lock(mutex_);
  text.histogram("sambay:time_to_first_token_seconds", "From the request to its first token.", ttft_);
  text.histogram("sambay:inter_token_latency_seconds", "Between tokens of an answer.", inter_token_);
  text.histogram("sambay:e2e_request_latency_seconds", "From the request to its answer's end.", e2e_);
  text.histogram("sambay:request_queue_time_seconds", "In the queue.", queue_);
  text.histogram("sambay:request_prefill_time_seconds", "Reading the prompt.", prefill_);
  text.histogram("sambay:request_decode_time_seconds", "From the first token to the last.", decode_);
  text.histogram("sambay:request_prompt_tokens", "Tokens of a prompt.", prompt_tokens_);
  text.histogram("sambay:request_generation_tokens", "Tokens of an answer.", generation_tokens_);
  text.one("sambay:reasoning_tokens_total", "counter", "Tokens generated between <think> and </think>.",
           reasoning_tokens_);
  text.one("sambay:clients_left_total", "counter", "Connections that ended before their answer.",
           clients_left_);
  text.head("sambay:http_requests_total", "counter", "HTTP requests.");
  for (const auto& [key, count] : http_)
    text.line("sambay:http_requests_total", count,
              fmt::format("{},status=\"{}\"", label("handler", key.first), key.second));
  text.head("sambay:http_refused_total", "counter", "Requests refused at the door, by reason.");
  for (const auto& [reason, count] : refused_)
    text.line("sambay:http_refused_total", count, label("reason", reason));
  return out;
}

std::string label_value(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n')
      out += "\\n";
    else
      out += c;
  }
  return out;
}

}  // namespace sambay::server
