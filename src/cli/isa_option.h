// --isa, of every command that computes.
#pragma once

#include <string>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace sambay {

/// --isa NAME; its help lists what this build has. `isa` stays as it is unless the option is given, and is
/// checked where kernels are chosen.
CLI::Option* add_isa_option(CLI::App& command, std::string& isa);

}  // namespace sambay
