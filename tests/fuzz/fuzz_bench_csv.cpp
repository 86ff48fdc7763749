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
    for (const std::string_view attribute : {" points=\"", " cx=\"", " cy=\"", " x1=\"", " y1=\""})
      for (size_t at = 0; (at = svg.find(attribute, at)) != std::string::npos;) {
        at += attribute.size();
        const std::string_view value = std::string_view(svg).substr(at, svg.find('"', at) - at);
        if (value.find_first_not_of("0123456789.,- ") != std::string_view::npos) std::abort();
      }
  }
  return 0;
}
