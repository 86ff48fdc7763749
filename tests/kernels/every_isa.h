// Tests that run once for every kernel table that was compiled in, and for the AVX-512 ones in software. A
// table that this CPU cannot run is skipped aloud.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "kernels/cpu/kernels.h"
#include "kernels/software_tables.h"

namespace sambay::test {

class EveryIsa : public ::testing::TestWithParam<const CpuKernels*> {
 protected:
  void SetUp() override {
    if (!GetParam()->supported()) GTEST_SKIP() << "this CPU does not have " << GetParam()->name;
  }
  const CpuKernels& kernels() const { return *GetParam(); }
  static const CpuKernels& scalar() { return *compiled_kernels().back(); }
};

inline std::vector<const CpuKernels*> tested_kernels() {
  std::vector<const CpuKernels*> list(compiled_kernels().begin(), compiled_kernels().end());
#if defined(__x86_64__)
  list.push_back(&software_avx512());
  list.push_back(&software_avx512_vnni());
#endif
  return list;
}

inline std::string isa_name(const ::testing::TestParamInfo<const CpuKernels*>& info) {
  return info.param->name;
}

#define SAMBAY_FOR_EVERY_ISA(Suite)                                                           \
  INSTANTIATE_TEST_SUITE_P(Isa, Suite, ::testing::ValuesIn(::sambay::test::tested_kernels()), \
                           ::sambay::test::isa_name)

}  // namespace sambay::test
