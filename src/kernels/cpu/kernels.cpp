#include "kernels/cpu/kernels.h"

#include <fmt/core.h>

#include <array>
#include <cstdlib>
#include <string>

#include "kernels/cpu/isa.h"
#include "tensor/dtype.h"

namespace sambay {

static_assert(kKernelF32 == static_cast<int>(DType::f32) && kKernelF16 == static_cast<int>(DType::f16) &&
              kKernelBF16 == static_cast<int>(DType::bf16) && kKernelQ8_0 == static_cast<int>(DType::q8_0) &&
              kKernelQ4_0 == static_cast<int>(DType::q4_0) && kKernelQ4_K == static_cast<int>(DType::q4_k) &&
              kKernelQ5_K == static_cast<int>(DType::q5_k) && kKernelQ6_K == static_cast<int>(DType::q6_k));

std::span<const CpuKernels* const> compiled_kernels() {
  // One row per instruction set, best first. A local static, because tests ask before main.
  static const std::array kCompiled = {
#if defined(__x86_64__)
      &kernels_avx512_vnni(),
      &kernels_avx512(),
      &kernels_avx2(),
#elif defined(__aarch64__)
      &kernels_neon_i8mm(),
      &kernels_neon_dotprod(),
      &kernels_neon(),
#endif
      &kernels_scalar(),
  };
  return kCompiled;
}

Result<const CpuKernels*> select_kernels(std::string_view forced_name) {
  if (forced_name.empty()) {
    if (const char* env = std::getenv("SAMBAY_ISA")) forced_name = env;
  }
  std::string known;
  for (const CpuKernels* kernels : compiled_kernels()) {
    if (forced_name.empty() ? kernels->supported() : forced_name == kernels->name) {
      if (!kernels->supported())
        return fail(ErrorCode::invalid_argument,
                    fmt::format("instruction set {}: this CPU does not have it", forced_name));
      return kernels;
    }
    known += (known.empty() ? "" : ", ") + std::string(kernels->name);
  }
  return fail(ErrorCode::invalid_argument,
              fmt::format("instruction set '{}' is unknown; this build has {}", forced_name, known));
}

}  // namespace sambay
