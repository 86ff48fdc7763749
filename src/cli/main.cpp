// The program: subcommands, signals, and the one place where an error becomes a line and an exit status.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <exception>
#include <new>
#include <numeric>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "base/mapped_file.h"
#include "cli/command.h"
#include "cli/embedded.h"
#include "cli/llama_flags.h"
#include "sambay/embedded_model.h"

namespace sambay {
namespace {

constexpr const char* kVersion = SAMBAY_VERSION;
std::atomic<bool> g_interrupted = false;

bool g_terminal = false;  // standard output is one

// The first Ctrl-C asks; a second one does not wait for the answer, but leaves no dimmed terminal behind.
void on_interrupt(int) {
  if (!g_interrupted.exchange(true)) return;
  if (g_terminal && ::write(STDOUT_FILENO, "\033[0m\n", 5) < 0) _exit(130);
  _exit(130);
}

void install_signal_handlers() {
  g_terminal = isatty(STDOUT_FILENO) != 0;
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
  sambay serve -m flash-q8_0.gguf              an HTTP server, OpenAI's API
  echo "some text" | sambay tokenize -m flash-q8_0.gguf

A model is a Hugging Face folder, a .safetensors file beside its config.json, or a GGUF file.
Exit status: 0 done; 1 other; 2 usage; 3 model or input file; 4 memory; 5 input/output; 130 interrupted.
"sambay COMMAND --help" explains each command.)";

// A new command is one line here.
constexpr std::array kCommands = {add_run,    add_serve,    add_convert,   add_quantize, add_imatrix,
                                  add_info,   add_plan,     add_eval,      add_compare,  add_bench,
                                  add_logits, add_tokenize, add_detokenize};

/// How many letters have to be changed, added or left out to turn one word into the other.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); i++) {
    size_t diagonal = row[0]++;
    for (size_t j = 0; j < b.size(); j++) {
      const size_t changed = diagonal + (a[i] != b[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({changed, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

std::string unknown_command(const CLI::App& app, const std::string& word) {
  std::string names, nearest;
  size_t nearest_distance = 3;  // further away is another word
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    const std::string& name = command->get_name();
    names += (names.empty() ? "" : ", ") + name;
    const size_t distance = word.size() < 40 ? edit_distance(word, name) : 40;
    if (distance < nearest_distance) nearest = name, nearest_distance = distance;
  }
  std::string message = "no command '" + word + "'; there are " + names;
  if (!nearest.empty()) message += "; did you mean '" + nearest + "'?";
  if (word.find(' ') != std::string::npos) message += "; a question is asked with: sambay run \"...\"";
  return message;
}

/// An empty name is a variable of somebody's script that was not set, not a wish for the embedded model.
void refuse_empty_models(CLI::App& app) {
  for (CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    for (const char* name : {"--model", "A", "B"})  // the latter two are those of compare
      if (CLI::Option* model = command->get_option_no_throw(name))
        model->check(
            [](const std::string& given) { return given.empty() ? "the name is empty" : std::string(); });
    refuse_empty_models(*command);
  }
}

int run(int argc, char** argv) {
  CLI::App app("sambay " + std::string(kVersion) +
               ": runs SambaY models (Phi-4-mini-flash-reasoning) on this machine");
  app.name("sambay");
  app.set_version_flag("--version", std::string("sambay ") + kVersion);
  app.require_subcommand(0, 1);
  Action action;
  for (auto add : kCommands) add(app, action);
  refuse_empty_models(app);
  app.footer(kExamples);  // after the commands, which would inherit it
  const auto named = [&](const CLI::App* command) { return argc > 1 && command->get_name() == argv[1]; };
  if (argc > 1 && argv[1][0] != '-' && app.get_subcommands(named).empty())
    return report(unknown_command(app, argv[1]), exit_code(ErrorCode::invalid_argument));
  std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc), notices;
  if (argc > 1 && std::string_view(argv[1]) == "serve") {
    Result<std::vector<std::string>> translated = translate_llama_flags(arguments, notices);
    if (!translated) return report(translated.error().message, exit_code(translated.error().code));
    arguments = *std::move(translated);
  }
  for (const std::string& notice : notices) std::fprintf(stderr, "sambay: %s\n", notice.c_str());
  std::reverse(arguments.begin(), arguments.end());  // as CLI11 takes them
  try {
    app.parse(std::move(arguments));
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e);  // --help, --version
    return report(std::string(e.what()) + " (see --help)", exit_code(ErrorCode::invalid_argument));
  }
  if (!action) return report("no command; see sambay --help", exit_code(ErrorCode::invalid_argument));
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
  } catch (const std::system_error& e) {  // no more threads
    const bool refused = e.code() == std::errc::resource_unavailable_try_again;
    return sambay::report(e.what(), sambay::exit_code(refused ? sambay::ErrorCode::out_of_memory
                                                              : sambay::ErrorCode::internal));
  } catch (const std::exception& e) {
    return sambay::report(e.what(), sambay::exit_code(sambay::ErrorCode::internal));
  }
}
