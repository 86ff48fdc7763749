// `sambay bench plot`: pictures of what `sambay bench --csv` measured.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "sambay/error.h"
#include "tools/bench_csv.h"
#include "tools/svg_chart.h"

namespace sambay {

enum class PlotKind {
  depth,     ///< tokens per second against the context: of decoding, or else of prefill
  latency,   ///< seconds since the prompt against tokens generated
  roofline,  ///< multiply-adds per second against multiply-adds per byte, below what the machine allows
};
/// Errors: invalid_argument (lists the known ones).
Result<PlotKind> plot_kind(std::string_view name);

/// One series for each setting that differs; what all have in common is in the subtitle. Errors:
/// invalid_argument (no row that this kind can show, or too many series to tell apart).
Result<Chart> plot_bench(std::span<const BenchRow> rows, PlotKind kind, std::string_view name);

/// From the CSV to the SVG, which appears complete or not at all.
Result<void> plot_bench_file(const std::string& csv, const std::string& svg, PlotKind kind);

}  // namespace sambay
