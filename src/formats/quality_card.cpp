#include "formats/quality_card.h"

#include <fmt/core.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/printable.h"

namespace sambay {
namespace {

using nlohmann::ordered_json;
using json = ordered_json;  // families in the order of the file

constexpr size_t kMaxEntries = 1000, kMaxNameBytes = 100;

/// Reads members of one card; the first that is wrong ends it.
class Reader {
 public:
  explicit Reader(std::string_view name) : name_(name) {}

  Result<QualityCard> read(const json& root) {
    QualityCard card;
    if (!root.is_object()) return tl::unexpected(error("", "not a JSON object"));
    card.made_by = text(root, "", "made_by");
    card.problems_seed = whole(root, "", "problems_seed");
    card.families_of = root.contains("families_of") ? text(root, "", "families_of") : "";
    each(root, "families", [&](const std::string& at, const std::string& family, const json& value) {
      card.families.push_back({family, static_cast<int64_t>(whole(value, at, "problems")),
                               share(value, at, "answer"), share(value, at, "work"),
                               share(value, at, "both")});
    });
    each(root, "types", [&](const std::string& at, const std::string& type, const json& value) {
      card.types.push_back(read_type(at, type, value));
    });
    if (failed_) return tl::unexpected(*std::move(failed_));
    return card;
  }

 private:
  QualityCard::Type read_type(const std::string& at, const std::string& name, const json& value) {
    QualityCard::Type type;
    type.name = name;
    type.accuracy = share(value, at, "accuracy");
    if (value.contains("kl_mean")) type.kl_mean = number(value, at, "kl_mean", 1e9);
    if (value.contains("top1_agreement")) type.top1_agreement = share(value, at, "top1_agreement");
    if (!value.contains("families")) return type;
    const json& families = value["families"];
    if (!families.is_object() || families.size() > kMaxEntries) {
      wrong(at + "families", "must be an object from family to share");
      return type;
    }
    for (const auto& [family, unused] : families.items())
      if (check_name(at + "families", family))
        type.families.emplace_back(family, share(families, at + "families.", family));
    return type;
  }

  template <class F>
  void each(const json& root, const char* member, F&& use) {
    const auto found = root.find(member);
    if (found == root.end() || !found->is_object()) return wrong(member, "must be an object");
    if (found->size() > kMaxEntries)
      return wrong(member, fmt::format("{} entries; at most {}", found->size(), kMaxEntries));
    for (const auto& [name, value] : found->items()) {
      if (!check_name(member, name)) return;
      const std::string at = fmt::format("{}.{}", member, name);
      if (!value.is_object()) return wrong(at, "must be an object");
      use(at + ".", name, value);
    }
  }

  bool check_name(const std::string& where, const std::string& name) {
    if (!name.empty() && name.size() <= kMaxNameBytes && printable(name, kMaxNameBytes) == name) return true;
    wrong(where,
          fmt::format("'{}' is no name: must be 1 to {} ASCII characters", printable(name), kMaxNameBytes));
    return false;
  }
  std::string text(const json& object, const std::string& at, const std::string& member) {
    const auto found = object.find(member);
    if (found == object.end() || !found->is_string() ||
        found->get_ref<const std::string&>().size() > kMaxNameBytes) {
      wrong(at + member, fmt::format("must be a text of at most {} bytes", kMaxNameBytes));
      return "";
    }
    return found->get<std::string>();
  }
  uint64_t whole(const json& object, const std::string& at, const std::string& member) {
    const auto found = object.find(member);
    if (found != object.end() && found->is_number_unsigned() && found->get<uint64_t>() < (uint64_t{1} << 53))
      return found->get<uint64_t>();
    wrong(at + member, "must be a whole number from 0 on");
    return 0;
  }
  double number(const json& object, const std::string& at, const std::string& member, double largest) {
    const auto found = object.find(member);
    const double value = found != object.end() && found->is_number() ? found->get<double>() : std::nan("");
    if (value >= 0 && value <= largest) return value;
    wrong(at + member, fmt::format("must be a number from 0 to {}", largest));
    return 0;
  }
  double share(const json& object, const std::string& at, const std::string& member) {
    return number(object, at, member, 1);
  }

  Error error(std::string_view where, std::string_view why) const {
    return {ErrorCode::corrupt,
            fmt::format("{}: {}{}{}", name_, printable(where, 200), where.empty() ? "" : ": ", why)};
  }
  void wrong(const std::string& where, const std::string& why) {
    if (!failed_) failed_ = error(where, why);
  }

  std::string name_;
  std::optional<Error> failed_;
};

}  // namespace

Result<QualityCard> parse_quality_card(std::string_view text, std::string_view name) {
  if (text.size() > kMaxCardBytes)
    return fail(ErrorCode::corrupt,
                fmt::format("{}: {} bytes; a card has at most {}", name, text.size(), kMaxCardBytes));
  const json root = json::parse(text, nullptr, false);
  if (root.is_discarded()) return fail(ErrorCode::corrupt, fmt::format("{}: not JSON", name));
  return Reader(name).read(root);
}

std::string quality_card_json(const QualityCard& card, bool for_people) {
  ordered_json families = ordered_json::object(), types = ordered_json::object();
  for (const QualityCard::Family& f : card.families)
    families[f.name] = {{"problems", f.problems}, {"answer", f.answer}, {"work", f.work}, {"both", f.both}};
  for (const QualityCard::Type& t : card.types) {
    ordered_json& type = types[t.name] = {{"accuracy", t.accuracy}};
    if (t.kl_mean) type["kl_mean"] = *t.kl_mean;
    if (t.top1_agreement) type["top1_agreement"] = *t.top1_agreement;
    for (const auto& [family, both] : t.families) type["families"][family] = both;
  }
  ordered_json root = {{"made_by", card.made_by}, {"problems_seed", card.problems_seed}};
  if (!card.families_of.empty()) root["families_of"] = card.families_of;
  root["families"] = std::move(families);
  root["types"] = std::move(types);
  return root.dump(for_people ? 2 : -1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

Result<std::optional<QualityCard>> load_quality_card(const Checkpoint& checkpoint) {
  std::string text;
  if (checkpoint.kind() == CheckpointKind::gguf) {
    if (!checkpoint.gguf().has(kCardKey)) return std::nullopt;
    const auto value = checkpoint.gguf().string(kCardKey);
    if (!value) return tl::unexpected(value.error());
    text = *value;
  } else {
    if (!checkpoint.text().card) return std::nullopt;
    text = *checkpoint.text().card;
  }
  const bool is_gguf = checkpoint.kind() == CheckpointKind::gguf;
  auto card = parse_quality_card(text, is_gguf ? kCardKey : kCardFile);
  if (!card) return tl::unexpected(std::move(card).error().during(checkpoint.name()));
  return std::optional(*std::move(card));
}

}  // namespace sambay
