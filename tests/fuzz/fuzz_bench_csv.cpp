// The CSV of benchmarks, and the pictures of whatever it holds.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "tools/bench_csv.h"
#include "tools/bench_plot.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using sambay::PlotKind;
  const auto rows = sambay::parse_bench_csv({reinterpret_cast<const char*>(data), size}, "fuzz");
  if (!rows) return 0;
  for (const PlotKind kind : {PlotKind::depth, PlotKind::latency, PlotKind::roofline}) {
    const auto chart = sambay::plot_bench(*rows, kind, "fuzz");
    if (!chart) continue;
    const std::string svg = sambay::draw_svg(*chart);
    for (const std::string_view number : {"=\"nan", "=\"-nan", "=\"inf", "=\"-inf", ",nan", ",inf"})
      if (svg.find(number) != std::string::npos) std::abort();
  }
  return 0;
}
