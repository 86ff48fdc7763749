// What a tokenizer and a text cost, told before they are loaded.
#pragma once

#include <cstdint>
#include <string>

#include "formats/checkpoint.h"

namespace sambay {

/// About what a tokenizer of this vocabulary needs while it is built, which is more than afterwards; 0 when
/// the checkpoint has none. Nothing is read.
int64_t tokenizer_memory(const Checkpoint& checkpoint, int vocab);

/// About what the text in a file takes with the ids of its tokens and a float for each; 0 when there is no
/// such file, which is an error when it is read.
int64_t text_memory(const std::string& path);

}  // namespace sambay
