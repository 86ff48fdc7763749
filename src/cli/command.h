// How a subcommand is made: add_<name>() declares flags on its own CLI::App and says what to do when chosen.
// A new command is cmd_<name>.cpp and one line in main.cpp.
#pragma once

#include <functional>

#include "sambay/error.h"

namespace CLI {
class App;
}

namespace sambay {

/// What the chosen subcommand does, after parsing; the value is the exit status. An error is printed by main
/// as one line and turned into the exit status of its code.
using Action = std::function<Result<int>()>;

void add_run(CLI::App& app, Action& action);
void add_serve(CLI::App& app, Action& action);
void add_convert(CLI::App& app, Action& action);
void add_quantize(CLI::App& app, Action& action);
void add_imatrix(CLI::App& app, Action& action);
void add_info(CLI::App& app, Action& action);
void add_plan(CLI::App& app, Action& action);
void add_logits(CLI::App& app, Action& action);
void add_tokenize(CLI::App& app, Action& action);
void add_detokenize(CLI::App& app, Action& action);
void add_eval(CLI::App& app, Action& action);
void add_bench(CLI::App& app, Action& action);
void add_bench_serve(CLI::App& bench, Action& action);
void add_compare(CLI::App& app, Action& action);

/// True after Ctrl-C (the handler is installed by main); long loops look at it and return `cancelled`.
bool interrupted();

}  // namespace sambay
