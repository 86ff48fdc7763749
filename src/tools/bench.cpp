#include "tools/bench.h"

#include "tools/bench_long.h"
#include "tools/bench_plan.h"
#include "tools/bench_session.h"

namespace sambay {

Result<std::vector<BenchResult>> run_bench(const BenchOptions& o, const BenchEvents& events) {
  SAMBAY_TRY_VOID(check_bench_options(o));
  SAMBAY_TRY(const BenchSubject subject, BenchSubject::open(o), "bench");
  SAMBAY_TRY(const MemoryPlan most, plan_bench(o, subject.footprint, subject.other_bytes), "bench");
  const std::vector<BenchCase> cases = bench_cases(o);
  std::vector<BenchResult> results;
  for (const int threads : o.threads)
    for (const DType kv : o.kvs) {
      BenchSession session(o, events, subject, threads, kv);
      SAMBAY_TRY_VOID(session.load());
      BenchModel model = session.model();
      if (o.long_run) model.long_samples = static_cast<int>(cases.size()) - 1;
      if (results.empty() && events.loaded) SAMBAY_TRY_VOID(events.loaded(model));
      const auto add = [&](BenchResult result) -> Result<void> {
        results.push_back(std::move(result));
        if (events.result) return events.result(model, results.back());
        return {};
      };
      const size_t first = results.size();
      for (const BenchCase& c : cases) {
        SAMBAY_TRY(BenchResult result, session.measure(c), "bench");
        SAMBAY_TRY_VOID(add(std::move(result)));
      }
      if (!o.long_run) continue;
      const std::vector<BenchResult> samples(results.begin() + static_cast<ptrdiff_t>(first) + 1,
                                             results.end());
      SAMBAY_TRY_VOID(add(long_result(*o.long_run, results[first], samples)));
    }
  return results;
}

}  // namespace sambay
