// The reader's end of a request.
#include <iterator>
#include <utility>

#include "engine/sequence.h"

namespace sambay {
namespace {

template <class T>
void append(std::vector<T>& to, std::vector<T>&& from) {
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

}  // namespace

void Generation::Shared::publish(Event event) {
  std::unique_lock lock(mutex);
  Answer& answer = answers[static_cast<size_t>(event.index)];
  Event& merged = answer.pending;
  append(merged.tokens, std::move(event.tokens));
  merged.text += event.text;
  append(merged.logprobs, std::move(event.logprobs));
  append(merged.prompt_logprobs, std::move(event.prompt_logprobs));
  merged.prompt_done = event.prompt_done;
  merged.finish = event.finish;
  merged.usage = std::move(event.usage);
  merged.error = std::move(event.error);
  append(merged.embedding, std::move(event.embedding));
  announce(answer, std::move(lock));
}

void Generation::Shared::fail(int index, const Error& error) {
  std::unique_lock lock(mutex);
  Answer& answer = answers[static_cast<size_t>(index)];
  answer.pending.finish = FinishReason::failed;
  answer.pending.error = error;
  announce(answer, std::move(lock));
}

/// The callback runs without the lock, so that it may wake a reader that polls at once.
void Generation::Shared::announce(Answer& answer, std::unique_lock<std::mutex> lock) {
  const bool is_first = pending == 0;
  if (!answer.has_pending) pending++;
  answer.has_pending = true;
  lock.unlock();
  ready.notify_one();
  if (is_first && on_ready) on_ready();
}

std::optional<Event> Generation::Shared::take() {
  if (pending == 0) return std::nullopt;
  while (!answers[turn % answers.size()].has_pending) turn++;
  Answer& answer = answers[turn++ % answers.size()];
  answer.has_pending = false;
  pending--;
  if (answer.pending.finish) unread--;
  Event event = std::exchange(answer.pending, {});
  answer.pending.index = event.index;
  return event;
}

Generation::Generation(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
Generation::Generation(Generation&&) noexcept = default;

Generation& Generation::operator=(Generation&& o) noexcept {
  std::swap(shared_, o.shared_);  // the old request is cancelled when `o` goes
  return *this;
}

Generation::~Generation() {
  if (shared_) shared_->cancelled = true;
}

std::optional<Event> Generation::next() {
  std::unique_lock lock(shared_->mutex);
  if (shared_->unread == 0) return std::nullopt;
  shared_->ready.wait(lock, [this] { return shared_->pending > 0; });
  return shared_->take();
}

std::optional<Event> Generation::poll() {
  const std::lock_guard lock(shared_->mutex);
  return shared_->take();
}

bool Generation::done() const {
  const std::lock_guard lock(shared_->mutex);
  return shared_->unread == 0;
}

void Generation::cancel() { shared_->cancelled = true; }

std::string_view to_string(FinishReason reason) {
  switch (reason) {
    case FinishReason::stop: return "stop";
    case FinishReason::length: return "length";
    case FinishReason::cancelled: return "cancelled";
    case FinishReason::failed: return "failed";
    case FinishReason::deadline: return "deadline";
  }
  return "failed";
}

std::string_view to_string(CacheResult result) {
  switch (result) {
    case CacheResult::off: return "off";
    case CacheResult::hit: return "hit";
    case CacheResult::first_seen: return "first_seen";
    case CacheResult::diverged: return "diverged";
    case CacheResult::evicted: return "evicted";
    case CacheResult::busy: return "busy";
    case CacheResult::damaged: return "damaged";
  }
  return "off";
}

}  // namespace sambay
