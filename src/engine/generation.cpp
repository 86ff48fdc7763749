// The reader's end of a request.
#include <utility>

#include "engine/sequence.h"

namespace sambay {

void Generation::Shared::publish(Event event) {
  {
    const std::lock_guard lock(mutex);
    pending.tokens.insert(pending.tokens.end(), event.tokens.begin(), event.tokens.end());
    pending.text += event.text;
    pending.finish = event.finish;
    pending.usage = std::move(event.usage);
    pending.error = std::move(event.error);
    has_pending = true;
  }
  ready.notify_one();
}

void Generation::Shared::fail(const Error& error) {
  {
    const std::lock_guard lock(mutex);
    pending.finish = FinishReason::failed;
    pending.error = error;
    has_pending = true;
  }
  ready.notify_one();
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
  if (shared_->last_was_read) return std::nullopt;
  shared_->ready.wait(lock, [this] { return shared_->has_pending; });
  shared_->has_pending = false;
  shared_->last_was_read = shared_->pending.finish.has_value();
  return std::exchange(shared_->pending, {});
}

void Generation::cancel() { shared_->cancelled = true; }

std::string_view to_string(FinishReason reason) {
  switch (reason) {
    case FinishReason::stop: return "stop";
    case FinishReason::length: return "length";
    case FinishReason::cancelled: return "cancelled";
    case FinishReason::failed: return "failed";
  }
  return "failed";
}

}  // namespace sambay
