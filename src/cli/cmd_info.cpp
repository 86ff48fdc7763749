// sambay info
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "cli/command.h"
#include "tools/info.h"

namespace sambay {

void add_info(CLI::App& app, Action& action) {
  auto options = std::make_shared<InfoOptions>();
  auto json = std::make_shared<bool>(false);
  auto tensors = std::make_shared<bool>(true);
  CLI::App* cmd = app.add_subcommand("info", "Show what a model is made of, and check it");
  cmd->add_option("model,-m,--model", options->model,
                  "Model: folder, .safetensors or GGUF (default: the embedded one)");
  cmd->add_flag("--json", *json, "Everything, as one JSON object");
  cmd->add_flag("--tensors,!--no-tensors", *tensors,
                "Every tensor: name, type, shape, bytes (default), or only sums");
  cmd->add_flag("--check", options->check,
                "Read every weight; NaN, infinity, or a tokenizer that does not fit ends with status 3");
  cmd->callback([&action, options, json, tensors] {
    action = [options, json, tensors]() -> Result<int> {
      options->should_stop = interrupted;
      auto report = describe_model(*options);
      if (!report) return tl::unexpected(std::move(report).error());
      std::fputs((*json ? info_json(*report) : format_info(*report, *tensors)).c_str(), stdout);
      if (!report->problems || report->problems->empty()) return 0;
      const size_t others = report->problems->size() - 1;
      return fail(ErrorCode::corrupt, fmt::format("{}: {}{}", report->name, report->problems->front(),
                                                  others > 0 ? fmt::format(" (and {} more)", others) : ""));
    };
  });
}

}  // namespace sambay
