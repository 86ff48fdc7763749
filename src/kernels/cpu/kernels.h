// Which kernel tables exist and which one this process uses.
#pragma once

#include <span>
#include <string_view>

#include "kernels/cpu/kernel_table.h"
#include "sambay/error.h"

namespace sambay {

/// Everything that was compiled in, best first; scalar, the oracle, is last. Tests loop over this.
std::span<const CpuKernels* const> compiled_kernels();

/// "" takes SAMBAY_ISA from the environment, and without it the best that this CPU supports. Errors:
/// invalid_argument for an unknown name (lists the known ones), or one that this CPU lacks.
Result<const CpuKernels*> select_kernels(std::string_view forced_name = {});

}  // namespace sambay
