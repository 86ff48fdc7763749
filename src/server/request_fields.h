// Fields that several requests have in common. For .cpp files, as json_text.h.
#pragma once

#include <vector>

#include "server/json_text.h"
#include "server/openai_types.h"

namespace sambay::server {

/// Sampling, limits, streaming, thinking and the fields that are refused. llama-server's names too.
/// `strict_ranges`: OpenAI's ranges (temperature up to 2) instead of whatever the engine takes.
void read_generation_fields(FieldReader& fields, const RequestDefaults& defaults, bool strict_ranges,
                            GenerationFields& out);
/// Tools and structured answers are not served yet, which a request must be told.
void refuse_unsupported_fields(FieldReader& fields);
/// `messages`, and whether the last one is answered or gone on with.
Conversation read_conversation(FieldReader& fields, const RequestDefaults& defaults);
/// OpenAI's `prompt` or `input`: a string, token ids, or a list of either.
std::vector<Prompt> read_prompts(FieldReader& fields, const char* name);
/// The same with prompts that mix texts and ids. `is_list`: it is a list of prompts.
std::vector<MixedPrompt> read_mixed_prompts(FieldReader& fields, const char* name, bool& is_list);
/// One token id, or nothing (the fault is recorded under `path`).
bool read_token(FieldReader& fields, const nlohmann::json& value, const std::string& path, TokenId& out);

}  // namespace sambay::server
