// Pieces of JSON that several answers have. For .cpp files, as json_text.h.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "sambay/sambay.h"
#include "server/answer.h"
#include "server/json_text.h"

namespace sambay::server {

/// OpenAI's CompletionUsage.
OrderedJson usage_json(const UsageSum& usage);
/// llama-server's figures of one answer.
OrderedJson timings_json(const Usage& usage);
/// llama-server's `prompt_progress` that an event brings, oldest first: none, one, or two for the first event
/// of an answer. `reported`: prompt tokens reported so far, -1 at first.
std::vector<OrderedJson> progress_json(const Event& event, int& reported);
/// id, object, created, model, system_fingerprint and `choices`: the same in every chunk of an answer.
OrderedJson answer_json(const std::string& id, const char* object, int64_t created, const Service& service,
                        OrderedJson choices);
std::string sse(const OrderedJson& data);
inline constexpr std::string_view kSseDone = "data: [DONE]\n\n";

/// A log probability as JSON can say it: -infinity is -9999.0.
double finite_logprob(float logprob);
/// A token as OpenAI's chat shows it: token, bytes, logprob, top_logprobs.
OrderedJson chat_logprob_json(const Tokenizer* tokenizer, const TokenLogprobs& entry);
/// A token's bytes as text: what is not UTF-8 as "bytes:\xe2\x82".
std::string token_text(const Tokenizer* tokenizer, TokenId id);
/// Characters, not bytes.
int character_count(std::string_view utf8);

int64_t unix_time();

}  // namespace sambay::server
