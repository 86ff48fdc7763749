// Asked from here, a file built without extra flags, so that the question itself cannot be an illegal
// instruction.
#include "kernels/cpu/isa.h"

#if defined(__aarch64__)
#include <sys/auxv.h>
#endif

namespace sambay {

bool cpu_has_scalar() { return true; }

bool cpu_has_avx2() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
#else
  return false;
#endif
}

bool cpu_has_avx512() {
#if defined(__x86_64__)
  return cpu_has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#else
  return false;
#endif
}

bool cpu_has_avx512_vnni() {
#if defined(__x86_64__)
  return cpu_has_avx512() && __builtin_cpu_supports("avx512vnni");
#else
  return false;
#endif
}

bool cpu_has_neon() {
#if defined(__aarch64__)
  return true;
#else
  return false;
#endif
}

bool cpu_has_neon_dotprod() {
#if defined(__aarch64__)
  constexpr unsigned long kDotProducts = 1ul << 20;  // HWCAP_ASIMDDP
  return (getauxval(AT_HWCAP) & kDotProducts) != 0;
#else
  return false;
#endif
}

bool cpu_has_neon_i8mm() {
#if defined(__aarch64__)
  constexpr unsigned long kInt8Matrices = 1ul << 13;  // HWCAP2_I8MM
  return cpu_has_neon_dotprod() && (getauxval(AT_HWCAP2) & kInt8Matrices) != 0;
#else
  return false;
#endif
}

}  // namespace sambay
