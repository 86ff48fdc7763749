#include "tools/bench_plot.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/atomic_file.h"

namespace sambay {
namespace {

constexpr size_t kMostSeries = 24;

/// What tells rows of different series apart, as people say it.
using Label = std::vector<std::string>;

Label label_of(const BenchRow& r, bool with_test) {
  return {r.model,
          r.type,
          r.kv + " KV",
          r.isa,
          fmt::format("{} {}", r.threads, r.threads == 1 ? "thread" : "threads"),
          with_test ? r.test : "",
          fmt::format("batch {}", r.batch),
          r.prompt > 0 ? fmt::format("prompt {}", r.prompt) : ""};
}

std::string joined(const Label& parts) {
  std::string text;
  for (const std::string& part : parts)
    if (!part.empty()) text += (text.empty() ? "" : ", ") + part;
  return text;
}

struct Group {
  Label label;
  std::vector<const BenchRow*> rows;
};

/// In the order of their first rows.
std::vector<Group> group_rows(const std::vector<const BenchRow*>& rows, bool with_test) {
  std::vector<Group> groups;
  std::map<Label, size_t> index;
  for (const BenchRow* row : rows) {
    const Label label = label_of(*row, with_test);
    const auto [at, is_new] = index.try_emplace(label, groups.size());
    if (is_new) groups.push_back({label, {}});
    groups[at->second].rows.push_back(row);
  }
  return groups;
}

/// Takes what all have in common out of the labels and returns it.
std::string take_common(std::vector<Group>& groups) {
  Label common;
  for (size_t i = 0; i < groups[0].label.size(); i++) {
    const std::string part = groups[0].label[i];
    if (!std::ranges::all_of(groups, [&](const Group& g) { return g.label[i] == part; })) continue;
    common.push_back(part);
    for (Group& g : groups) g.label[i].clear();
  }
  return joined(common);
}

std::string name_of(const Group& group, const std::string& fallback) {
  const std::string name = joined(group.label);
  return name.empty() ? fallback : name;
}

std::vector<const BenchRow*> rows_of(std::span<const BenchRow> rows, std::string_view test) {
  std::vector<const BenchRow*> found;
  for (const BenchRow& row : rows)
    if (row.test == test) found.push_back(&row);
  return found;
}

void sort_by_depth(Group& group) {
  std::ranges::sort(group.rows, {},
                    [](const BenchRow* r) { return std::pair(r->depth, r); });  // of one array
}

Chart depth_chart(std::span<const BenchRow> rows) {
  std::vector<const BenchRow*> shown = rows_of(rows, "decode");
  const bool decode = !shown.empty();
  if (!decode) shown = rows_of(rows, "prefill");
  Chart chart;
  if (shown.empty()) return chart;
  std::vector<Group> groups = group_rows(shown, false);
  chart.title = decode ? "Decoding speed and context" : "Prefill speed and context";
  chart.subtitle = take_common(groups);
  chart.x = {"tokens of context before", ChartAxis::Kind::tokens};
  chart.y = {"tokens/s", ChartAxis::Kind::linear};
  for (Group& group : groups) {
    sort_by_depth(group);
    ChartSeries& series = chart.series.emplace_back();
    series.name = name_of(group, decode ? "decode" : "prefill");
    for (const BenchRow* row : group.rows) series.points.emplace_back(row->depth, row->tokens_per_s);
  }
  return chart;
}

/// What is known of the beginning: time to first token, and how many tokens are generated in the end (0: not
/// said).
struct Beginning {
  double seconds = 0;
  int tokens = 0;
};
Beginning beginning_of(std::span<const BenchRow> rows, const BenchRow& sample) {
  const auto same = [&](const BenchRow& r) {
    return r.model == sample.model && r.type == sample.type && r.kv == sample.kv && r.isa == sample.isa &&
           r.threads == sample.threads && r.prompt == sample.prompt && r.ttft_ms;
  };
  for (const BenchRow& r : rows)
    if (r.test == "long-sampled" && same(r) && r.batch == sample.batch) return {*r.ttft_ms / 1e3, r.tokens};
  for (const BenchRow& r : rows)
    if (r.test == "prefill" && same(r)) return {*r.ttft_ms / 1e3 * sample.batch, 0};
  return {};
}

/// Time when `generated` tokens of each sequence are there, from samples at ascending depths.
ChartSeries latency_series(const Group& group, const Beginning& beginning) {
  ChartSeries series;
  const BenchRow& first = *group.rows.front();
  const int prompt = first.prompt > 0 ? first.prompt : first.depth;
  double seconds = beginning.seconds, at = 0, step = first.batch / first.tokens_per_s;
  series.points.emplace_back(0, seconds);
  for (const BenchRow* row : group.rows) {
    const double middle = row->depth - prompt + 0.5 * row->tokens, next = row->batch / row->tokens_per_s;
    seconds += 0.5 * (step + next) * (middle - at);
    at = middle, step = next;
    series.points.emplace_back(at, seconds);
  }
  if (beginning.tokens > at)
    series.points.emplace_back(beginning.tokens, seconds + step * (beginning.tokens - at));
  return series;
}

Chart latency_chart(std::span<const BenchRow> rows) {
  Chart chart;
  std::vector<Group> groups = group_rows(rows_of(rows, "decode"), false);
  std::erase_if(groups, [](Group& group) {
    sort_by_depth(group);
    return group.rows.front()->depth == group.rows.back()->depth;
  });
  if (groups.empty()) return chart;
  chart.title = "Latency and tokens generated";
  const std::string common = take_common(groups);
  chart.subtitle = common + (common.empty() ? "" : "; ") + "from speeds measured at the marks, integrated";
  chart.x = {"tokens generated by each sequence", ChartAxis::Kind::tokens};
  chart.y = {"seconds since the prompt", ChartAxis::Kind::linear};
  for (const Group& group : groups) {
    ChartSeries series = latency_series(group, beginning_of(rows, *group.rows.front()));
    series.name = name_of(group, "decode");
    chart.series.push_back(std::move(series));
  }
  return chart;
}

/// y = min(bytes/s * x, multiply-adds/s), from low to high.
ChartSeries roof(double bytes, double multiply_adds, double low, double high, int threads) {
  ChartSeries series;
  series.name = fmt::format("ceiling of {} {}: {:.1f} GB/s read, {:.0f} G int8 multiply-adds/s", threads,
                            threads == 1 ? "thread" : "threads", bytes / 1e9, multiply_adds / 1e9);
  series.is_limit = true;
  series.marks = false;
  const double ridge = multiply_adds / bytes;
  series.points.emplace_back(low, std::min(bytes * low, multiply_adds) / 1e9);
  if (ridge > low && ridge < high) series.points.emplace_back(ridge, multiply_adds / 1e9);
  series.points.emplace_back(high, std::min(bytes * high, multiply_adds) / 1e9);
  return series;
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

Chart roofline_chart(std::span<const BenchRow> rows) {
  Chart chart;
  std::vector<const BenchRow*> shown;
  for (const BenchRow& row : rows)
    if (row.test == "decode" || row.test == "prefill") shown.push_back(&row);
  if (shown.empty()) return chart;
  double low = 1e300, high = 0;
  std::map<int, std::pair<std::vector<double>, std::vector<double>>> ceilings;  // by threads
  const auto intensity = [](const BenchRow* r) { return r->multiply_adds_per_token / r->bytes_per_token; };
  for (const BenchRow* row : shown) {
    low = std::min(low, intensity(row)), high = std::max(high, intensity(row));
    ceilings[row->threads].first.push_back(row->read_bytes_per_s);
    ceilings[row->threads].second.push_back(row->int8_per_s);
    high = std::max(high, 4 * row->int8_per_s / row->read_bytes_per_s);  // beyond the ridge
  }
  for (const auto& [threads, c] : ceilings)
    chart.series.push_back(roof(median(c.first), median(c.second), low / 2, high, threads));
  std::vector<Group> groups = group_rows(shown, true);
  chart.title = "Roofline";
  chart.subtitle = take_common(groups);
  chart.x = {"multiply-adds per byte that must be read", ChartAxis::Kind::log};
  chart.y = {"G multiply-adds/s", ChartAxis::Kind::log};
  for (const Group& group : groups) {
    ChartSeries& series = chart.series.emplace_back();
    series.name = name_of(group, shown[0]->test);
    series.line = false;
    for (const BenchRow* row : group.rows)
      series.points.emplace_back(intensity(row), row->tokens_per_s * row->multiply_adds_per_token / 1e9);
  }
  return chart;
}

}  // namespace

Result<PlotKind> plot_kind(std::string_view name) {
  if (name == "depth") return PlotKind::depth;
  if (name == "latency") return PlotKind::latency;
  if (name == "roofline") return PlotKind::roofline;
  return fail(ErrorCode::invalid_argument,
              fmt::format("--kind {}: there are depth, latency and roofline", name));
}

Result<Chart> plot_bench(std::span<const BenchRow> rows, PlotKind kind, std::string_view name) {
  Chart chart = kind == PlotKind::depth     ? depth_chart(rows)
                : kind == PlotKind::latency ? latency_chart(rows)
                                            : roofline_chart(rows);
  if (chart.series.empty())
    return fail(ErrorCode::invalid_argument,
                fmt::format("{}: nothing to draw; {}", name,
                            kind == PlotKind::latency
                                ? "latency needs decode results at two depths (-d 0,4096 or --long)"
                                : "there are no prefill or decode results"));
  if (chart.series.size() > kMostSeries)
    return fail(ErrorCode::invalid_argument, fmt::format("{}: {} series; at most {} can be told apart", name,
                                                         chart.series.size(), kMostSeries));
  return chart;
}

Result<void> plot_bench_file(const std::string& csv, const std::string& svg, PlotKind kind) {
  SAMBAY_TRY_VOID(refuse_output_over_input("-o", svg, {&csv, 1}));
  SAMBAY_TRY(const std::vector<BenchRow> rows, read_bench_csv(csv), "bench plot");
  SAMBAY_TRY(const Chart chart, plot_bench(rows, kind, csv), "bench plot");
  SAMBAY_TRY(AtomicFile file, AtomicFile::create(svg), "bench plot");
  const std::string text = draw_svg(chart);
  SAMBAY_TRY_VOID(file.write(std::as_bytes(std::span(text))));
  return file.commit();
}

}  // namespace sambay
