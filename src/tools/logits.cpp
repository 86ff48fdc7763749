#include "tools/logits.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <memory>
#include <numeric>
#include <vector>

#include "base/atomic_file.h"
#include "formats/checkpoint.h"
#include "formats/safetensors.h"
#include "model/memory_plan.h"
#include "model/model.h"
#include "model/sambay_config.h"
#include "ops/ops.h"
#include "tools/ids.h"
#include "tools/single_sequence.h"

namespace sambay {
namespace {

constexpr int kMaxGreedy = 1 << 20;

/// Intermediate results, gathered over chunks. Kept in memory: 2 * layers * T * hidden floats, so this is for
/// short inputs.
class HiddenStates {
 public:
  explicit HiddenStates(const SambaYConfig& config) : config_(config) {}

  Probe probe() {
    return [this](std::string_view name, int layer, Rows<const float> rows) {
      std::vector<float>& to =
          arrays_[layer < 0 ? std::string(name) : fmt::format("{}.{}", name, layer)].values;
      for (int64_t r = 0; r < rows.rows; r++) to.insert(to.end(), rows.row(r), rows.row(r) + rows.cols);
    };
  }
  void read_states(const Model& model, const float* slot) {
    for (int layer = 0; layer < config_.layers; layer++)
      for (const char* name : {"conv_state", "ssm_state"}) {
        std::vector<float> values = model.read_state(name, layer, slot);
        if (!values.empty()) arrays_[fmt::format("{}.{}", name, layer)].values = std::move(values);
      }
  }
  /// The arrays of a prompt of T tokens, in the order in which they will be written.
  std::vector<SafetensorsWriter::Entry> declare(int64_t T) {
    const int64_t hidden = config_.hidden, inner = config_.inner();
    for (const char* name : {"embed", "final_norm"}) arrays_[name].shape = {T, hidden};
    arrays_["gmu_memory"].shape = {T, inner};
    for (const char* name : {"shared_k", "shared_v"})
      arrays_[name].shape = {T, config_.kv_heads, config_.head_dim()};
    for (int i = 0; i < config_.layers; i++) {
      for (const char* name : {"mixer_out", "layer_out"})
        arrays_[fmt::format("{}.{}", name, i)].shape = {T, hidden};
      const Mixer mixer = config_.mixer(i);
      if (mixer != Mixer::mamba && mixer != Mixer::memory_mamba) continue;
      arrays_[fmt::format("conv_state.{}", i)].shape = {inner, config_.conv - 1};
      arrays_[fmt::format("ssm_state.{}", i)].shape = {inner, config_.state};
    }
    std::vector<SafetensorsWriter::Entry> entries;
    for (const auto& [name, array] : arrays_) entries.push_back({name, DType::f32, array.shape});
    return entries;
  }
  Result<void> write(SafetensorsWriter& out) const {
    for (const auto& [name, array] : arrays_)
      SAMBAY_TRY_VOID(out.write(std::as_bytes(std::span(array.values))));
    return {};
  }

 private:
  struct Array {
    std::vector<int64_t> shape;
    std::vector<float> values;
  };
  SambaYConfig config_;
  std::map<std::string, Array> arrays_;
};

Result<void> check(const LogitsOptions& options) {
  const auto refuse = [](std::string message) {
    return fail(ErrorCode::invalid_argument, std::move(message));
  };
  if (options.last && options.hidden)
    return refuse("--last and --hidden exclude each other: --last skips the rows that --hidden would show");
  if (options.chunk < 1 || options.chunk > 65536)
    return refuse(fmt::format("--chunk {}: must be 1 to 65536", options.chunk));
  if (options.greedy < 0 || options.greedy > kMaxGreedy)
    return refuse(fmt::format("--greedy {}: must be 0 to {}", options.greedy, kMaxGreedy));
  return {};
}

int64_t bytes_of(const SafetensorsWriter::Entry& entry) {
  int64_t bytes = 4;
  for (const int64_t d : entry.shape) bytes = saturating_multiply(bytes, d);
  return bytes;
}

/// What the run needs, if the limit allows it.
Result<MemoryPlan> plan_logits(const LogitsOptions& o, const Checkpoint& checkpoint, int64_t ids,
                               int64_t hidden_bytes) {
  SAMBAY_TRY(const ModelFootprint footprint, model_footprint(checkpoint), "loading model");
  MemoryRequest request;
  request.kv = o.kv;
  request.positions = static_cast<int>(ids) + o.greedy;
  request.chunk = o.chunk;
  request.logit_rows = o.last ? 1 : std::min<int64_t>(o.chunk, ids);
  request.threads = o.threads;
  request.other_bytes = hidden_bytes;
  SAMBAY_TRY_VOID(check_memory(footprint, request, o.memory_limit, {nullptr, "--kv", nullptr}));
  return plan_memory(footprint, request);
}

/// One run: a sequence, and the file its numbers go to.
class LogitsRun {
 public:
  LogitsRun(const LogitsOptions& options, Model& model, SingleSequence sequence, SafetensorsWriter out)
      : options_(options), vocab_(model.info().vocab), sequence_(std::move(sequence)), out_(std::move(out)) {}

