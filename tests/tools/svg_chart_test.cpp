#include "tools/svg_chart.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sambay {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

size_t count(const std::string& text, const std::string& part) {
  size_t found = 0;
  for (size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) found++;
  return found;
}

Chart two_lines() {
  Chart chart;
  chart.title = "Speed & <depth>";
  chart.subtitle = "a \"test\"";
  chart.x = {"tokens", ChartAxis::Kind::tokens};
  chart.y = {"tokens/s", ChartAxis::Kind::linear};
  chart.series.push_back({"one", {{0, 10}, {4096, 5}, {8192, 4}}, true, true, false});
  chart.series.push_back({"two", {{0, 7}, {8192, 3}}, true, true, false});
  return chart;
}

TEST(DrawSvg, HasTitleAxesLegendAndEveryPoint) {
  const std::string svg = draw_svg(two_lines());
  EXPECT_THAT(svg, HasSubstr("<title>Speed &amp; &lt;depth&gt;</title>"));
  EXPECT_THAT(svg, HasSubstr(">a &quot;test&quot;</text>"));
  for (const char* text :
       {">tokens</text>", ">tokens/s</text>", ">one</text>", ">two</text>", ">8K</text>", ">10</text>"})
    EXPECT_THAT(svg, HasSubstr(text));
  EXPECT_EQ(count(svg, "<polyline"), 2u);
  EXPECT_EQ(count(svg, "<circle"), 5u + 2u);  // and one in each line of the legend
  EXPECT_THAT(svg, HasSubstr("prefers-color-scheme:dark"));
  EXPECT_EQ(count(svg, "<text"), count(svg, "</text>"));
}

TEST(DrawSvg, KeepsPointsInsideThePlot) {
  Chart chart = two_lines();
  chart.x.kind = chart.y.kind = ChartAxis::Kind::log;
  chart.series = {{"s", {{0.013, 3e-5}, {970, 88000}}, false, true, false},
                  {"limit", {{0.013, 1}, {970, 90000}}, true, false, true}};
  const std::string svg = draw_svg(chart);
  for (size_t at = 0; (at = svg.find("<circle cx=\"", at)) != std::string::npos; at++) {
    const double x = std::stod(svg.substr(at + 12));
    EXPECT_GE(x, 72);
    EXPECT_LE(x, 736);
  }
  EXPECT_EQ(count(svg, "class=\"limit\""), 2u);
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_THAT(svg, Not(HasSubstr("inf")));
}

TEST(DrawSvg, OfASinglePointOrOnlyZerosIsAPicture) {
  Chart chart = two_lines();
  chart.series = {{"s", {{0, 0}}, true, true, false}};
  EXPECT_THAT(draw_svg(chart), Not(HasSubstr("nan")));
}

TEST(ShortNumber, IsAsPeopleWriteIt) {
  EXPECT_EQ(short_number(0), "0");
  EXPECT_EQ(short_number(0.25), "0.25");
  EXPECT_EQ(short_number(2.5), "2.5");
  EXPECT_EQ(short_number(250), "250");
  EXPECT_EQ(short_number(8000), "8000");
  EXPECT_EQ(short_number(20000), "20K");
  EXPECT_EQ(short_number(1500000), "1500K");
  EXPECT_EQ(short_number(25e6), "25M");
}

TEST(TickStep, IsRoundAndGivesFewTicks) {
  EXPECT_EQ(tick_step(100, 6, ChartAxis::Kind::linear), 20);
  EXPECT_EQ(tick_step(7, 6, ChartAxis::Kind::linear), 2);
  EXPECT_DOUBLE_EQ(tick_step(0.05, 6, ChartAxis::Kind::linear), 0.01);
  EXPECT_EQ(tick_step(32768, 6, ChartAxis::Kind::tokens), 8192);
  EXPECT_EQ(tick_step(3, 6, ChartAxis::Kind::tokens), 1);
}

}  // namespace
}  // namespace sambay
