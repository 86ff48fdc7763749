// The program: subcommands, signals, and the one place where an error becomes a line and an exit status.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <exception>
#include <new>
#include <string>

#include "base/mapped_file.h"
#include "cli/command.h"
#include "cli/embedded.h"
#include "sambay/embedded_model.h"

namespace sambay {
namespace {

constexpr const char* kVersion = SAMBAY_VERSION;
std::atomic<bool> g_interrupted = false;

// The first Ctrl-C asks; a second one does not wait for the answer.
void on_interrupt(int) {
  if (g_interrupted.exchange(true)) _exit(130);
}

void install_signal_handlers() {
  struct sigaction action{};
  action.sa_handler = on_interrupt;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe is an output error like any other
  std::signal(SIGXFSZ, SIG_IGN);  // so is a file that grows beyond the limit
  install_mapping_fault_handler();
}

/// Errors are one line whatever went into them.
int report(std::string message, int status) {
  for (char& c : message)
    if (c == '\n' || c == '\r') c = ' ';
  while (!message.empty() && message.back() == ' ') message.pop_back();
  std::fprintf(stderr, "sambay: error: %s\n", message.c_str());
  return status;
}

constexpr const char* kExamples = R"(Examples:
  sambay run "What is 347 + 589?"              the model inside the program
  sambay run -m Phi-4-mini-flash-reasoning "Solve x^2 = 2"
  sambay convert Phi-4-mini-flash-reasoning -o flash-q8_0.gguf --type q8_0
  sambay info flash-q8_0.gguf
  echo "some text" | sambay tokenize -m flash-q8_0.gguf

A model is a Hugging Face folder, a .safetensors file beside its config.json, or a GGUF file.
Exit status: 0 done; 1 other; 2 usage; 3 model or input file; 4 memory; 5 input/output; 130 interrupted.
"sambay COMMAND --help" explains each command.)";

// A new command is one line here.
constexpr std::array kCommands = {add_run,    add_convert,  add_info,      add_bench,
                                  add_logits, add_tokenize, add_detokenize};

int run(int argc, char** argv) {
  CLI::App app("sambay " + std::string(kVersion) +
               ": runs SambaY models (Phi-4-mini-flash-reasoning) on this machine");
  app.footer(kExamples);
  app.set_version_flag("--version", std::string("sambay ") + kVersion);
  app.require_subcommand(0, 1);
  Action action;
  for (auto add : kCommands) add(app, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e);  // --help, --version
    return report(std::string(e.what()) + " (see --help)", exit_code(ErrorCode::invalid_argument));
  }
  if (!action) {
    std::fputs(app.help().c_str(), stderr);
    return exit_code(ErrorCode::invalid_argument);
  }
  const Result<int> status = action();
  if (!status) return report(status.error().message, exit_code(status.error().code));
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
    return report("writing to standard output failed", exit_code(ErrorCode::io));
  return *status;
}

}  // namespace

bool interrupted() { return g_interrupted; }

}  // namespace sambay

int main(int argc, char** argv) {
  sambay::install_signal_handlers();
  sambay::set_embedded_model(sambay::model_in_program());
  try {
    return sambay::run(argc, argv);
  } catch (const std::bad_alloc&) {
    return sambay::report("out of memory", sambay::exit_code(sambay::ErrorCode::out_of_memory));
  } catch (const std::exception& e) {
    return sambay::report(e.what(), sambay::exit_code(sambay::ErrorCode::internal));
  }
}
