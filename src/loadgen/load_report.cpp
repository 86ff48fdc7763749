// The results of `sambay bench serve` as a table, CSV and JSON Lines.
#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "loadgen/load.h"

namespace sambay {
namespace {

using Json = nlohmann::ordered_json;

/// As RFC 4180 has it: a field with a comma, a quote or a line feed is quoted.
std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

std::string level_text(const LoadLevel& level) {
  return level.concurrency > 0 ? fmt::format("concurrency {}", level.concurrency)
                               : fmt::format("rate {:g}/s", level.rate_per_s);
}

std::string errors_text(const LoadRow& row, const char* between) {
  std::string text;
  for (const auto& [what, count] : row.errors)
    text += fmt::format("{}{} x {}", text.empty() ? "" : between, count, what);
  return text;
}

std::string table_line(const char* name, const Percentiles& p) {
  if (p.count == 0) return fmt::format("  {:<20} {:>10}\n", name, "-");
  return fmt::format("  {:<20} {:>10.1f} {:>10.1f} {:>10.1f} {:>10.1f} {:>10.1f} {:>10.1f}\n", name, p.mean,
                     p.p50, p.p90, p.p95, p.p99, p.max);
}

Json percentiles_json(const Percentiles& p) {
  if (p.count == 0) return nullptr;
  return {{"mean", p.mean}, {"p50", p.p50}, {"p90", p.p90}, {"p95", p.p95}, {"p99", p.p99}, {"max", p.max}};
}

std::string csv_percentiles(const Percentiles& p) {
  if (p.count == 0) return ",,,,,";
  return fmt::format("{:.3f},{:.3f},{:.3f},{:.3f},{:.3f},{:.3f}", p.mean, p.p50, p.p90, p.p95, p.p99, p.max);
}

}  // namespace

std::string load_table_head(const LoadSubject& s) {
  return fmt::format("server {}   model {}\n", s.server, s.model);
}

std::string load_table_row(const LoadRow& r) {
  std::string text = "\n" + level_text(r.level);
  if (r.is_cold)
    text += "   cold: as long as the last turn, never seen";
  else if (r.turn > 1)
    text += fmt::format("   turn {}", r.turn);
  text += fmt::format("   {} of {} requests good", r.good, r.requests);
  if (!r.errors.empty()) text += "   (" + errors_text(r, ", ") + ")";
  text += fmt::format(
      "   {:.1f} s\n  {:.2f} requests/s   {:.1f} tokens/s out   {:.1f} tokens/s in   at most {} open\n",
      r.seconds, r.requests_per_s, r.output_tokens_per_s, r.prompt_tokens_per_s, r.peak_open);
  text += fmt::format("  tokens, mean: prompt {:.0f}, of these cached {:.0f}, answer {:.0f}\n",
                      r.prompt_tokens, r.cached_tokens, r.completion_tokens);
  text += fmt::format("  {:<20} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10}\n", "ms", "mean", "50 %", "90 %",
                      "95 %", "99 %", "max");
  return text + table_line("to the first token", r.first_token_ms) +
         table_line("between tokens", r.between_tokens_ms) + table_line("whole answer", r.whole_ms);
}

std::string load_csv_head() {
  std::string text =
      "server,model,concurrency,rate,turn,cold,requests,good,errors,seconds,requests_per_s,output_tokens_per_"
      "s,"
      "prompt_tokens_per_s,prompt_tokens,cached_tokens,completion_tokens,peak_open,comments";
  for (const char* what : {"first_token", "between_tokens", "whole"})
    for (const char* which : {"mean", "p50", "p90", "p95", "p99", "max"})
      text += fmt::format(",{}_ms_{}", what, which);
  return text + "\n";
}

std::string load_csv_row(const LoadSubject& s, const LoadRow& r) {
  std::string text = fmt::format("{},{},", csv_field(s.server), csv_field(s.model));
  text += r.level.concurrency > 0 ? fmt::format("{},,", r.level.concurrency)
                                  : fmt::format(",{:g},", r.level.rate_per_s);
  text += fmt::format("{},{},{},{},{},", r.turn, r.is_cold ? 1 : 0, r.requests, r.good,
                      csv_field(errors_text(r, "; ")));
  text += fmt::format("{:.3f},{:.4f},{:.4f},{:.4f},{:.1f},{:.1f},{:.1f},{},{},", r.seconds, r.requests_per_s,
                      r.output_tokens_per_s, r.prompt_tokens_per_s, r.prompt_tokens, r.cached_tokens,
                      r.completion_tokens, r.peak_open, r.comments);
  return text + csv_percentiles(r.first_token_ms) + "," + csv_percentiles(r.between_tokens_ms) + "," +
         csv_percentiles(r.whole_ms) + "\n";
}

std::string load_json_row(const LoadSubject& s, const LoadRow& r) {
  Json errors = Json::object();
  for (const auto& [what, count] : r.errors) errors[what] = count;
  const bool closed = r.level.concurrency > 0;
  const Json line = {{"server", s.server},
                     {"model", s.model},
                     {"concurrency", closed ? Json(r.level.concurrency) : Json(nullptr)},
                     {"rate", closed ? Json(nullptr) : Json(r.level.rate_per_s)},
                     {"turn", r.turn},
                     {"cold", r.is_cold},
                     {"requests", r.requests},
                     {"good", r.good},
                     {"errors", std::move(errors)},
                     {"seconds", r.seconds},
                     {"requests_per_s", r.requests_per_s},
                     {"output_tokens_per_s", r.output_tokens_per_s},
                     {"prompt_tokens_per_s", r.prompt_tokens_per_s},
                     {"prompt_tokens", r.prompt_tokens},
                     {"cached_tokens", r.cached_tokens},
                     {"completion_tokens", r.completion_tokens},
                     {"peak_open", r.peak_open},
                     {"comments", r.comments},
                     {"first_token_ms", percentiles_json(r.first_token_ms)},
                     {"between_tokens_ms", percentiles_json(r.between_tokens_ms)},
                     {"whole_ms", percentiles_json(r.whole_ms)}};
  return line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace sambay
