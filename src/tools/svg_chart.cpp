#include "tools/svg_chart.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "base/printable.h"

namespace sambay {
namespace {

constexpr double kWidth = 760, kPlotHeight = 360, kLeft = 72, kRight = 24, kTop = 64, kBottom = 56;
constexpr double kLegendLine = 22;
constexpr int kTicks = 6, kColors = 8;
constexpr size_t kLongestText = 160;

// Colors after Okabe and Ito (2008), told apart by color-blind people too; darker on white and lighter on
// black where contrast wants it. No CSS variables: few programs but browsers know them.
constexpr const char* kStyle = R"(<style>
text{font-family:system-ui,-apple-system,"Segoe UI",Helvetica,Arial,"DejaVu Sans",sans-serif;font-size:13px;fill:#1a1a1a}
.title{font-size:17px;font-weight:600} .soft{fill:#5a5a5a} .paper{fill:#ffffff}
.grid{stroke:#dcdcdc} .axis{stroke:#5a5a5a}
.line{fill:none;stroke-width:2.2;stroke-linejoin:round} .mark{fill:#ffffff;stroke-width:2}
.limit{fill:none;stroke:#5a5a5a;stroke-width:1.6;stroke-dasharray:6 4}
.s0{stroke:#0072b2} .s1{stroke:#c04a00} .s2{stroke:#007a5a} .s3{stroke:#a6458a}
.s4{stroke:#8a6d00} .s5{stroke:#2b8cc4} .s6{stroke:#6b4fbb} .s7{stroke:#444444}
@media (prefers-color-scheme:dark){
text{fill:#f0f0f0} .soft{fill:#b4b4b4} .paper,.mark{fill:#161616} .grid{stroke:#3a3a3a} .axis,.limit{stroke:#b4b4b4}
.s0{stroke:#56b4e9} .s1{stroke:#ff9a5c} .s2{stroke:#3ad1a5} .s3{stroke:#e79ccb}
.s4{stroke:#f0e442} .s5{stroke:#9bd3ff} .s6{stroke:#b7a3ff} .s7{stroke:#cccccc}}
</style>
)";

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : printable(text, kLongestText)) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default: out += c;
    }
  }
  return out;
}

/// From values to the picture, one direction.
class Scale {
 public:
  Scale(const ChartAxis& axis, double low, double high, double from, double to)
      : kind_(axis.kind), from_(from), to_(to) {
    if (kind_ == ChartAxis::Kind::log) {
      low_ = std::floor(std::log10(low));
      high_ = std::max(std::ceil(std::log10(high)), low_ + 1);
      return;
    }
    step_ = tick_step(high > 0 ? high : 1, kTicks, kind_);
    high_ = std::ceil((high > 0 ? high : 1) / step_ * 0.999) * step_;
  }
  double at(double value) const {
    const double v = kind_ == ChartAxis::Kind::log ? std::log10(value) : value;
    return from_ + (v - low_) / (high_ - low_) * (to_ - from_);
  }
  std::vector<double> ticks() const {
    std::vector<double> ticks;
    if (kind_ == ChartAxis::Kind::log) {
      const bool few = high_ - low_ <= 3;
      for (double e = low_; e <= high_ + 1e-9; e++)
        for (const double m : {1.0, 2.0, 5.0})
          if ((m == 1 || few) && e + std::log10(m) <= high_ + 1e-9) ticks.push_back(m * std::pow(10.0, e));
    } else {
      for (int i = 0; step_ * i <= high_ * 1.0001; i++) ticks.push_back(step_ * i);
    }
    return ticks;
  }
  std::string label(double value) const {
    if (kind_ == ChartAxis::Kind::tokens && value >= 1024)
      return fmt::format("{}K", static_cast<int64_t>(value / 1024));
    if (kind_ == ChartAxis::Kind::linear && high_ >= 1e4 && value > 0)  // one unit for all ticks
      return short_number(value / 1e3) + "K";
    return short_number(value);
  }

 private:
  ChartAxis::Kind kind_;
  double from_, to_, low_ = 0, high_ = 1, step_ = 1;
};

class Drawing {
 public:
  explicit Drawing(const Chart& chart)
      : chart_(chart),
        x_(scale(chart.x, 0, kLeft, kWidth - kRight)),
        y_(scale(chart.y, 1, kTop + kPlotHeight, kTop)) {}

  std::string draw() {
    const double height =
        kTop + kPlotHeight + kBottom + kLegendLine * static_cast<double>(chart_.series.size()) + 12;
    out_ = fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" width=\"{0:.0f}\" "
        "height=\"{1:.0f}\" "
        "viewBox=\"0 0 {0:.0f} {1:.0f}\">\n<title>{2}</title>\n{3}",
        kWidth, height, escaped(chart_.title), kStyle);
    out_ += fmt::format("<rect width=\"{:.0f}\" height=\"{:.0f}\" class=\"paper\"/>\n", kWidth, height);
    text(kLeft, 28, "title", chart_.title);
    text(kLeft, 48, "soft", chart_.subtitle);
    axes();
    int color = 0;
    for (const ChartSeries& s : chart_.series) series(s, s.is_limit ? 0 : color++ % kColors);
    legend();
    return out_ + "</svg>\n";
  }

 private:
  /// direction 0: x, 1: y.
  Scale scale(const ChartAxis& axis, int direction, double from, double to) const {
    double low = INFINITY, high = -INFINITY;
    for (const ChartSeries& s : chart_.series)
      for (const auto& point : s.points) {
        const double value = direction == 0 ? point.first : point.second;
        low = std::min(low, value), high = std::max(high, value);
      }
    return Scale(axis, low, high, from, to);
  }
  void text(double x, double y, const char* style, const std::string& content, const char* more = "") {
    if (!content.empty())
      out_ += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" class=\"{}\"{}>{}</text>\n", x, y, style, more,
                          escaped(content));
  }
  void line(double x1, double y1, double x2, double y2, const char* style) {
    out_ += fmt::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" class=\"{}\"/>\n", x1,
                        y1, x2, y2, style);
  }

  void axes() {
    const double right = kWidth - kRight, bottom = kTop + kPlotHeight;
    for (const double tick : y_.ticks()) {
      line(kLeft, y_.at(tick), right, y_.at(tick), "grid");
      text(kLeft - 8, y_.at(tick) + 4, "soft", y_.label(tick), " text-anchor=\"end\"");
    }
    for (const double tick : x_.ticks()) {
      line(x_.at(tick), bottom, x_.at(tick), bottom + 5, "axis");
      text(x_.at(tick), bottom + 20, "soft", x_.label(tick), " text-anchor=\"middle\"");
    }
    line(kLeft, bottom, right, bottom, "axis");
    text((kLeft + right) / 2, bottom + 42, "", chart_.x.title, " text-anchor=\"middle\"");
    const std::string turned =
        fmt::format(" text-anchor=\"middle\" transform=\"rotate(-90 20 {0:.1f})\"", kTop + kPlotHeight / 2);
    text(20, kTop + kPlotHeight / 2, "", chart_.y.title, turned.c_str());
  }

  void series(const ChartSeries& s, int color) {
    if (s.line && s.points.size() > 1) {
      std::string path;
      for (const auto& [x, y] : s.points)
        path += fmt::format("{}{:.1f},{:.1f}", path.empty() ? "" : " ", x_.at(x), y_.at(y));
      out_ += s.is_limit ? fmt::format("<polyline points=\"{}\" class=\"limit\"/>\n", path)
                         : fmt::format("<polyline points=\"{}\" class=\"line s{}\"/>\n", path, color);
    }
    if (!s.marks) return;
    for (const auto& [x, y] : s.points)
      out_ += fmt::format(
          "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3.6\" class=\"mark s{}\"><title>{}: {}, "
          "{}</title></circle>\n",
          x_.at(x), y_.at(y), color, escaped(s.name), x_.label(x), short_number(y));
  }

  void legend() {
    double y = kTop + kPlotHeight + kBottom + 12;
    int color = 0;
    for (const ChartSeries& s : chart_.series) {
      const std::string style = s.is_limit ? "limit" : fmt::format("line s{}", color % kColors);
      line(kLeft, y - 4, kLeft + 26, y - 4, style.c_str());
      if (!s.is_limit)
        out_ += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3.6\" class=\"mark s{}\"/>\n",
                            kLeft + 13, y - 4, color++ % kColors);
      text(kLeft + 34, y, "", s.name);
      y += kLegendLine;
    }
  }

  const Chart& chart_;
  Scale x_, y_;
  std::string out_;
};

}  // namespace

std::string draw_svg(const Chart& chart) { return Drawing(chart).draw(); }

std::string short_number(double value) {
  constexpr const char* kUnits[] = {"", "K", "M", "G", "T"};
  size_t unit = 0;
  while (std::abs(value) >= 9999.5 && unit + 1 < std::size(kUnits)) value /= 1000, unit++;
  const double size = std::abs(value);
  std::string text = fmt::format("{:.{}f}", value,
                                 size >= 100 || size == 0 ? 0
                                 : size >= 10             ? 1
                                 : size >= 1              ? 2
                                                          : 3);
  if (text.find('.') != std::string::npos) {
    while (text.back() == '0') text.pop_back();
    if (text.back() == '.') text.pop_back();
  }
  return text + kUnits[unit];
}

double tick_step(double high, int most, ChartAxis::Kind kind) {
  if (kind == ChartAxis::Kind::tokens) {
    double step = 1;
    while (high / step > most) step *= 2;
    return step;
  }
  const double rough = high / most, power = std::pow(10.0, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0})
    if (factor * power >= rough * 0.999) return factor * power;
  return 10 * power;
}

}  // namespace sambay
