// The tables of the AVX-512 kernels in software must be those of the real ones, or tests would skip kernels.
#include <gtest/gtest.h>

#include <string>

#include "kernels/cpu/kernels.h"
#include "kernels/software_tables.h"

namespace sambay {
namespace {

#if defined(__x86_64__)

void expect_same_kernels(const CpuKernels& software, const std::string& real_name) {
  for (const CpuKernels* real : compiled_kernels()) {
    if (real->name != real_name) continue;
    for (int type = 0; type < kKernelTypeCount; type++) {
      EXPECT_EQ(software.matmul[type] != nullptr, real->matmul[type] != nullptr) << type;
      EXPECT_EQ(software.panel_matmul[type] != nullptr, real->panel_matmul[type] != nullptr) << type;
      EXPECT_EQ(software.attend[type] != nullptr, real->attend[type] != nullptr) << type;
    }
    EXPECT_TRUE(software.quantize_row && software.layer_norm && software.add && software.silu_mul);
    EXPECT_TRUE(software.conv1d && software.selective_scan && software.exp && software.softplus);
    EXPECT_TRUE(software.attention_add && software.attention_finish);
    return;
  }
  FAIL() << "no table " << real_name;
}

TEST(SoftwareAvx512, HasTheKernelsOfTheRealTables) {
  expect_same_kernels(test::software_avx512(), "avx512");
  expect_same_kernels(test::software_avx512_vnni(), "avx512_vnni");
}

TEST(SoftwareAvx512, BorrowsNothingOfTheScalarTable) {
  const CpuKernels& scalar = *compiled_kernels().back();
  for (const CpuKernels* k : {&test::software_avx512(), &test::software_avx512_vnni()}) {
    for (int type = 0; type < kKernelTypeCount; type++) {
      EXPECT_TRUE(k->matmul[type] == nullptr || k->matmul[type] != scalar.matmul[type]) << type;
      EXPECT_TRUE(k->panel_matmul[type] == nullptr || k->panel_matmul[type] != scalar.panel_matmul[type]);
      EXPECT_TRUE(k->attend[type] == nullptr || k->attend[type] != scalar.attend[type]) << type;
    }
    EXPECT_NE(k->layer_norm, scalar.layer_norm);
    EXPECT_NE(k->selective_scan, scalar.selective_scan);
    EXPECT_EQ(k->multiply_int8, nullptr) << "a ceiling of other registers";
  }
}

#endif

}  // namespace
}  // namespace sambay
