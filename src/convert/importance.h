// How much each input column of each matrix matters: what `sambay imatrix` writes and `sambay quantize`
// reads.
#pragma once

#include <string>
#include <vector>

#include "model/tensor_table.h"
#include "sambay/error.h"

namespace sambay {

/// Of every tensor in the order of `specs`: weights of its columns' squared errors, their mean 1, none 0;
/// empty for tensors that the file does not name. The file is safetensors: F32 vectors of mean squared inputs
/// by the tensor's name in a GGUF (docs/file-format.md). Errors: those of the format; corrupt for a name,
/// length or value that does not fit the model, naming it.
Result<std::vector<std::vector<float>>> load_importance(const std::string& path,
                                                        const std::vector<TensorSpec>& specs);

}  // namespace sambay
