// The product for weight types that no kernel reads: rows are decoded to f32, a few at a time, for the f32
// kernel. Slower than a kernel of its own would be, and exact: nothing but the weights is rounded.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/cpu/kernels.h"
#include "tensor/tensor.h"

namespace sambay {

/// Outputs [args.first, args.last) of every input row, as kernels.matmul does it for types that have a
/// kernel; weight, row_bytes and cols of `args` are not looked at. The same bits for any split of outputs and
/// inputs, since they are the f32 kernel's. scratch grows to some 256 KiB, or to one row.
void decoded_matmul(const CpuKernels& kernels, const Weight& weight, const MatMulArgs& args,
                    std::vector<float>& scratch);

}  // namespace sambay
