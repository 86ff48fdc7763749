// Asked from here, a file built without extra flags, so that the question itself cannot be an illegal
// instruction.
#include "kernels/cpu/isa.h"

namespace sambay {

bool cpu_has_scalar() { return true; }

bool cpu_has_avx2() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
#else
  return false;
#endif
}

}  // namespace sambay
