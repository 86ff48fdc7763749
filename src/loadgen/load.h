// `sambay bench serve`: a load on any server with OpenAI's API, and how it answered.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "loadgen/percentiles.h"
#include "loadgen/prompts.h"
#include "loadgen/url.h"
#include "sambay/error.h"

namespace sambay {

/// A closed loop keeps so many requests open: the next begins when one has ended. An open loop begins them at
/// random times (Poisson), whether others have ended or not.
struct LoadLevel {
  int concurrency = 0;    ///< closed loop, when positive
  double rate_per_s = 0;  ///< else open loop
};

struct LoadOptions {
  ServerUrl url;
  std::string api_key;
  std::string ca_file;    ///< PEM, of a server whose certificate the system does not know
  PromptOptions prompts;  ///< its model "": the first that the server lists
  std::vector<LoadLevel> levels;
  int requests = 64;       ///< of each level (conversations, with turns); 0: as many as `seconds` allow
  double seconds = 0;      ///< none begins after this; those that run may end
  int turns = 1;           ///< of a conversation, each with all that was said before
  bool cold_turn = false;  ///< after each conversation its last turn's length again, of words never seen
  double timeout_seconds = 600;  ///< of one request
};

/// What one level measured, for one turn of its conversations.
struct LoadRow {
  LoadLevel level;
  int turn = 1;
  bool is_cold = false;  ///< never seen, as long as the last turn
  size_t requests = 0, good = 0;
  /// "429" and the like for a status, else "connect", "timeout", "closed" (before the end), "error event",
  /// "not an event stream", ...
  std::map<std::string, size_t> errors;
  double seconds = 0;         ///< from the level's beginning to its last answer
  double requests_per_s = 0;  ///< these and the rest: of good ones
  double output_tokens_per_s = 0, prompt_tokens_per_s = 0;
  double prompt_tokens = 0, cached_tokens = 0, completion_tokens = 0;  ///< means, as the server counts
  Percentiles first_token_ms;     ///< from when the request was due to its first token
  Percentiles between_tokens_ms;  ///< between two chunks with text of one answer
  Percentiles whole_ms;           ///< to the end of the answer
  int peak_open = 0;              ///< requests at once, of the level
  size_t comments = 0;            ///< keep-alive comments in streams
};

struct LoadEvents {
  std::function<void(const std::string&)> progress;
  std::function<bool()> should_stop;  ///< asked ten times a second
  std::function<Result<void>(const std::string& model)> started;
  std::function<Result<void>(const LoadRow&)> row;  ///< when its level has ended
};

/// Errors: invalid_argument (an option; a certificate), io (the server cannot be reached, or answers the
/// first request with something else), cancelled, those of the events. Requests that fail later are counted.
Result<std::vector<LoadRow>> run_load(const LoadOptions& options, const LoadEvents& events);

// ---- what people and programs read; each text ends in a line feed ----

struct LoadSubject {
  std::string server, model;
};
std::string load_table_head(const LoadSubject& subject);
std::string load_table_row(const LoadRow& row);
std::string load_csv_head();
std::string load_csv_row(const LoadSubject& subject, const LoadRow& row);
std::string load_json_row(const LoadSubject& subject, const LoadRow& row);

}  // namespace sambay
