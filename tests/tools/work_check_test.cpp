#include "tools/work_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tools/problems.h"

namespace sambay {
namespace {

using ::testing::HasSubstr;

constexpr const char* kRight[] = {
    "47+38=85",
    "347+589\n7+9=16->6\n4+8+1=13->36\n3+5+1=9->936",
    "958+67\n8+7=15->5\n5+6+1=12->25\n9+0+1=10->1025",
    "425-102\n5-2=3->3\n2-0=2->23\n4-1=3->323",
    "503-78\n3<8,13-8=5->5\n0-1<0,10-1=9,9-7=2->25\n5-1=4,4-0=4->425",
    "551-78\n1<8,11-8=3->3\n5-1=4<7,14-7=7->73\n5-1=4,4-0=4->473",
    "103-98\n3<8,13-8=5->5\n0-1<0,10-1=9,9-9=0->05\n1-1=0,0-0=0->005\n=5",
    "78-503=-(503-78)\n3<8,13-8=5->5\n0-1<0,10-1=9,9-7=2->25\n5-1=4,4-0=4->425\n=-425",
    "-503-78=-(503+78)\n3+8=11->1\n0+7+1=8->81\n5+0=5->581\n=-581",
    "-78+503=503-78\n3<8,13-8=5->5\n0-1<0,10-1=9,9-7=2->25\n5-1=4,4-0=4->425",
    "168*6\n8*6=48->8\n6*6+4=40->08\n1*6+4=10->1008",
    ("347*206\n347*6\n7*6=42->2\n4*6+4=28->82\n3*6+2=20->2082\n347*00=0\n347*200\n7*2=14->400\n4*2+1=9->"
     "9400\n"
     "3*2=6->69400\n2082+69400\n2+0=2->2\n8+0=8->82\n0+4=4->482\n2+9=11->1482\n0+6+1=7->71482"),
    "24*31\n24*1=24\n24*30=720\n24+720\n4+0=4->4\n2+2=4->44\n0+7=7->744",
    "7654/24\n76:24*3=72,76-72=4->3\n45:24*1=24,45-24=21->31\n214:24*8=192,214-192=22->318\n=318 r 22",
    "612/6\n6:6*1=6,6-6=0->1\n1:6*0=0,1-0=1->10\n12:6*2=12,12-12=0->102\n=102",
    "3/8\n3:8*0=0,3-0=3->0\n=0 r 3",
    " decimal 9/4\n9:4*2=8,9-8=1->2\n10:4*2=8,10-8=2->2.2\n20:4*5=20,20-20=0->2.25\n=2.25",
    "gcd(25,36)\n36-25=11\n25:11*2=22,25-22=3\n=25/36",
    " Anna is taller than Ben\n3<4",
};

TEST(WorkCheck, FindsNothingWrongWithRightWork) {
  for (const char* work : kRight) EXPECT_EQ(arithmetic_fault(work), "") << work;
}

// Every digit is tried as its successor. All of these lines follow from the ones before, so one change is one
// mistake, wherever it is; but a comparison of its own may stay true, and lines that are no arithmetic are
// for work_fault.
TEST(WorkCheck, FindsEveryChangedDigit) {
  for (const std::string work : kRight) {
    if (work.find("gcd") != std::string::npos || work.find("Anna") != std::string::npos) continue;
    for (size_t i = 0; i < work.size(); i++) {
      if (work[i] < '0' || work[i] > '9') continue;
      std::string changed = work;
      changed[i] = work[i] == '9' ? '0' : static_cast<char>(work[i] + 1);
      EXPECT_NE(work_fault(changed, work, "no answer"), "") << changed;
    }
  }
}

TEST(WorkCheck, FindsLinesThatAreMissingOrTooMany) {
  const std::string work = kRight[4], answer = "425";  // 503-78
  for (size_t cut = work.find('\n'); cut != std::string::npos; cut = work.find('\n', cut + 1)) {
    EXPECT_NE(work_fault(work.substr(0, cut), work, answer), "") << work.substr(0, cut);
    EXPECT_NE(work_fault(work.substr(cut + 1), work, answer), "") << work.substr(cut + 1);
    EXPECT_NE(work_fault(work.substr(0, cut) + "\n1+1=2" + work.substr(cut), work, answer), "");
  }
  EXPECT_NE(work_fault(work + "\n" + work.substr(work.rfind('\n') + 1), work, answer), "");
}

TEST(WorkCheck, TakesWhatIsLeftOfAnExpressionForNoTask) {
  EXPECT_EQ(arithmetic_fault(" 7*(7*5)\n7*5=35\n 7*35\n7*35=245"), "");
  EXPECT_EQ(arithmetic_fault(" 404*3\n404*3\n4*3=12->2\n0*3+1=1->12\n4*3=12->1212"), "");
  EXPECT_NE(arithmetic_fault(" 404*3\n404*3\n4*3=12->2\n0*3=0->02\n4*3=12->1202"), "");
}

TEST(WorkCheck, SaysWhichLineIsWrong) {
  EXPECT_EQ(arithmetic_fault("347+589\n7+9=16->6\n4+8=12->26\n3+5+1=9->926"),
            "line 3: '4+8=12->26' should be '4+8+1=13->36'");
  EXPECT_EQ(arithmetic_fault("1+1=2\n2+2=5"), "line 2: '2+2=5' is not true");
  EXPECT_EQ(arithmetic_fault("347+589\n7+9=16->6"), "line 3: it ends where '4+8+1=13->36' should follow");
  EXPECT_THAT(arithmetic_fault("34-78\n4<8,14-8=6->6"), HasSubstr("which is negative"));
  EXPECT_THAT(arithmetic_fault("34/0\n3:0*0=0,3-0=3->0"), HasSubstr("divides by zero"));
}

TEST(WorkCheck, AcceptsOtherWorkOnlyWhenItsArithmeticIsRightAndItGivesTheAnswer) {
  EXPECT_EQ(work_fault("3+4=7", "4+3=7", "7"), "");
  EXPECT_EQ(work_fault("100+250\n0+0=0->0\n0+5=5->50\n1+2=3->350", "250+100=350", "350"), "");
  EXPECT_THAT(work_fault("3+4=7", "3+4+1=8", "8"), HasSubstr("does not give the answer"));
  EXPECT_THAT(work_fault("3+4=17", "4+3=7", "7"), HasSubstr("not true"));
  EXPECT_THAT(work_fault("13+4=17", "13+4-10=7", "7"), HasSubstr("does not give the answer"))
      << "17 is not 7";
  EXPECT_THAT(work_fault("", "4+3=7", "7"), HasSubstr("there is none"));
  EXPECT_THAT(work_fault("4+3=7", "", "7"), HasSubstr("there should be none"));
  EXPECT_NE(work_fault("3+4=7\n", "4+3=7", "7"), "");
  EXPECT_EQ(work_fault("22/5\n22:5*4=20,22-20=2->4\n=4 r 2", "5*4=20\n22-20=2\n=4 r 2", "4 remainder 2"), "");
}

TEST(WorkCheck, TrueLinesAboutOtherNumbersDoNotCount) {
  EXPECT_THAT(work_fault("99*0=0", "94*0=0", "0"), HasSubstr("99, which stands nowhere before"));
  EXPECT_THAT(work_fault("18>7\n larger: 18", "18>1\n larger: 18", "18"), HasSubstr("no arithmetic"));
  EXPECT_THAT(work_fault("16:4*3=12,12-12=0", "12:4*3=12,12-12=0\n16/4=4", "0"),
              HasSubstr("does not go on with 16-12="));
  EXPECT_THAT(work_fault("3+5=8\n8-1=7", "3+4=7", "7"), HasSubstr("with 5, which"));
  EXPECT_EQ(work_fault("3+3=6\n6+1=7", "3+3+1=7", "7"), "") << "6 was found before";
}

TEST(WorkCheck, WordsMustBeTheExpectedOnes) {
  const std::string expected = " Anna: 3\n3+4=7\n answer: 7";
  EXPECT_EQ(work_fault(" Anna: 3\n4+3=7\n answer: 7", expected, "7"), "");
  EXPECT_THAT(work_fault(" Ben: 3\n3+4=7\n answer: 7", expected, "7"), HasSubstr("no arithmetic"));
  EXPECT_THAT(work_fault(" answer: 7\n3+4=7\n Anna: 3", expected, "7"), HasSubstr("no arithmetic"));
  EXPECT_THAT(work_fault("3+4=7\n answer: 7", expected, "7"), HasSubstr("no arithmetic"));
  EXPECT_NE(work_fault("x=12", "x=11", "x = 11"), "");
}

TEST(WorkCheck, DoesNotBelieveNumbersThatAreTooLarge) {
  const std::string nines(40, '9');
  EXPECT_NE(work_fault(nines + "+1\n9+1=10->0", nines, "0"), "");
  EXPECT_NE(work_fault(nines + "=" + nines, nines, nines), "");
  EXPECT_NE(work_fault("99999999999999999*99999999999999999\n9*9=81->1", "99999999999999999", "1"), "");
}

TEST(WorkCheck, ReadsTheWorkOfEveryShippedProblem) {
  const auto set = read_problems(SAMBAY_SOURCE_DIR "/models/pocket/problems.jsonl");
  ASSERT_TRUE(set) << set.error().message;
  for (const Problem& problem : set->problems) {
    ASSERT_TRUE(problem.thinking) << problem.key;
    EXPECT_EQ(arithmetic_fault(*problem.thinking), "") << problem.key << "\n" << *problem.thinking;
  }
}

}  // namespace
}  // namespace sambay
