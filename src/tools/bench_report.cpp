// The results of `sambay bench` as a table, CSV and JSON Lines.
#include <fmt/core.h>

#include <map>
#include <nlohmann/json.hpp>

#include "base/byte_size.h"
#include "tools/bench.h"

namespace sambay {
namespace {

std::string percent(double share) { return fmt::format("{:.0f} %", 100 * share); }

/// As RFC 4180 has it: a field with a comma, a quote or a line feed is quoted.
std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

}  // namespace

std::string bench_table_head(const BenchModel& m) {
  return fmt::format("model {}   type {}   isa {}   weights {}   loaded in {:.2f} s\n\n", m.name, m.type,
                     m.isa, format_byte_size(m.weight_bytes), m.load_seconds) +
         fmt::format(
             "{:<12} {:>7} {:>5} {:>7} {:>7} {:>5} {:>10} {:>10} {:>10} {:>10} {:>10} {:>6} {:>6} {:>6}\n",
             "test", "threads", "kv", "prompt", "depth", "batch", "tokens/s", "min", "max", "ttft ms",
             "memory", "read", "arith", "others");
}

std::string bench_table_row(const BenchResult& r) {
  return fmt::format(
      "{:<12} {:>7} {:>5} {:>7} {:>7} {:>5} {:>10.2f} {:>10.2f} {:>10.2f} {:>10} {:>10} {:>6} {:>6} {:>6}\n",
      r.test, r.threads, dtype_info(r.kv).name, r.prompt, r.depth, r.batch, r.tokens_per_s.median,
      r.tokens_per_s.min, r.tokens_per_s.max, r.ttft_ms ? fmt::format("{:.1f}", *r.ttft_ms) : "-",
      format_byte_size(r.peak_bytes), percent(r.bandwidth_share), percent(r.arithmetic_share),
      percent(r.other_cpu));
}

std::string bench_table_profile(const BenchResult& r) {
  std::string text =
      fmt::format("\n  {:<34} {:>7} {:>10} {:>7} {:>8} {:>6} {:>9} {:>6}\n", "where the time goes", "calls",
                  "ms", "share", "GB/s", "read", "G mul/s", "arith");
  double rest = r.profile_seconds;
  for (const OpTime& op : r.profile) {
    rest -= op.seconds;
    text += fmt::format("  {:<34} {:>7} {:>10.2f} {:>7}", op.op, op.calls, 1e3 * op.seconds,
                        percent(op.seconds / r.profile_seconds));
    const double bytes = op.weight_bytes / op.seconds, multiply_adds = op.multiply_adds / op.seconds;
    const double arithmetic = op.is_int8 ? r.ceilings.int8 : r.ceilings.f32;
    if (op.multiply_adds > 0)
      text +=
          fmt::format(" {:>8.1f} {:>6} {:>9.1f} {:>6}", bytes / 1e9, percent(bytes / r.ceilings.read_bytes),
                      multiply_adds / 1e9, percent(multiply_adds / arithmetic));
    text += "\n";
  }
  return text + fmt::format("  {:<34} {:>7} {:>10.2f} {:>7}\n\n", "between ops", "", 1e3 * rest,
                            percent(rest / r.profile_seconds));
}

std::string bench_table_foot(const BenchModel& model, const std::vector<BenchResult>& results) {
  std::map<int, std::vector<const BenchResult*>> by_threads;
  for (const BenchResult& r : results) by_threads[r.threads].push_back(&r);
  std::string text = "\nceilings in this run, median:";
  for (const auto& [threads, list] : by_threads) {
    const auto median = [&](double Ceilings::* member) {
      std::vector<double> values;
      for (const BenchResult* r : list) values.push_back(r->ceilings.*member / 1e9);
      return spread_of(std::move(values)).median;
    };
    text +=
        fmt::format("\n  {} {}: memory read {:.1f} GB/s, int8 ({}) {:.0f} G multiply-adds/s, f32 {:.0f} G",
                    threads, threads == 1 ? "thread" : "threads", median(&Ceilings::read_bytes),
                    model.int8_instructions, median(&Ceilings::int8), median(&Ceilings::f32));
  }
  text += "\n";
  if (model.long_samples > 0)
    text +=
        fmt::format("long-sampled: not run in full, but measured at {} depths along the way and integrated\n",
                    model.long_samples);
  return text;
}

std::string bench_csv_head() {
  return "model,type,kv,threads,isa,test,prompt,depth,batch,tokens,tokens_per_s_median,tokens_per_s_min,"
         "tokens_per_s_max,ttft_ms,peak_bytes,planned_bytes,bandwidth_share,arithmetic_share,bytes_per_token,"
         "multiply_adds_per_token,read_bytes_per_s,int8_per_s,f32_per_s,other_cpu,load_s\n";
}

std::string bench_csv_row(const BenchModel& m, const BenchResult& r) {
  std::string text =
      fmt::format("{},{},{},{},{},{},{},{},{},{},", csv_field(m.name), m.type, dtype_info(r.kv).name,
                  r.threads, m.isa, r.test, r.prompt, r.depth, r.batch, r.tokens);
  text += fmt::format("{:.4f},{:.4f},{:.4f},{},{},{},", r.tokens_per_s.median, r.tokens_per_s.min,
                      r.tokens_per_s.max, r.ttft_ms ? fmt::format("{:.3f}", *r.ttft_ms) : "", r.peak_bytes,
                      r.planned_bytes);
  return text + fmt::format("{:.4f},{:.4f},{:.0f},{:.0f},{:.4g},{:.4g},{:.4g},{:.3f},{:.3f}\n",
                            r.bandwidth_share, r.arithmetic_share, r.bytes_per_token,
                            r.multiply_adds_per_token, r.ceilings.read_bytes, r.ceilings.int8, r.ceilings.f32,
                            r.other_cpu, m.load_seconds);
}

std::string bench_json_row(const BenchModel& m, const BenchResult& r, bool with_profile) {
  nlohmann::ordered_json line = {
      {"model", m.name},
      {"type", m.type},
      {"kv", dtype_info(r.kv).name},
      {"threads", r.threads},
      {"isa", m.isa},
      {"test", r.test},
      {"prompt", r.prompt},
      {"depth", r.depth},
      {"batch", r.batch},
      {"tokens_per_s",
       {{"median", r.tokens_per_s.median}, {"min", r.tokens_per_s.min}, {"max", r.tokens_per_s.max}}},
      {"ttft_ms", r.ttft_ms ? nlohmann::ordered_json(*r.ttft_ms) : nlohmann::ordered_json(nullptr)},
      {"peak_bytes", r.peak_bytes},
      {"bandwidth_share", r.bandwidth_share},
      {"arithmetic_share", r.arithmetic_share}};
  if (with_profile) {
    line["profile"] = nlohmann::ordered_json::array();
    for (const OpTime& op : r.profile)
      line["profile"].push_back({{"op", op.op},
                                 {"calls", op.calls},
                                 {"seconds", op.seconds},
                                 {"share", op.seconds / r.profile_seconds},
                                 {"weight_bytes", op.weight_bytes},
                                 {"multiply_adds", op.multiply_adds}});
  }
  return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace sambay
