#include "tools/plan.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/byte_size.h"
#include "text/tokenizer_memory.h"
#include "tools/synthetic.h"

namespace sambay {
namespace {

constexpr std::array kKvTypes = {DType::f32, DType::f16, DType::q8_0};
constexpr std::array kContexts = {4096, 16384, 32768, 65536, 131072, 262144};

Result<void> check(const PlanOptions& o) {
  const auto range = [](const char* flag, int value, int low, int high) -> Result<void> {
    if (value >= low && value <= high) return {};
    return fail(ErrorCode::invalid_argument, fmt::format("{} {}: must be {} to {}", flag, value, low, high));
  };
  SAMBAY_TRY_VOID(range("--parallel", o.parallel, 1, 4096));
  SAMBAY_TRY_VOID(range("--chunk", o.chunk, 1, 65536));
  return range("-t", o.threads, 0, 1024);
}

struct Planned {
  ModelFootprint footprint;
  int64_t tokenizer_bytes = 0;
};

Result<Planned> look_at(const PlanOptions& o) {
  Planned out;
  if (!o.synthetic.empty()) {
    SAMBAY_TRY(const SambaYConfig config, sambay_preset(o.synthetic), "--synthetic");
    out.footprint = SyntheticLayout(config, o.type).footprint;
    return out;
  }
  SAMBAY_TRY(const Checkpoint checkpoint, Checkpoint::open(o.model), "opening the model");
  SAMBAY_TRY(out.footprint, model_footprint(checkpoint), o.model);
  out.tokenizer_bytes = tokenizer_memory(checkpoint, out.footprint.vocab);
  return out;
}

Result<int> choose_context(int asked, int model_limit) {
  if (asked == 0) return std::min(kDefaultContext, model_limit);
  if (asked >= 2 && asked <= model_limit) return asked;
  return fail(ErrorCode::invalid_argument,
              fmt::format("-c {}: this model's context is 2 to {} tokens", asked, model_limit));
}

}  // namespace

Result<PlanReport> make_plan(const PlanOptions& o) {
  SAMBAY_TRY_VOID(check(o));
  SAMBAY_TRY(const Planned model, look_at(o), "plan");
  const ModelFootprint& footprint = model.footprint;
  PlanReport report;
  report.model = !o.synthetic.empty() ? "synthetic:" + o.synthetic : o.model.empty() ? "embedded" : o.model;
  report.kv = o.kv, report.parallel = o.parallel, report.chunk = o.chunk;
  report.memory_limit = o.memory_limit;
  SAMBAY_TRY(report.context, choose_context(o.context, footprint.max_context), "plan");
  MemoryRequest request = answering_request(o.kv, o.parallel, report.context, o.chunk, o.threads);
  request.tokenizer_bytes = model.tokenizer_bytes;
  request.prefix_bytes = report.prefix_cache_bytes = o.prefix_cache_bytes;
  request.total_positions = report.total_context =
      o.total_context < 0 ? largest_total(footprint, request, o.memory_limit) : o.total_context;
  SAMBAY_TRY_VOID(check_prefix_bytes(footprint, request, "--prefix-cache"));
  report.plan = plan_memory(footprint, request);
  if (o.total_context < 0) request.total_positions = 1;
  for (const DType kv : kKvTypes) {
    request.kv = kv;
    for (const int context : kContexts) {
      if (context > footprint.max_context) break;
      request.positions = context;
      report.contexts.push_back({kv, context, plan_memory(footprint, request).total()});
    }
    if (o.memory_limit == 0) continue;
    request.positions = longest_context(footprint, request, o.memory_limit);
    const int64_t bytes = request.positions > 0 ? plan_memory(footprint, request).total() : 0;
    report.longest.push_back({kv, request.positions, bytes});
  }
  return report;
}

std::string format_plan(const PlanReport& r) {
  std::string text = fmt::format("model {}   context {}   sequences {}   kv {}   chunk {}\n\n", r.model,
                                 r.context, r.parallel, dtype_info(r.kv).name, r.chunk);
  if (r.total_context > 0) text.insert(text.size() - 2, fmt::format("   total context {}", r.total_context));
  const auto line = [&](const char* name, const char* type, int64_t bytes) {
    text += fmt::format("{:<28} {:<5} {:>15}  {:>9}\n", name, type, bytes, format_byte_size(bytes));
  };
  for (const MemoryItem& item : r.plan.items) line(item.text, item.type, item.bytes);
  line("all", "", r.plan.total());
  if (!r.contexts.empty()) {
    text += fmt::format("\n{:>8}", "context");
    for (const DType kv : kKvTypes) text += fmt::format(" {:>10}", dtype_info(kv).name);
    const size_t rows = r.contexts.size() / kKvTypes.size();
    for (size_t i = 0; i < rows; i++) {
      text += fmt::format("\n{:>8}", r.contexts[i].context);
      for (size_t k = 0; k < kKvTypes.size(); k++)
        text += fmt::format(" {:>10}", format_byte_size(r.contexts[k * rows + i].bytes));
    }
    text += '\n';
  }
  if (r.memory_limit == 0) return text;
  text += fmt::format("\n{} {} --memory {}; the longest contexts that do:", format_byte_size(r.plan.total()),
                      r.plan.total() <= r.memory_limit ? "fit in" : "do not fit in",
                      format_byte_size(r.memory_limit));
  for (const auto& fit : r.longest)
    text += fit.context > 0 ? fmt::format("   {} {}", dtype_info(fit.kv).name, fit.context)
                            : fmt::format("   {} none", dtype_info(fit.kv).name);
  return text + "\n";
}

std::string plan_json(const PlanReport& r) {
  nlohmann::ordered_json json = {{"model", r.model},
                                 {"kv", dtype_info(r.kv).name},
                                 {"context", r.context},
                                 {"parallel", r.parallel},
                                 {"chunk", r.chunk},
                                 {"total_context", r.total_context},
                                 {"prefix_cache_bytes", r.prefix_cache_bytes},
                                 {"components", nlohmann::ordered_json::array()},
                                 {"total_bytes", r.plan.total()}};
  for (const MemoryItem& item : r.plan.items) {
    nlohmann::ordered_json component = {{"component", item.component}, {"bytes", item.bytes}};
    if (*item.type) component["type"] = item.type;
    json["components"].push_back(std::move(component));
  }
  const auto fits = [](const std::vector<PlanReport::Fit>& list) {
    nlohmann::ordered_json out = nlohmann::ordered_json::array();
    for (const auto& fit : list)
      out.push_back({{"kv", dtype_info(fit.kv).name}, {"context", fit.context}, {"bytes", fit.bytes}});
    return out;
  };
  json["contexts"] = fits(r.contexts);
  if (r.memory_limit > 0) {
    json["memory_limit"] = r.memory_limit;
    json["fits"] = r.plan.total() <= r.memory_limit;
    json["longest_contexts"] = fits(r.longest);
  }
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace sambay
