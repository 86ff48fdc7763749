// Which architectures there are: one line each.
#include <fmt/core.h>

#include <array>

#include "model/sambay.h"

namespace sambay {
namespace {

struct Architecture {
  std::string_view name;  // GGUF's general.architecture
  Result<std::unique_ptr<Model>> (*load)(const Checkpoint&, Ops&, const ModelOptions&);
};

constexpr std::array kArchitectures = {
    Architecture{"phi4flash", SambaY::load},
};

}  // namespace

Result<std::unique_ptr<Model>> load_model(const Checkpoint& checkpoint, Ops& ops,
                                          const ModelOptions& options) {
  // With one architecture its own config reader says best what is wrong with a file of another.
  return kArchitectures[0].load(checkpoint, ops, options);
}

}  // namespace sambay
