// Options about memory that commands share.
#pragma once

#include <cstdint>
#include <optional>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace sambay {

/// --memory LIMIT, of every command that loads a model: `limit` stays as it is unless the option is given;
/// what is no size is a usage error.
CLI::Option* add_memory_option(CLI::App& command, int64_t& limit);
/// --total-context N|auto: EngineOptions::total_context. `tokens` stays as it is unless the option is given.
CLI::Option* add_total_context_option(CLI::App& command, int64_t& tokens);
/// --prefix-cache BYTES, 0 for none.
CLI::Option* add_prefix_cache_option(CLI::App& command, std::optional<int64_t>& bytes);

}  // namespace sambay
