// What a tokenizer costs, told before it is loaded.
#pragma once

#include <cstdint>

#include "formats/checkpoint.h"

namespace sambay {

/// About what a tokenizer of this vocabulary needs while it is built, which is more than afterwards; 0 when
/// the checkpoint has none. Nothing is read.
int64_t tokenizer_memory(const Checkpoint& checkpoint, int vocab);

}  // namespace sambay
