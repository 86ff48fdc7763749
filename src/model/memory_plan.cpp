#include "model/memory_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <string_view>

#include "base/byte_size.h"
#include "base/thread_pool.h"

namespace sambay {
namespace {

// The program itself, its libraries, its threads' stacks and what the C++ library keeps: measured (docs/
// testing.md, "Memory").
constexpr int64_t kProgramBytes = int64_t{9} << 20;
constexpr int64_t kSamplerBytesPerToken =
    8 + 4 + 4;                         // SamplerScratch: a weight and a candidate; a copied logit
constexpr int kShortestContext = 256;  // that is worth advising

class PlanBuilder {
 public:
  explicit PlanBuilder(MemoryPlan& plan) : plan_(plan) {}
  void add(const char* component, const char* text, const char* type, int64_t bytes) {
    if (bytes > 0) plan_.items.push_back({component, text, type, bytes});
  }

 private:
  MemoryPlan& plan_;
};

void add_weights(const ModelFootprint& model, PlanBuilder& plan) {
  plan.add("embedding", "embedding and output head", dtype_info(model.embedding_type).name,
           model.embedding_bytes);
  for (const DTypeInfo& info : all_dtypes())
    plan.add("weights", "weights", info.name, model.weight_bytes[static_cast<size_t>(info.type)]);
  plan.add("vectors", "vectors, copied", "f32", model.vector_bytes);
  plan.add("header", "headers and side files", "", model.header_bytes);
}

void add_caches(const CachePlan& caches, PlanBuilder& plan) {
  plan.add("state", "recurrent state", "f32", caches.state_bytes());
  for (size_t g = 0; g < caches.groups.size(); g++) {
    const KvLayout& layout = caches.groups[g].layout;
    const bool window = layout.group.window > 0;
    plan.add(window ? "kv_window" : "kv_shared",
             window ? "KV of the window layers" : "KV of the shared layer", dtype_info(layout.type).name,
             caches.group_bytes(g));
  }
}

/// "weights 3.80 GiB, KV of the shared layer 0.25 GiB, ...": the largest ones.
std::string largest_items(const MemoryPlan& plan) {
  std::vector<std::pair<int64_t, std::string>> sums;  // types of one component together
  for (const MemoryItem& item : plan.items) {
    const auto same =
        std::find_if(sums.begin(), sums.end(), [&](const auto& s) { return s.second == item.text; });
    if (same == sums.end())
      sums.emplace_back(item.bytes, item.text);
    else
      same->first += item.bytes;
  }
  std::sort(sums.begin(), sums.end(), std::greater<>());
  std::string text;
  int64_t rest = 0;
  for (size_t i = 0; i < sums.size(); i++) {
    if (i >= 4)
      rest += sums[i].first;
    else
      text += fmt::format("{}{} {}", i ? ", " : "", sums[i].second, format_byte_size(sums[i].first));
  }
  return rest > 0 ? text + fmt::format(", other {}", format_byte_size(rest)) : text;
}

bool fits(const MemoryPlanner& planner, const MemoryRequest& request, int64_t limit) {
  return planner.plan(request).total() <= limit;
}

int longest_context(const MemoryPlanner& planner, MemoryRequest request, int64_t limit) {
  const auto pages_fit = [&](int pages) {
    request.positions = std::min(pages * kPageTokens, planner.max_context);
    return fits(planner, request, limit);
  };
  int low = 0, high = (planner.max_context - 1) / kPageTokens + 1;  // low fits, unless it is 0
  while (low < high) {
    const int middle = low + (high - low + 1) / 2;
    if (pages_fit(middle))
      low = middle;
    else
      high = middle - 1;
  }
  return std::min(low * kPageTokens, planner.max_context);
}

MemoryPlanner planner_of(const ModelFootprint& model) {
  return {model.max_context, [&model](const MemoryRequest& request) { return plan_memory(model, request); }};
}

/// A round number of tokens that fits and is shorter than what was asked for; 0 when there is none.
int shorter_context(const MemoryPlanner& planner, const MemoryRequest& request, int64_t limit) {
  int longest = std::min(longest_context(planner, request, limit), request.positions);
  if (longest >= 1024) longest = longest / 1024 * 1024;
  return longest >= kShortestContext && longest < request.positions ? longest : 0;
}

int fewer_sequences(const MemoryPlanner& planner, MemoryRequest request, int64_t limit) {
  while (request.sequences > 1)
    if (request.sequences--; fits(planner, request, limit)) return request.sequences;
  return 0;
}

/// "fits with -c 16384, or --kv q8_0"; "" when nothing helps.
std::string advice(const MemoryPlanner& planner, const MemoryRequest& request, int64_t limit,
                   const MemoryKnobs& knobs) {
  std::vector<std::string> ways;
  if (knobs.context)
    if (const int context = shorter_context(planner, request, limit))
      ways.push_back(fmt::format("{} {}", knobs.context, context));
  MemoryRequest small = request;
  for (const DType type : {DType::f16, DType::q8_0}) {
    if (!knobs.kv || small.kv == DType::q8_0 || small.kv == type) continue;
    small.kv = type;
    if (fits(planner, small, limit)) {
      ways.push_back(fmt::format("{} {}", knobs.kv, dtype_info(type).name));
      break;
    }
  }
  if (knobs.sequences)
    if (const int fewer = fewer_sequences(planner, request, limit))
      ways.push_back(fmt::format("{} {}", knobs.sequences, fewer));
  if (ways.empty() && knobs.kv && knobs.context && small.kv != request.kv)
    if (const int context = shorter_context(planner, small, limit))
      ways.push_back(fmt::format("{} {} {} {}", knobs.kv, dtype_info(small.kv).name, knobs.context, context));
  return fmt::format("{}", fmt::join(ways, ", or "));
}

std::string too_much(const MemoryPlan& plan, int64_t limit) {
  return fmt::format("--memory {}: needs {} ({})", format_byte_size(limit), format_byte_size(plan.total()),
                     largest_items(plan));
}

}  // namespace

int64_t MemoryPlan::total() const {
  int64_t sum = 0;
  for (const MemoryItem& item : items) sum = saturating_add(sum, item.bytes);
  return sum;
}

int64_t MemoryPlan::bytes_of(std::string_view component) const {
  int64_t sum = 0;
  for (const MemoryItem& item : items)
    if (item.component == component) sum = saturating_add(sum, item.bytes);
  return sum;
}

MemoryRequest answering_request(DType kv, int sequences, int positions, int chunk, int threads) {
  MemoryRequest request;
  request.kv = kv;
  request.sequences = sequences;
  request.positions = positions;
  request.chunk = chunk;
  request.logit_rows = sequences;
  request.threads = threads;
  request.samples = true;
  return request;
}

MemoryPlan plan_memory(const ModelFootprint& model, const MemoryRequest& request) {
  MemoryPlan plan;
  PlanBuilder builder(plan);
  plan.kv = request.kv;
  plan.caches = plan_caches(model.cache, request.kv, request.sequences, request.positions, request.chunk);
  if (request.total_positions > 0) share_positions(plan.caches, request.total_positions);
  const int64_t logit_row_bytes = saturating_multiply(4, model.vocab);
  const int snapshots = add_prefix_cache(plan.caches, request.prefix_bytes, logit_row_bytes);
  // While one prompt is read, every other sequence may add the row of its answer. A step is no longer than
  // what there is to read.
  const int64_t prompts = std::min<int64_t>(request.chunk, int64_t{request.positions} * request.sequences);
  plan.step_rows = static_cast<int>(prompts) + request.sequences - 1;
  plan.logit_bytes = saturating_multiply(logit_row_bytes, request.logit_rows);
  add_weights(model, builder);
  add_caches(plan.caches, builder);
  builder.add("prefix_cache", "prefix cache", "",
              saturating_add(plan.caches.prefix_bytes(), saturating_multiply(snapshots, logit_row_bytes)));
  WorkspaceShape workspace = model.workspace;
  workspace.rows = plan.step_rows;
  builder.add("activations", "activations", "f32",
              4 * model.row_floats * plan.step_rows + cpu_workspace_bytes(workspace, request.threads));
  builder.add("logits", "logits and sampling", "f32",
              saturating_add(plan.logit_bytes, request.samples ? kSamplerBytesPerToken * model.vocab : 0));
  builder.add("tokenizer", "tokenizer", "", request.tokenizer_bytes);
  builder.add("other", "what the command keeps", "", request.other_bytes);
  builder.add("program", "program", "", kProgramBytes);
  return plan;
}

Result<void> check_memory(const ModelFootprint& model, MemoryRequest request, int64_t limit,
                          const MemoryKnobs& knobs) {
  return check_memory(planner_of(model), request, limit, knobs);
}

Result<void> check_memory(const MemoryPlanner& planner, MemoryRequest request, int64_t limit,
                          const MemoryKnobs& knobs) {
  if (request.threads == 0) request.threads = physical_core_count();  // once, not in every plan
  if (limit == 0 || fits(planner, request, limit)) return {};
  const std::string ways = advice(planner, request, limit, knobs);
  return fail(ErrorCode::out_of_memory,
              too_much(planner.plan(request), limit) +
                  (ways.empty() ? "; only smaller weights would fit" : "; fits with " + ways));
}

Result<void> check_memory(const MemoryPlan& plan, int64_t limit) {
  if (limit == 0 || plan.total() <= limit) return {};
  return fail(ErrorCode::out_of_memory, too_much(plan, limit));
}

int64_t largest_total(const ModelFootprint& model, MemoryRequest request, int64_t limit) {
  if (request.threads == 0) request.threads = physical_core_count();
  const MemoryPlanner planner = planner_of(model);
  int64_t low = request.positions, high = int64_t{request.positions} * request.sequences;
  if (limit == 0) return high;
  while (low < high) {
    request.total_positions = low + (high - low + 1) / 2;
    if (fits(planner, request, limit))
      low = request.total_positions;
    else
      high = request.total_positions - 1;
  }
  return low;
}

Result<void> check_prefix_bytes(const ModelFootprint& model, const MemoryRequest& request,
                                const char* option) {
  if (request.prefix_bytes == 0) return {};
  const CachePlan caches = plan_memory(model, request).caches;
  if (caches.prefix_slots > 0) return {};
  return fail(ErrorCode::invalid_argument,
              fmt::format("{}: {} bytes are too few for one state: at least {}", option, request.prefix_bytes,
                          snapshot_bytes(caches, saturating_multiply(4, model.vocab))));
}

int longest_context(const ModelFootprint& model, MemoryRequest request, int64_t limit) {
  return longest_context(planner_of(model), request, limit);
}

}  // namespace sambay