  Result<void> prompt(std::span<const TokenId> ids, const Probe* probe, const std::function<bool()>& stop) {
    for (size_t done = 0; done < ids.size();) {
      const size_t rows = std::min(ids.size() - done, static_cast<size_t>(options_.chunk));
      const bool is_end = done + rows == ids.size();
      std::vector<int> wanted(options_.last ? (is_end ? 1 : 0) : rows);
      std::iota(wanted.begin(), wanted.end(), options_.last ? static_cast<int>(rows) - 1 : 0);
      logits_.resize(wanted.size() * static_cast<size_t>(vocab_));
      const Rows<float> to(logits_.data(), static_cast<int64_t>(wanted.size()), vocab_);
      sequence_.run(ids.subspan(done, rows), wanted, to, probe);
      SAMBAY_TRY_VOID(out_.write(std::as_bytes(std::span(logits_))));
      done += rows;
      if (stop()) return fail(ErrorCode::cancelled, "interrupted");
    }
    logits_.erase(logits_.begin(), logits_.end() - vocab_);  // the last row, where greedy continues
    return {};
  }

  Result<void> greedy(const std::function<bool()>& stop) {
    const int64_t ids_at = out_.appended();
    std::vector<int32_t> ids(static_cast<size_t>(options_.greedy));  // written once to hold the place
    SAMBAY_TRY_VOID(out_.write(std::as_bytes(std::span(ids))));
    for (int step = 0; step < options_.greedy; step++) {
      SAMBAY_TRY_VOID(out_.write(std::as_bytes(std::span(logits_))));
      ids[static_cast<size_t>(step)] = argmax(logits_);
      if (step + 1 == options_.greedy) break;
      const int row = 0;
      sequence_.run({&ids[static_cast<size_t>(step)], 1}, {&row, 1}, {logits_.data(), 1, vocab_});
      if (stop()) return fail(ErrorCode::cancelled, "interrupted");
    }
    return out_.write_at(ids_at, std::as_bytes(std::span(ids)));
  }

  const SingleSequence& sequence() const { return sequence_; }
  SafetensorsWriter& out() { return out_; }

 private:
  const LogitsOptions& options_;
  int vocab_;
  SingleSequence sequence_;
  SafetensorsWriter out_;
  std::vector<float> logits_;
};

}  // namespace

TokenId argmax(std::span<const float> logits) {
  return static_cast<TokenId>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

Result<void> write_logits(const LogitsOptions& options, const std::function<bool()>& stop) {
  SAMBAY_TRY_VOID(check(options));
  std::vector<std::string> inputs = checkpoint_files(options.model);
  inputs.push_back(options.ids_file);
  SAMBAY_TRY_VOID(refuse_output_over_input("--out", options.out_file, inputs));
  SAMBAY_TRY(const std::unique_ptr<Ops> ops, make_cpu_ops({options.threads, options.isa}), "starting");
  SAMBAY_TRY(const Checkpoint checkpoint, Checkpoint::open(options.model), "loading model");
  SAMBAY_TRY(const SambaYConfig config, load_sambay_config(checkpoint), "loading model");
  SAMBAY_TRY(const std::vector<TokenId> ids, read_ids(options.ids_file, config.vocab), "--ids");

  const auto T = static_cast<int64_t>(ids.size());
  HiddenStates hidden(config);
  std::vector<SafetensorsWriter::Entry> entries = {
      {"logits", DType::f32, {options.last ? 1 : T, config.vocab}}};
  if (options.greedy > 0) {
    entries.push_back({"greedy_ids", DType::i32, {options.greedy}});
    entries.push_back({"greedy_logits", DType::f32, {options.greedy, config.vocab}});
  }
  int64_t hidden_bytes = 0;
  if (options.hidden)
    for (auto& entry : hidden.declare(T)) {
      hidden_bytes = saturating_add(hidden_bytes, bytes_of(entry));
      entries.push_back(std::move(entry));
    }
  SAMBAY_TRY(const MemoryPlan plan, plan_logits(options, checkpoint, T, hidden_bytes), "logits");
  SAMBAY_TRY(const std::unique_ptr<Model> model, load_model(checkpoint, *ops, {options.kv, plan.step_rows}),
             "loading model");
  SAMBAY_TRY(SingleSequence sequence, SingleSequence::create(*model, plan.caches), "caches");
  SAMBAY_TRY(SafetensorsWriter out, SafetensorsWriter::create(options.out_file, entries), "--out");

  LogitsRun run(options, *model, std::move(sequence), std::move(out));
  const Probe probe = hidden.probe();
  SAMBAY_TRY_VOID(run.prompt(ids, options.hidden ? &probe : nullptr, stop));
  if (options.hidden)
    hidden.read_states(*model, run.sequence().slot());  // after the prompt, before greedy moves on
  if (options.greedy > 0) SAMBAY_TRY_VOID(run.greedy(stop));
  if (options.hidden) SAMBAY_TRY_VOID(hidden.write(run.out()));
  return run.out().finish();
}

}  // namespace sambay
