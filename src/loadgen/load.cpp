// One thread runs an io_context; each request is a coroutine on it.
#include "loadgen/load.h"

#include <fmt/core.h>
#include <sys/resource.h>

#include <cmath>
#include <set>

#include "base/printable.h"
#include "loadgen/answer_chunk.h"
#include "loadgen/arrivals.h"
#include "loadgen/http_link.h"
#include "loadgen/load_record.h"
#include "loadgen/sse_parser.h"

namespace sambay {
namespace {

using namespace loadgen;

double seconds_between(Clock::time_point a, Clock::time_point b) {
  return std::chrono::duration<double>(b - a).count();
}
Clock::duration to_duration(double s) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(s));
}

/// As many descriptors as the system lets this process have: a request is one.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

/// Counts for as long as it lives, exceptions included.
class Counted {
 public:
  explicit Counted(int& count) : count_(count) { count_++; }
  ~Counted() { count_--; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

 private:
  int& count_;
};

class LoadRun {
 public:
  LoadRun(const LoadOptions& options, const LoadEvents& events)
      : o_(options), events_(events), source_(options.prompts) {}

  Result<std::string> prepare();
  Result<std::vector<LoadRow>> run_level(const LoadLevel& level);

 private:
  struct Asked {
    LoadRecord record;
    std::string answer;
  };
  struct Plain {
    Reply reply;
    std::string body;
  };

  Result<void> resolve();
  Result<std::string> first_model();
  Result<void> measure_words();
  Result<int> probe(int words);
  Plain get_plain(const std::string& request);
  std::string head(std::string_view method, std::string_view path) const;
  std::string post(LoadApi api, const std::string& body) const;

  asio::awaitable<void> watch();
  asio::awaitable<void> worker();
  asio::awaitable<void> arrive(double rate);
  asio::awaitable<void> conversation(uint64_t number, Clock::time_point due);
  asio::awaitable<Asked> ask(uint64_t number, int turn, std::vector<std::string> answers, bool cold,
                             Clock::time_point due);
  asio::awaitable<Reply> exchange(const std::string& request, const BodySink& sink);
  std::optional<uint64_t> next_number();
  void tell() const;

  const LoadOptions& o_;
  const LoadEvents& events_;
  PromptSource source_;
  Target target_;
  asio::io_context io_{1};
  std::vector<std::unique_ptr<Link>> idle_;
  std::set<Link*> used_;
  bool stopped_ = false;
  uint64_t next_number_ = 0;  // over all levels: no prompt comes twice

