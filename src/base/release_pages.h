// Keeping a walk through a large mapped file from filling the memory.
#pragma once

#include <cstddef>
#include <span>

namespace sambay {

/// Lets go of the whole pages inside `bytes`, which must lie in a read-only mapping of a file (never in
/// ordinary memory, whose contents would be lost); they come back from the file when they are read again.
/// Best effort: without it a program that reads a large model once looks as big as the model.
void release_pages(std::span<const std::byte> bytes);

}  // namespace sambay
