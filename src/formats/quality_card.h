// The quality card: how well a model does on problems it never saw, carried inside its file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/checkpoint.h"
#include "sambay/error.h"

namespace sambay {

inline constexpr std::string_view kCardFile = "card.json";        ///< beside the weights of a folder
inline constexpr std::string_view kCardKey = "sambay.card.json";  ///< of a GGUF; holds the same text
/// Of the JSON; members are looked for one by one, so that this also bounds the time.
inline constexpr size_t kMaxCardBytes = size_t{1} << 16;

/// Shares are from 0 to 1. Made by `sambay eval pocket --card`; docs/file-format.md describes the JSON.
struct QualityCard {
  struct Family {
    std::string name;
    int64_t problems = 0;
    double answer = 0, work = 0, both = 0;  ///< share of problems where this was right
  };
  /// The same problems with the matrices in one element type.
  struct Type {
    std::string name;                      ///< as in --type: "bf16", "q8_0", ...
    double accuracy = 0;                   ///< share of all problems with answer and work right
    std::optional<double> kl_mean;         ///< nats per token, from the weights as trained; unset for those
    std::optional<double> top1_agreement;  ///< share of tokens where the most likely one is the same
    std::vector<std::pair<std::string, double>> families;  ///< `both` of each, if known
  };
  std::string made_by;
  uint64_t problems_seed = 0;
  std::string families_of;  ///< the type that `families` was measured with; "" = not said
  std::vector<Family> families;
  std::vector<Type> types;
};

/// Unknown members are ignored. Errors: corrupt, naming the member ("card.json: families.add.answer: ...").
Result<QualityCard> parse_quality_card(std::string_view json, std::string_view name);
/// JSON, in one line or (for people) many, ending in a line feed.
std::string quality_card_json(const QualityCard& card, bool for_people);

/// What the folder's card.json or the GGUF's key says; nullopt when there is none. Errors: corrupt.
Result<std::optional<QualityCard>> load_quality_card(const Checkpoint& checkpoint);

}  // namespace sambay
