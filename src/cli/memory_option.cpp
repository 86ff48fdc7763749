#include "cli/memory_option.h"

#include <CLI/CLI.hpp>
#include <string>

#include "base/byte_size.h"

namespace sambay {

CLI::Option* add_memory_option(CLI::App& command, int64_t& limit) {
  return command
      .add_option_function<std::string>(
          "--memory",
          [&limit](const std::string& text) {
            if (const auto bytes = parse_byte_size(text)) limit = *bytes;
          },
          "Refuse to start, with advice, if more than this may be needed: 3.5G, 800M, 2GB, bytes")
      ->check([](const std::string& text) {
        const auto bytes = parse_byte_size(text);
        return bytes ? std::string() : bytes.error().message;
      });
}

}  // namespace sambay
