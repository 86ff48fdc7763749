// A comparison as text and as JSON.
#include <fmt/core.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "eval/compare.h"

namespace sambay {
namespace {

nlohmann::ordered_json side_json(const CompareReport::Side& side) {
  return {{"model", side.model},
          {"type", side.type},
          {"kv", side.kv},
          {"isa", side.isa},
          {"perplexity", {{"value", side.perplexity()}, {"standard_error", side.standard_error()}}}};
}

std::string side_line(const char* name, const CompareReport::Side& side) {
  return fmt::format("{:<2} {:>6} {:>5} {:>7} {:>12.4f} ± {:<9.4f} {}\n", name, side.type, side.kv, side.isa,
                     side.perplexity(), side.standard_error(), side.model);
}

}  // namespace

std::string format_comparison(const CompareReport& r) {
  const Divergence& d = r.divergence;
  std::string text =
      fmt::format("{} of {} tokens predicted, in pieces of {}\n\n", r.predicted, r.tokens, r.chunk);
  text += fmt::format("{:<2} {:>6} {:>5} {:>7} {:>12}   {:<9} {}\n", "", "type", "kv", "isa", "perplexity",
                      "", "model");
  text += side_line("A", r.a) + side_line("B", r.b);
  text += fmt::format("\nperplexity of B / A    {:.5f} ± {:.5f}\n", std::exp(r.nll_difference.mean()),
                      std::exp(r.nll_difference.mean()) * r.nll_difference.standard_error());
  text += fmt::format(
      "KL of B from A         mean {:.6f} ± {:.6f}   median {:.6f}   99 % {:.6f}   max {:.6f} nats\n",
      d.kl_mean(), d.kl_standard_error(), d.kl_quantile(0.5), d.kl_quantile(0.99), d.kl_quantile(1));
  text += fmt::format("same likeliest token   {:.3f} %\n", 100 * d.top1_agreement());
  text += fmt::format("same among five        {:.3f} %\n", 100 * d.top5_agreement());
  return text;
}

std::string comparison_json(const CompareReport& r) {
  const Divergence& d = r.divergence;
  const double ratio = std::exp(r.nll_difference.mean());
  const nlohmann::ordered_json json = {
      {"a", side_json(r.a)},
      {"b", side_json(r.b)},
      {"chunk", r.chunk},
      {"tokens", r.tokens},
      {"predicted", r.predicted},
      {"perplexity_ratio", {{"value", ratio}, {"standard_error", ratio * r.nll_difference.standard_error()}}},
      {"kl",
       {{"mean", d.kl_mean()},
        {"standard_error", d.kl_standard_error()},
        {"median", d.kl_quantile(0.5)},
        {"p99", d.kl_quantile(0.99)},
        {"max", d.kl_quantile(1)}}},
      {"top1_agreement", d.top1_agreement()},
      {"top5_agreement", d.top5_agreement()}};
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace sambay
