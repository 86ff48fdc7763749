// `sambay bench limits`
#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <system_error>

#include "base/thread_pool.h"
#include "kernels/cpu/kernels.h"
#include "tools/ceilings.h"
#include "tools/system_state.h"

namespace sambay {
namespace {

class LimitsRun {
 public:
  LimitsRun(const LimitsOptions& options, const std::function<void(const std::string&)>& progress,
            const std::function<bool()>& stop, int threads)
      : o_(options), progress_(progress), stop_(stop), threads_(threads) {}

  Result<LimitsReport> run(ThreadPool& pool) {
    report_.cpu = cpu_name();
    report_.cores = physical_core_count();
    const OtherCpu others;
    std::vector<int> counts = {1};
    if (threads_ > 1) counts.push_back(threads_);
    for (const int threads : counts)
      for (const PageSize pages : {PageSize::small, PageSize::huge})
        SAMBAY_TRY_VOID(measure_reads(pool, threads, pages));
    for (const int threads : counts)
      for (const CpuKernels* kernels : compiled_kernels())
        if (kernels->supported()) SAMBAY_TRY_VOID(measure_arithmetic(*kernels, pool, threads));
    report_.other_cpu = others.share();
    return std::move(report_);
  }

 private:
  template <class F>
  Result<Spread> repeat(const std::string& what, F&& measure) {
    std::vector<double> values;
    for (int r = 0; r < o_.repetitions; r++) {
      if (stop_()) return fail(ErrorCode::cancelled, "interrupted");
      progress_(fmt::format("{}, {} of {}", what, r + 1, o_.repetitions));
      values.push_back(measure());
    }
    return spread_of(std::move(values));
  }

  Result<void> measure_reads(ThreadPool& pool, int threads, PageSize pages) {
    SAMBAY_TRY(const CpuKernels* kernels, select_kernels(), "limits");
    const bool huge = pages == PageSize::huge;
    const int64_t before = huge_page_bytes();
    SAMBAY_TRY(CeilingProbe probe,
               CeilingProbe::create(*kernels, pool, threads, 2 * CeilingProbe::kBytes, pages), "limits");
    if (huge) report_.has_huge_pages = huge_page_bytes() - before > probe.bytes() / 2;
    const std::string detail = huge ? "2 MiB pages" : "4 KiB pages";
    SAMBAY_TRY(const Spread found, repeat("reading memory", [&] { return probe.read_bytes_per_s(); }),
               "limits");
    report_.limits.push_back({"memory_read", detail, kernels->name, "bytes/s", threads, found});
    return {};
  }

  Result<void> measure_arithmetic(const CpuKernels& kernels, ThreadPool& pool, int threads) {
    SAMBAY_TRY(CeilingProbe probe, CeilingProbe::create(kernels, pool, threads, 0), "limits");
    const auto add = [&](const char* what, const std::string& detail, const Spread& found) {
      report_.limits.push_back({what, detail, kernels.name, "multiply-adds/s", threads, found});
    };
    SAMBAY_TRY(const Spread int8, repeat("int8", [&] { return probe.int8_per_s(); }), "limits");
    add("int8", kernels.int8_instructions, int8);
    SAMBAY_TRY(const Spread f32, repeat("f32", [&] { return probe.f32_per_s(); }), "limits");
    add("f32", "multiply-add", f32);
    return {};
  }

  const LimitsOptions& o_;
  const std::function<void(const std::string&)>& progress_;
  const std::function<bool()>& stop_;
  const int threads_;
  LimitsReport report_;
};

std::string in_giga(const Spread& s) {
  return fmt::format("{:.1f} ({:.1f} to {:.1f})", s.median / 1e9, s.min / 1e9, s.max / 1e9);
}

}  // namespace

Result<LimitsReport> measure_limits(const LimitsOptions& options,
                                    const std::function<void(const std::string&)>& progress,
                                    const std::function<bool()>& stop) {
  const auto range = [](const char* flag, int value, int low, int high) -> Result<void> {
    if (value >= low && value <= high) return {};
    return fail(ErrorCode::invalid_argument, fmt::format("{} {}: must be {} to {}", flag, value, low, high));
  };
  SAMBAY_TRY_VOID(range("-t", options.threads, 0, 1024));
  SAMBAY_TRY_VOID(range("-r", options.repetitions, 1, 1000));
  try {
    const int threads = options.threads > 0 ? options.threads : physical_core_count();
    ThreadPool pool(std::max(threads, kThreadsToPin));
    return LimitsRun(options, progress, stop, threads).run(pool);
  } catch (const std::system_error& e) {
    return fail(ErrorCode::out_of_memory,
                fmt::format("{} threads: the system refuses them ({})", options.threads, e.what()));
  }
}

std::string format_limits(const LimitsReport& r) {
  std::string text = fmt::format("{}   {} {}\n\n{:<52}", r.cpu.empty() ? "unknown CPU" : r.cpu, r.cores,
                                 r.cores == 1 ? "core" : "cores", "per second: median (least to most)");
  std::vector<int> counts;         // columns
  std::vector<std::string> names;  // rows, in the order of their first
  std::map<std::pair<std::string, int>, std::string> cells;
  for (const Limit& limit : r.limits) {
    const bool reads = limit.what == "memory_read";
    const std::string name =
        reads ? fmt::format("memory read, {} (GB)", limit.detail)
              : fmt::format("{} multiply-adds, {}: {} (G)", limit.what, limit.isa, limit.detail);
    if (std::ranges::find(counts, limit.threads) == counts.end()) counts.push_back(limit.threads);
    if (std::ranges::find(names, name) == names.end()) names.push_back(name);
    cells[{name, limit.threads}] = in_giga(limit.per_s);
  }
  for (const int count : counts)
    text += fmt::format(" {:>25}", count == 1 ? "1 thread" : fmt::format("{} threads", count));
  text += "\n";
  for (const std::string& name : names) {
    text += fmt::format("{:<52}", name);
    for (const int count : counts) text += fmt::format(" {:>25}", cells[{name, count}]);
    text += "\n";
  }
  if (!r.has_huge_pages) text += "\nThe system gave no 2 MiB pages (/sys/kernel/mm/transparent_hugepage).\n";
  if (r.other_cpu > 0.05)
    text += fmt::format("\nOthers used {:.0f} % of the machine meanwhile.\n", 100 * r.other_cpu);
  return text;
}

std::string limits_json(const LimitsReport& r) {
  nlohmann::ordered_json json = {{"cpu", r.cpu},
                                 {"cores", r.cores},
                                 {"huge_pages", r.has_huge_pages},
                                 {"other_cpu", r.other_cpu},
                                 {"limits", nlohmann::ordered_json::array()}};
  for (const Limit& limit : r.limits)
    json["limits"].push_back({{"what", limit.what},
                              {"detail", limit.detail},
                              {"isa", limit.isa},
                              {"threads", limit.threads},
                              {"unit", limit.unit},
                              {"median", limit.per_s.median},
                              {"min", limit.per_s.min},
                              {"max", limit.per_s.max}});
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace sambay
