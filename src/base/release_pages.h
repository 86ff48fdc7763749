// Keeping a walk through a large mapped file from filling the memory.
#pragma once

#include <cstddef>
#include <span>

namespace sambay {

/// Lets go of the whole pages inside `bytes`, which must lie in a read-only mapping of a file: they come back
/// from it when they are read again. (Of ordinary memory the contents are lost and read as zero.)
/// Best effort: without it a program that reads a large model once looks as big as the model.
void release_pages(std::span<const std::byte> bytes);

}  // namespace sambay
