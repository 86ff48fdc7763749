#include "tools/arithmetic.h"

#include <gtest/gtest.h>

namespace sambay {
namespace {

Truth truth_of(std::string_view line) {
  Rational value;
  return check_statements(line, value);
}

TEST(Arithmetic, EvaluatesExactly) {
  EXPECT_EQ(evaluate_expression("3+4*5"), (Rational{23, 1}));
  EXPECT_EQ(evaluate_expression("-(503-78)"), (Rational{-425, 1}));
  EXPECT_EQ(evaluate_expression("3/4+5/6"), (Rational{19, 12}));
  EXPECT_EQ(evaluate_expression("0.1+0.2"), (Rational{3, 10}));
  EXPECT_EQ(evaluate_expression("100/8/5"), (Rational{5, 2}));
  EXPECT_EQ(evaluate_expression("17%5*2"), (Rational{4, 1}));
  EXPECT_EQ(evaluate_expression("9223372036854775807"), (Rational{9223372036854775807, 1}));
}

TEST(Arithmetic, RefusesWhatIsNoExpressionOrLeaves63Bits) {
  for (const char* text :
       {"", "+", "3+", "(3", "3)", "3x", "1.", ".5", "1.2.3", "3 + 4", "5/0", "5%0", "1/2%3",
        "9223372036854775808", "9223372036854775807+1", "9223372036854775807*2", "--"})
    EXPECT_FALSE(evaluate_expression(text)) << text;
  EXPECT_FALSE(evaluate_expression(std::string(900, '(') + "1" + std::string(900, ')')));
  EXPECT_FALSE(evaluate_expression(std::string(400, '(') + "1" + std::string(400, ')')));
}

TEST(Arithmetic, TellsTrueFromFalse) {
  for (const char* line : {"24*7=168", "61-80=-19", "3<8", "5-1=4<7", "9>8.5", "3<8,13-8=5", "1/2+1/3=5/6",
                           "17%5=2", "12<33,33<45,45<78", "2/12<7/12", "25:11*2=22,25-22=3"})
    EXPECT_EQ(truth_of(line), Truth::right) << line;
  for (const char* line : {"24*7=167", "61-80=19", "8<3", "5-1=4<4", "9>9", "3<8,13-8=6", "24*7=168=169",
                           "25:11*3=33,25-33=-8", "1=1,2=3"})
    EXPECT_EQ(truth_of(line), Truth::wrong) << line;
  for (const char* line : {"", "347+589", "x=11", " Anna: 3+4=7", "gcd=1", "15%=15/100", "3=", "=3", "7>=0",
                           "3=3,and so on", "a:3=3"})
    EXPECT_EQ(truth_of(line), Truth::no_arithmetic) << line;
}

}  // namespace
}  // namespace sambay
