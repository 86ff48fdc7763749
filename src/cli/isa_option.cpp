#include "cli/isa_option.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <vector>

#include "kernels/cpu/kernels.h"

namespace sambay {

CLI::Option* add_isa_option(CLI::App& command, std::string& isa) {
  std::vector<std::string> names;
  for (const CpuKernels* kernels : compiled_kernels()) names.emplace_back(kernels->name);
  return command.add_option("--isa", isa,
                            fmt::format("Instruction set: {} (best supported)", fmt::join(names, ", ")));
}

}  // namespace sambay
