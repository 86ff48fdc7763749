// Errors as values: every door through which outside data comes returns Result<T>.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace sambay {

enum class ErrorCode {
  invalid_argument,  ///< a flag, prompt or request that can never work
  not_found,         ///< a file, tensor or key that is missing
  corrupt,           ///< a file that contradicts itself or its format
  unsupported,       ///< well-formed, but outside of what this program does
  out_of_memory,
  io,  ///< reading or writing failed (disk full, permission)
  cancelled,
  busy,      ///< everything is taken: the same may succeed later
  internal,  ///< a bug of ours that could be reported instead of aborting
};

/// What went wrong. `message` reads outermost first: "loading model: config.json: hidden_size: ...".
struct Error {
  ErrorCode code;
  std::string message;

  /// Puts what the caller was doing in front.
  [[nodiscard]] Error during(std::string_view what) && {
    message.insert(0, std::string(what) + ": ");
    return std::move(*this);
  }
};

template <class T>
using Result = tl::expected<T, Error>;

[[nodiscard]] inline tl::unexpected<Error> fail(ErrorCode code, std::string message) {
  return tl::unexpected<Error>(Error{code, std::move(message)});
}

/// The exit status of the program for an error: 1 other, 2 usage, 3 model or input file, 4 memory,
/// 5 input/output, 130 interrupted.
int exit_code(ErrorCode code);

}  // namespace sambay

#define SAMBAY_CAT_(a, b) a##b
#define SAMBAY_CAT(a, b) SAMBAY_CAT_(a, b)
#define SAMBAY_TRY_(tmp, decl, expr, what)                                           \
  auto tmp = (expr);                                                                 \
  if (!tmp) return ::tl::unexpected(std::move(std::move(tmp).error()).during(what)); \
  decl = *std::move(tmp)
/// Declares `decl` from a Result, or returns its error with `what` put in front. Several statements: give
/// an `if` around it braces.
#define SAMBAY_TRY(decl, expr, what) SAMBAY_TRY_(SAMBAY_CAT(sambay_try_, __LINE__), decl, expr, what)
/// The same for a Result<void>, and for passing an error on unchanged.
#define SAMBAY_TRY_VOID(expr)                                    \
  do {                                                           \
    if (auto sambay_status = (expr); !sambay_status)             \
      return ::tl::unexpected(std::move(sambay_status).error()); \
  } while (false)