  // Of the level.
  LoadLevel level_;
  Clock::time_point began_;
  int begun_ = 0, tasks_ = 0, open_ = 0, peak_open_ = 0;
  std::vector<LoadRecord> records_;
};

Result<void> LoadRun::resolve() {
  target_.url = o_.url;
  error_code ec;
  tcp::resolver resolver(io_);
  target_.endpoints = resolver.resolve(o_.url.host, o_.url.port, tcp::resolver::numeric_service, ec);
  if (ec) return fail(ErrorCode::io, fmt::format("--url {}: {}", o_.url.authority(), ec.message()));
  if (!o_.url.tls) return {};
  target_.tls.emplace(ssl::context::tls_client);
  target_.tls->set_verify_mode(ssl::verify_peer);
  if (o_.ca_file.empty())
    target_.tls->set_default_verify_paths(ec);
  else
    target_.tls->load_verify_file(o_.ca_file, ec);
  if (ec) return fail(ErrorCode::invalid_argument, fmt::format("{}: {}", o_.ca_file, ec.message()));
  return {};
}

std::string LoadRun::head(std::string_view method, std::string_view path) const {
  std::string text = fmt::format("{} {}{} HTTP/1.1\r\nHost: {}\r\nUser-Agent: sambay-bench\r\n", method,
                                 o_.url.path, path, o_.url.authority());
  if (!o_.api_key.empty()) text += "Authorization: Bearer " + o_.api_key + "\r\n";
  return text;
}

std::string LoadRun::post(LoadApi api, const std::string& body) const {
  const char* path = api == LoadApi::chat ? "/v1/chat/completions" : "/v1/completions";
  return head("POST", path) +
         fmt::format("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.size()) + body;
}

/// A connection that is open already, or a new one. One that its server closed while nobody used it is no
/// failure of the request.
asio::awaitable<Reply> LoadRun::exchange(const std::string& request, const BodySink& sink) {
  const Clock::time_point deadline = Clock::now() + to_duration(o_.timeout_seconds);
  for (;;) {
    std::unique_ptr<Link> link;
    if (idle_.empty()) {
      link = make_link(io_, target_);
    } else {
      link = std::move(idle_.back());
      idle_.pop_back();
    }
    const bool reused = link->is_open();
    used_.insert(link.get());
    Reply reply = co_await link->exchange(request, deadline, sink);
    used_.erase(link.get());
    if (link->is_open() && !stopped_) idle_.push_back(std::move(link));
    if (reused && reply.status == 0 && reply.fault == "closed" && !stopped_) continue;
    co_return reply;
  }
}

/// Outside of a level: one request, its whole body.
LoadRun::Plain LoadRun::get_plain(const std::string& request) {
  constexpr size_t kMost = 16 << 20;
  Plain plain;
  asio::co_spawn(io_, watch(), asio::detached);
  tasks_++;
  asio::co_spawn(
      io_,
      [&]() -> asio::awaitable<void> {
        const BodySink sink = [&](const Reply&, std::string_view piece) {
          plain.body += piece;
          return plain.body.size() < kMost;
        };
        plain.reply = co_await exchange(request, sink);
      },
      [&](std::exception_ptr) { tasks_--; });
  io_.restart();
  io_.run();
  return plain;
}

Result<std::string> LoadRun::first_model() {
  const Plain plain = get_plain(head("GET", "/v1/models") + "\r\n");
  if (stopped_) return fail(ErrorCode::cancelled, "interrupted");
  if (!plain.reply.fault.empty())
    return fail(ErrorCode::io, fmt::format("{}: cannot be asked for its models ({})", o_.url.authority(),
                                           plain.reply.fault));
  if (plain.reply.status != 200)
    return fail(ErrorCode::io, fmt::format("{}: /v1/models is status {}; name a model with --model-name",
                                           o_.url.authority(), plain.reply.status));
  return parse_model_list(plain.body);
}

/// The tokens of a prompt of so many words, as the server counts them; 0 when it does not say.
Result<int> LoadRun::probe(int words) {
  const Plain plain = get_plain(post(o_.prompts.api, source_.probe_body(words)));
  if (stopped_) return fail(ErrorCode::cancelled, "interrupted");
  if (!plain.reply.fault.empty() || plain.reply.status != 200)
    return fail(ErrorCode::io,
                fmt::format("{}: the first request failed ({}): {}", o_.url.authority(),
                            plain.reply.fault.empty() ? fmt::format("status {}", plain.reply.status)
                                                      : plain.reply.fault,
                            printable(plain.body, 300)));
  int tokens = 0;
  SseParser parser;
  const auto pushed = parser.push(plain.body, [&](std::string_view data) {
    const auto chunk = parse_answer_chunk(data);
    if (chunk && chunk->usage) tokens = chunk->usage->prompt;
  });
  if (!pushed) return tl::unexpected(pushed.error());
  return tokens;
}

Result<void> LoadRun::measure_words() {
  constexpr int kFew = 16, kMany = 144;
  SAMBAY_TRY(const int few, probe(kFew), "bench serve");
  SAMBAY_TRY(const int many, probe(kMany), "bench serve");
  if (const auto cost = WordCost::from(kFew, few, kMany, many)) source_.set_cost(*cost);
  return {};
}

/// Returns the model's name.
Result<std::string> LoadRun::prepare() {
  raise_descriptor_limit();
  SAMBAY_TRY_VOID(resolve());
  PromptOptions prompts = o_.prompts;
  if (prompts.model.empty()) {
    SAMBAY_TRY(prompts.model, first_model(), "bench serve");
  }
  std::string model = prompts.model;
  source_ = PromptSource(std::move(prompts));
  if (source_.is_words()) SAMBAY_TRY_VOID(measure_words());
  return model;
}

void LoadRun::tell() const {
  if (!events_.progress) return;
  events_.progress(fmt::format("{} {}: {} begun, {} open, {} ended, {:.0f} s",
                               level_.concurrency > 0 ? "concurrency" : "rate",
                               level_.concurrency > 0 ? level_.concurrency : level_.rate_per_s, begun_, open_,
                               records_.size(), seconds_between(began_, Clock::now())));
}

/// Ten times a second as long as there is work: progress, and whether somebody wants an end.
asio::awaitable<void> LoadRun::watch() {
  asio::steady_timer timer(io_);
  for (;;) {
    timer.expires_after(std::chrono::milliseconds(tasks_ > 0 ? 100 : 1));
    co_await timer.async_wait(kNoThrow);
    if (tasks_ == 0) co_return;
    if (began_ != Clock::time_point()) tell();
    if (stopped_ || !events_.should_stop || !events_.should_stop()) continue;
    stopped_ = true;
    for (Link* link : used_) link->close();
  }
}

std::optional<uint64_t> LoadRun::next_number() {
  const bool enough = o_.requests > 0 && begun_ >= o_.requests;
  const bool late = o_.seconds > 0 && seconds_between(began_, Clock::now()) >= o_.seconds;
  if (stopped_ || enough || late) return std::nullopt;
  begun_++;
  return next_number_++;
}

asio::awaitable<void> LoadRun::worker() {
  const Counted task(tasks_);
  while (const auto number = next_number()) co_await conversation(*number, Clock::now());
}

asio::awaitable<void> LoadRun::arrive(double rate) {
  const Counted task(tasks_);
  constexpr uint64_t kArrivals = 0xa441;
  PoissonArrivals arrivals(rate, load_random(o_.prompts.seed, kArrivals));
  asio::steady_timer timer(io_);
  for (;;) {
    const Clock::time_point due = began_ + to_duration(arrivals.next());
    while (Clock::now() < due && !stopped_) {
      // In short steps, so that an interrupt is seen.
      timer.expires_at(std::min(due, Clock::now() + std::chrono::milliseconds(100)));
      co_await timer.async_wait(kNoThrow);
    }
    const auto number = next_number();
    if (!number) co_return;
    asio::co_spawn(io_, conversation(*number, due), asio::detached);
  }
}

asio::awaitable<void> LoadRun::conversation(uint64_t number, Clock::time_point due) {
  const Counted task(tasks_);
  std::vector<std::string> answers;
  for (int turn = 0; turn < o_.turns; turn++) {
    Asked asked = co_await ask(number, turn, answers, false, turn == 0 ? due : Clock::now());
    const bool good = asked.record.fault.empty();
    records_.push_back(std::move(asked.record));
    if (!good || stopped_) co_return;
    answers.push_back(std::move(asked.answer));
  }
  if (!o_.cold_turn) co_return;
  Asked cold = co_await ask(number, o_.turns - 1, answers, true, Clock::now());
  records_.push_back(std::move(cold.record));
}

asio::awaitable<LoadRun::Asked> LoadRun::ask(uint64_t number, int turn, std::vector<std::string> answers,
                                             bool cold, Clock::time_point due) {
  const Counted open(open_);
  peak_open_ = std::max(peak_open_, open_);
  Asked asked;
  LoadRecord& record = asked.record;
  record.turn = turn + 1;
  record.is_cold = cold;
  const std::string request = post(source_.api(number), source_.body(number, turn, answers, cold));
  SseParser parser;
  AnswerClock clock(record);
  bool ended = false;
  const auto on_data = [&](std::string_view data) {
    if (data == "[DONE]") {
      ended = true;
      return;
    }
    const Result<AnswerChunk> chunk = parse_answer_chunk(data);
    if (!chunk) {
      record.fault = "unreadable event";
      return;
    }
    if (!chunk->error.empty()) record.fault = "error event";
    ended = ended || chunk->is_last;
    asked.answer += chunk->content;
    if (chunk->has_output) clock.output(1000 * seconds_between(due, Clock::now()));
    if (chunk->usage) clock.usage(*chunk->usage);
  };
  const BodySink sink = [&](const Reply& reply, std::string_view piece) {
    if (reply.status != 200 || !reply.is_events) return true;  // read, so that the connection stays
    if (!parser.push(piece, on_data)) record.fault = "unreadable event";
    return record.fault.empty();
  };
  const Reply reply = co_await exchange(request, sink);
  record.whole_ms = 1000 * seconds_between(due, Clock::now());
  record.ended_s = seconds_between(began_, Clock::now());
  record.comments = parser.comment_count();
  if (!record.fault.empty()) co_return asked;
  if (reply.status != 0 && reply.status != 200)
    record.fault = std::to_string(reply.status);
  else if (!reply.fault.empty())
    record.fault = stopped_ ? "interrupted" : reply.fault;
  else if (!reply.is_events)
    record.fault = "not an event stream";
  else if (!ended)
    record.fault = "no end";
  co_return asked;
}

Result<std::vector<LoadRow>> LoadRun::run_level(const LoadLevel& level) {
  level_ = level;
  records_.clear();
  begun_ = peak_open_ = 0;
  began_ = Clock::now();
  for (int i = 0; i < level.concurrency; i++) asio::co_spawn(io_, worker(), asio::detached);
  if (level.concurrency == 0) asio::co_spawn(io_, arrive(level.rate_per_s), asio::detached);
  asio::co_spawn(io_, watch(), asio::detached);
  io_.restart();
  io_.run();
  if (stopped_) return fail(ErrorCode::cancelled, "interrupted");
  return summarize(level, records_, peak_open_);
}

Result<void> check(const LoadOptions& o) {
  const auto wrong = [](const char* what) { return fail(ErrorCode::invalid_argument, what); };
  if (o.levels.empty()) return wrong("nothing to run: no --concurrency and no --rate");
  for (const LoadLevel& level : o.levels)
    if (level.concurrency <= 0 && !(level.rate_per_s > 0 && std::isfinite(level.rate_per_s)))
      return wrong("--concurrency and --rate must be positive");
  if (o.requests <= 0 && !(o.seconds > 0)) return wrong("--requests or --seconds must be positive");
  if (o.prompts.token_ids > 0 && o.prompts.api != LoadApi::completions)
    return wrong("--token-ids needs --api completions");
  if (o.prompts.shared_tokens >= o.prompts.prompt_tokens)
    return wrong("--shared-tokens must be fewer than --prompt-tokens");
  if (!o.prompts.file.empty() && (o.turns > 1 || o.cold_turn))
    return wrong("--turns and --cold make up their prompts: not with --prompts");
  for (const char c : o.api_key)
    if (c <= ' ' || c >= 0x7f) return wrong("--api-key: one with characters that no header may hold");
  return {};
}

}  // namespace

Result<std::vector<LoadRow>> run_load(const LoadOptions& options, const LoadEvents& events) {
  SAMBAY_TRY_VOID(check(options));
  LoadRun run(options, events);
  SAMBAY_TRY(const std::string model, run.prepare(), "bench serve");
  if (events.started) SAMBAY_TRY_VOID(events.started(model));
  std::vector<LoadRow> rows;
  for (const LoadLevel& level : options.levels) {
    SAMBAY_TRY(std::vector<LoadRow> of_level, run.run_level(level), "bench serve");
    for (LoadRow& row : of_level) {
      if (events.row) SAMBAY_TRY_VOID(events.row(row));
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

}  // namespace sambay
