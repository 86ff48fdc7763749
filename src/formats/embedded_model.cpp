#include "sambay/embedded_model.h"

namespace sambay {
namespace {
std::span<const std::byte> g_embedded;
}

void set_embedded_model(std::span<const std::byte> gguf) { g_embedded = gguf; }
std::span<const std::byte> embedded_model() { return g_embedded; }

}  // namespace sambay
