// Line charts as SVG, small and readable in light and dark.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace sambay {

struct ChartAxis {
  enum class Kind {
    linear,  ///< from 0
    tokens,  ///< from 0, with ticks at powers of two: 8K, 16K
    log,
  };
  std::string title;  ///< with the unit
  Kind kind = Kind::linear;
};

struct ChartSeries {
  std::string name;                               ///< in the legend
  std::vector<std::pair<double, double>> points;  ///< finite; positive on a log axis
  bool line = true, marks = true;
  bool is_limit = false;  ///< drawn dashed and grey: what cannot be exceeded
};

struct Chart {
  std::string title, subtitle;
  ChartAxis x, y;
  std::vector<ChartSeries> series;
};

/// Text is escaped; there may be any number of series, each with at least one point.
std::string draw_svg(const Chart& chart);

/// "0", "250", "1.5K" (thousands), "2M": as people write numbers at ticks.
std::string short_number(double value);
/// Round steps that cut [0, high] into at most `most` pieces: 1, 2 or 5 times a power of ten; of tokens,
/// powers of two.
double tick_step(double high, int most, ChartAxis::Kind kind);

}  // namespace sambay
