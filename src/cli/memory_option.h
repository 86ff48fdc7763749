// --memory LIMIT, the same for every command that loads a model.
#pragma once

#include <cstdint>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace sambay {

/// `limit` stays as it is unless the option is given; what is no size is a usage error.
CLI::Option* add_memory_option(CLI::App& command, int64_t& limit);

}  // namespace sambay
