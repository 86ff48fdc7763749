#include "eval/card.h"

#include <fmt/core.h>

#include <filesystem>

#include "base/atomic_file.h"
#include "convert/convert.h"
#include "eval/divergence.h"
#include "eval/scratch_folder.h"
#include "formats/checkpoint.h"
#include "model/sambay_config.h"
#include "model/tensor_table.h"

namespace sambay {
namespace {

/// What the matrices are stored as.
Result<DType> type_of(const std::string& model) {
  SAMBAY_TRY(const Checkpoint checkpoint, Checkpoint::open(model), "opening the model");
  SAMBAY_TRY(const SambaYConfig config, load_sambay_config(checkpoint), "reading the configuration");
  const std::vector<TensorSpec> specs = sambay_tensors(config);
  SAMBAY_TRY(const auto views, match_tensors(checkpoint, specs), checkpoint.name());
  for (size_t i = 0; i < specs.size(); i++)
    if (specs[i].is_matrix) return views[i]->type;
  return fail(ErrorCode::corrupt, fmt::format("{}: has no matrices", checkpoint.name()));
}

double share(int64_t part, int64_t whole) {
  return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0;
}

class CardMaker {
 public:
  CardMaker(const CardOptions& options, std::span<const Problem> problems, ScratchFolder scratch)
      : options_(options), problems_(problems), scratch_(std::move(scratch)) {}

  Result<QualityCard> run(uint64_t seed, DType own) {
    card_.made_by = "sambay eval pocket";
    card_.problems_seed = seed;
    for (const TypeMix& type : options_.types) {
      const bool converts = type.name != std::string_view(dtype_info(own).name);
      const std::string name = type.name;
      const std::string path = converts ? scratch_.file(name + ".gguf") : options_.eval.model;
      if (converts) SAMBAY_TRY_VOID(convert_to(type, path));
      SAMBAY_TRY_VOID(evaluate(name, path, !converts || card_.families.empty()));
      if (converts) paths_.push_back(path), compared_.push_back(card_.types.size() - 1);
    }
    SAMBAY_TRY_VOID(compare());
    return std::move(card_);
  }

 private:
  void tell(const std::string& line) const {
    if (options_.progress) options_.progress(line);
  }

  Result<void> convert_to(const TypeMix& type, const std::string& path) const {
    tell(fmt::format("{}: converting", type.name));
    ConvertOptions convert_options;
    convert_options.model = options_.eval.model;
    convert_options.out_file = path;
    convert_options.type = type;
    convert_options.threads = options_.eval.threads;
    convert_options.should_stop = options_.should_stop;
    SAMBAY_TRY(const ConvertReport report, convert(convert_options), "converting");
    return {};
  }

  Result<void> evaluate(const std::string& type, const std::string& path, bool is_card) {
    EvalOptions eval = options_.eval;
    eval.model = path;
    EvalCallbacks callbacks;
    callbacks.should_stop = options_.should_stop;
    callbacks.progress = [&](size_t done, size_t total, const std::string& family) {
      tell(fmt::format("{}: {} of {} problems ({})", type, done, total, family));
    };
    SAMBAY_TRY(const EvalReport report, evaluate_problems(eval, problems_, callbacks), type);
    const FamilyScore total = report.total();
    QualityCard::Type& entry = card_.types.emplace_back();
    entry.name = type;
    entry.accuracy = share(total.both_right, total.problems);
    for (const FamilyScore& f : report.families)
      entry.families.emplace_back(f.family, share(f.both_right, f.problems));
    if (!is_card) return {};
    card_.families_of = type;
    card_.families.clear();
    for (const FamilyScore& f : report.families)
      card_.families.push_back({f.family, f.problems, share(f.answer_right, f.problems),
                                share(f.work_right, f.problems), share(f.both_right, f.problems)});
    return {};
  }

  Result<void> compare() {
    if (paths_.empty()) return {};
    DivergenceOptions divergence;
    divergence.reference = options_.eval.model;
    divergence.models = paths_;
    divergence.isa = options_.eval.isa;
    divergence.threads = options_.eval.threads;
    divergence.memory_limit = options_.eval.memory_limit;
    divergence.should_stop = options_.should_stop;
    divergence.progress = [&](size_t done, size_t total) {
      tell(fmt::format("divergence: {} of {} problems", done, total));
    };
    SAMBAY_TRY(const std::vector<Divergence> found, measure_divergence(divergence, problems_), "divergence");
    for (size_t i = 0; i < found.size(); i++) {
      card_.types[compared_[i]].kl_mean = found[i].kl_mean();
      card_.types[compared_[i]].top1_agreement = found[i].top1_agreement();
    }
    return {};
  }

  const CardOptions& options_;
  std::span<const Problem> problems_;
  ScratchFolder scratch_;
  QualityCard card_;
  std::vector<std::string> paths_;  // of the converted models
  std::vector<size_t> compared_;    // and which of the card's types they are
};

}  // namespace

Result<QualityCard> make_quality_card(const CardOptions& options, const ProblemSet& set,
                                      std::span<const Problem> problems) {
  if (options.types.empty()) return fail(ErrorCode::invalid_argument, "--types: at least one type is needed");
  SAMBAY_TRY(const DType own, type_of(options.eval.model), "eval");
  if (dtype_info(own).is_block())
    return fail(ErrorCode::invalid_argument,
                fmt::format("--card compares with the weights as trained, and this model is quantized ({}); "
                            "give those with -m",
                            dtype_info(own).name));
  SAMBAY_TRY(ScratchFolder scratch,
             ScratchFolder::in(std::filesystem::path(options.scratch_beside).parent_path().string()),
             "--card");
  return CardMaker(options, problems, std::move(scratch)).run(set.seed.value_or(0), own);
}

Result<void> write_quality_card(const QualityCard& card, const std::string& path) {
  SAMBAY_TRY(AtomicFile file, AtomicFile::create(path), "--card");
  const std::string text = quality_card_json(card, true);
  SAMBAY_TRY_VOID(file.write(std::as_bytes(std::span(text))));
  return file.commit();
}

}  // namespace sambay
