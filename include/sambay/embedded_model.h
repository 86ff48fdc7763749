// The GGUF file that the program carries inside itself.
#pragma once

#include <cstddef>
#include <span>

namespace sambay {

/// Set once by main before anything is opened; the bytes must live as long as the program. Empty by default:
/// then opening the model "" is an error that says so.
void set_embedded_model(std::span<const std::byte> gguf);
std::span<const std::byte> embedded_model();

}  // namespace sambay
