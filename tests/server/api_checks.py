"""Answers: their forms, streams, usage, errors."""
import base64, json, math, struct

from server_harness import QUESTION, check, events_of, server, valid


def plain():
    return server("--max-queue", "256")


# ---- chat -----------------------------------------------------------------------------------------------------------


@check
def chat_answers_with_reasoning_apart():
    answer = plain().chat(temperature=0).json
    valid("CreateChatCompletionResponse", answer)
    choice = answer["choices"][0]
    assert choice["message"]["content"] == "42" and choice["finish_reason"] == "stop", choice
    assert choice["logprobs"] is None and choice["message"]["refusal"] is None and "tool_calls" not in choice["message"]
    assert choice["message"]["reasoning_content"] == choice["message"]["reasoning"] != ""
    assert "think>" not in choice["message"]["reasoning"]
    usage = answer["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert answer["id"].startswith("chatcmpl-")


@check
def chat_stream_has_the_form_that_clients_depend_on():
    events = plain().stream("/v1/chat/completions",
                            {"messages": QUESTION, "temperature": 0, "stream_options": {"include_usage": True}})
    assert events[-1] == "[DONE]" and "[DONE]" not in events[:-1]
    chunks = events[:-1]
    for chunk in chunks:
        valid("CreateChatCompletionStreamResponse", chunk)
    assert len({(c["id"], c["created"], c["model"]) for c in chunks}) == 1
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert all("role" not in c["choices"][0]["delta"] for c in chunks[1:-1])
    assert [c["choices"][0]["finish_reason"] for c in chunks[:-1]] == [None] * (len(chunks) - 2) + ["stop"]
    assert all(c["choices"][0]["logprobs"] is None and "tool_calls" not in c["choices"][0]["delta"] for c in chunks[:-1])
    assert chunks[-1]["choices"] == [] and chunks[-1]["usage"]["completion_tokens"] > 0
    assert all("usage" not in c for c in chunks[:-1])
    text = "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks[:-1])
    thought = "".join(c["choices"][0]["delta"].get("reasoning_content") or "" for c in chunks[:-1])
    whole = plain().chat(temperature=0).json["choices"][0]["message"]
    assert (text, thought) == (whole["content"], whole["reasoning_content"])


@check
def chat_without_include_usage_has_none():
    events = plain().stream("/v1/chat/completions", {"messages": QUESTION, "temperature": 0})
    assert all("usage" not in e and e["choices"] for e in events[:-1])


@check
def reasoning_format_none_leaves_the_tags_in_the_text():
    message = plain().chat(temperature=0, reasoning_format="none").json["choices"][0]["message"]
    assert message["content"].startswith("<think>") and "</think>" in message["content"]
    assert "reasoning_content" not in message


@check
def max_tokens_ends_with_length_and_no_content_while_thinking():
    choice = plain().chat(temperature=0, max_tokens=3).json["choices"][0]
    assert choice["finish_reason"] == "length" and choice["message"]["content"] in (None, "")
    assert plain().chat(max_completion_tokens=3, max_tokens=50).json["usage"]["completion_tokens"] == 3


@check
def stop_strings_end_the_answer_before_them():
    for stop in ("2", ["2", "zzz"]):
        choice = plain().chat(temperature=0, stop=stop, reasoning_format="none").json["choices"][0]
        assert choice["finish_reason"] == "stop" and "2" not in choice["message"]["content"], choice


@check
def the_same_with_and_without_prefix_v1():
    body = {"messages": QUESTION, "temperature": 0}
    texts = {plain().post(path, body).json["choices"][0]["message"]["content"]
             for path in ("/v1/chat/completions", "/chat/completions")}
    assert texts == {"42"}
    assert plain().get("/models").json == plain().get("/v1/models").json


@check
def equal_seeds_give_equal_answers():
    texts = {json.dumps(plain().chat(temperature=1.5, seed=7, max_tokens=40).json["choices"][0]["message"]) for _ in range(3)}
    assert len(texts) == 1


@check
def several_answers_have_their_own_indices():
    s = plain()
    answer = s.chat(n=2, temperature=0)
    if answer.status == 400:
        raise AssertionError(f"n=2 is refused: {answer.body}")
    answer = answer.json
    valid("CreateChatCompletionResponse", answer)
    assert [c["index"] for c in answer["choices"]] == [0, 1]
    assert {c["message"]["content"] for c in answer["choices"]} == {"42"}
    events = s.stream("/v1/chat/completions", {"messages": QUESTION, "n": 2, "temperature": 0})
    texts = ["", ""]
    for e in events[:-1]:
        c = e["choices"][0]
        texts[c["index"]] += c["delta"].get("content") or ""
    assert texts == ["42", "42"]


@check
def logprobs_are_those_of_the_content():
    answer = plain().chat(temperature=0, logprobs=True, top_logprobs=3)
    assert answer.status == 200, answer.body
    answer = answer.json
    valid("CreateChatCompletionResponse", answer)
    entries = answer["choices"][0]["logprobs"]["content"]
    assert b"".join(bytes(e["bytes"]) for e in entries).decode().strip() == "42"
    for e in entries:
        assert len(e["top_logprobs"]) == 3 and e["logprob"] <= 0
        assert e["top_logprobs"][0]["logprob"] == max(t["logprob"] for t in e["top_logprobs"])
    events = plain().stream("/v1/chat/completions", {"messages": QUESTION, "temperature": 0, "logprobs": True})
    streamed = [x for e in events[:-1] for x in (e["choices"][0]["logprobs"] or {"content": []})["content"]]
    assert [x["token"] for x in streamed] == [x["token"] for x in entries]


@check
def thinking_budget_closes_the_thinking():
    answer = plain().chat(temperature=0, thinking_budget_tokens=8, max_tokens=400)
    assert answer.status == 200, answer.body
    usage = answer.json["usage"]
    assert usage["completion_tokens_details"]["reasoning_tokens"] <= 8 + 4, usage


@check
def second_turn_finds_the_first_prompt_in_the_cache():
    s = server("--max-queue", "8")
    first = s.post("/v1/chat/completions", {"messages": [{"role": "system", "content": "Be brief."}] + QUESTION, "temperature": 0})
    assert first.status == 200, first.body
    text = first.json["choices"][0]["message"]["content"]
    second = s.post("/v1/chat/completions", {"messages": [{"role": "system", "content": "Be brief."}] + QUESTION + [
        {"role": "assistant", "content": text}, {"role": "user", "content": "What is 5 + 6?"}], "temperature": 0})
    cached = second.json["usage"]["prompt_tokens_details"]["cached_tokens"]
    assert cached >= first.json["usage"]["prompt_tokens"] - 1, second.json["usage"]


@check
def utf8_is_never_split_across_chunks():
    # Any tokens whatever: hot sampling makes bytes that are parts of characters.
    for seed in range(6):
        events_of(plain().post("/v1/chat/completions", {"messages": QUESTION, "temperature": 2, "top_p": 1, "seed": seed,
                                                        "max_tokens": 60, "stream": True}).body)


@check
def a_stream_of_http_1_0_ends_with_the_connection():
    body = json.dumps({"messages": QUESTION, "temperature": 0, "stream": True}).encode()
    for keep in (b"", b"Connection: keep-alive\r\n"):  # nothing else would tell where it ends
        out = plain().raw(b"POST /v1/chat/completions HTTP/1.0\r\n%sContent-Length: %d\r\n\r\n" % (keep, len(body)) + body)
        head, rest = out.split(b"\r\n\r\n", 1)
        assert b"Transfer-Encoding" not in head and b"Connection: close" in head and events_of(rest)[-1] == "[DONE]"


# ---- completions, embeddings, llama-server's own ----------------------------------------------------------------------------


@check
def completions_take_texts_and_token_ids():
    s = plain()
    ids = s.post("/tokenize", {"content": "What is 3 + 4?"}).json["tokens"]
    for prompt, count in (("What is 3 + 4?", 1), (["a", "b"], 2), (ids, 1), ([ids, ids], 2)):
        answer = s.post("/v1/completions", {"prompt": prompt, "max_tokens": 4, "temperature": 0})
        assert answer.status == 200, answer.body
        valid("CreateCompletionResponse", answer.json)
        assert [c["index"] for c in answer.json["choices"]] == list(range(count))
        assert answer.json["usage"]["completion_tokens"] <= 4 * count


@check
def completions_echo_the_prompt():
    s = plain()
    prompt = "What is 3 + 4?"
    answer = s.post("/v1/completions", {"prompt": prompt, "max_tokens": 3, "temperature": 0, "echo": True}).json
    assert answer["choices"][0]["text"].startswith(prompt)
    events = s.stream("/v1/completions", {"prompt": prompt, "max_tokens": 3, "temperature": 0, "echo": True})
    assert "".join(e["choices"][0]["text"] for e in events[:-1]) == answer["choices"][0]["text"]
    # The reason comes alone: some clients do not look at the text beside it.
    assert [(e["choices"][0]["text"] == "", e["choices"][0]["finish_reason"]) for e in events[:-1]] == \
        [(False, None)] * (len(events) - 2) + [(True, "length")]


@check
def completions_score_an_echoed_prompt():
    answer = plain().post("/v1/completions", {"prompt": "3 + 4 = 7", "max_tokens": 0, "echo": True, "logprobs": 1})
    assert answer.status == 200, answer.body
    logprobs = answer.json["choices"][0]["logprobs"]
    assert logprobs["token_logprobs"][0] is None and len(logprobs["token_logprobs"]) == answer.json["usage"]["prompt_tokens"]
    assert all(p <= 0 for p in logprobs["token_logprobs"][1:])
    assert "".join(logprobs["tokens"]) == "3 + 4 = 7" and logprobs["text_offset"][0] == 0


@check
def embeddings_are_unit_vectors_in_both_encodings():
    s = plain()
    answer = s.post("/v1/embeddings", {"input": ["What is 3 + 4?", "Sort 3, 1, 2."]})
    assert answer.status == 200, answer.body
    valid("CreateEmbeddingResponse", answer.json)
    vectors = [d["embedding"] for d in answer.json["data"]]
    assert len(vectors) == 2 and vectors[0] != vectors[1]
    for v in vectors:
        assert abs(math.fsum(x * x for x in v) - 1) < 1e-4
    packed = s.post("/v1/embeddings", {"input": "What is 3 + 4?", "encoding_format": "base64"}).json["data"][0]["embedding"]
    raw = base64.b64decode(packed, validate=True)
    assert [round(x, 6) for x in struct.unpack(f"<{len(raw) // 4}f", raw)] == [round(x, 6) for x in vectors[0]]
    assert s.post("/v1/embeddings", {"input": "a", "dimensions": 3}).error["param"] == "dimensions"


@check
def llama_completion_has_timings_and_stop_type():
    s = plain()
    answer = s.post("/completion", {"prompt": "What is 3 + 4?", "n_predict": 5, "temperature": 0})
    assert answer.status == 200, answer.body
    answer = answer.json
    assert answer["stop"] is True and answer["tokens_predicted"] <= 5 and answer["stop_type"] in ("limit", "eos")
    assert answer["timings"]["predicted_n"] == answer["tokens_predicted"]
    events = events_of(s.post("/completion", {"prompt": "What is 3 + 4?", "n_predict": 5, "temperature": 0, "stream": True}).body)
    assert [e["stop"] for e in events] == [False] * (len(events) - 1) + [True]
    assert "".join(e["content"] for e in events) == answer["content"]
    for text in ("\n", "a"):
        body = {"prompt": "a", "n_predict": 3, "temperature": 0, "logit_bias": [[text, 100]]}
        whole, last = s.post("/completion", body).json, events_of(s.post("/completion", {**body, "stream": True}).body)[-1]
        assert whole["has_new_line"] == last["has_new_line"] == ("\n" in whole["content"]) == (text == "\n"), (whole, last)


@check
def llama_completion_streams_one_token_with_its_probabilities():
    events = events_of(plain().post("/completion", {"prompt": "What is 3 + 4?", "n_predict": 20, "n_probs": 2, "ignore_eos": True,
                                                    "stream": True, "timings_per_token": True}).body)
    chunks = [e for e in events if not e["stop"] and e["tokens"]]
    assert len(chunks) == 20 and all(len(c["tokens"]) == len(c["completion_probabilities"]) == 1 for c in chunks)
    assert [c["tokens_predicted"] for c in chunks] == list(range(1, 21))
    assert all(c["tokens"][0] == c["completion_probabilities"][0]["id"] for c in chunks)
    assert chunks[-1]["timings"]["predicted_n"] == 20


@check
def settings_say_what_ignore_eos_forbids():
    s = plain()
    forbidden = lambda **fields: s.post("/completion", {"prompt": "a", "n_predict": 1, **fields}).json["generation_settings"]["logit_bias"]
    assert forbidden(ignore_eos=False) == []
    entries = forbidden(ignore_eos=True)
    assert entries and all(e["bias"] is None for e in entries)


@check
def biases_on_texts_hold_for_their_tokens():
    s = plain()
    greedy = {"prompt": "<|user|>What is 3 + 4?<|end|><|assistant|>", "n_predict": 1, "temperature": 0}
    piece = s.post("/completion", {**greedy, "return_tokens": True}).json
    text = s.post("/detokenize", {"tokens": piece["tokens"]}).json["content"]
    assert text == "<think>", "digits would be an id"
    for bias in ({text: -100}, [[text, False]]):
        answer = s.post("/completion", {**greedy, "return_tokens": True, "logit_bias": bias}).json
        assert answer["tokens"] != piece["tokens"], bias


@check
def streams_report_how_much_of_the_prompt_is_read():
    s = server("-c", "1024", "--batch-size", "64", "--parallel", "2")
    long = [{"role": "user", "content": "What is 12 + 30? " * 30}]
    for path, body in (("/v1/chat/completions", {"messages": long}), ("/completion", {"prompt": long[0]["content"]}),
                       ("/v1/completions", {"prompt": long[0]["content"]})):
        events = s.stream(path, {**body, "max_tokens": 3, "return_progress": True, "cache_prompt": False})
        reports = [e["prompt_progress"] for e in events if e != "[DONE]" and "prompt_progress" in e]
        total = reports[0]["total"]
        assert total > 128 and reports[0]["processed"] == reports[0]["cache"] == 0 and reports[-1]["processed"] == total, reports
        assert len(reports) > 1 and all(a["processed"] < b["processed"] for a, b in zip(reports, reports[1:])), reports


@check
def an_unfinished_answer_is_gone_on_with():
    s = plain()
    whole = s.chat(temperature=0).json["choices"][0]["message"]
    begun = "<think>" + whole["reasoning_content"][:3]
    rest = s.post("/v1/chat/completions", {"messages": QUESTION + [{"role": "assistant", "content": begun}], "temperature": 0}).json
    message = rest["choices"][0]["message"]
    assert whole["reasoning_content"].endswith(message["reasoning_content"]) and message["content"] == "42", message
    after = s.post("/v1/chat/completions", {"messages": QUESTION + [{"role": "assistant", "content": begun}], "temperature": 0,
                                            "add_generation_prompt": True})
    assert after.status == 200 and after.json["usage"]["prompt_tokens"] > rest["usage"]["prompt_tokens"]
    rendered = s.post("/apply-template", {"messages": QUESTION + [{"role": "assistant", "content": "4"}]}).json["prompt"]
    assert rendered == "<|user|>What is 12 + 30?<|end|><|assistant|>4"


@check
def input_tokens_and_verbose_say_what_would_be_read():
    s = plain()
    answer = s.chat(verbose=True, max_tokens=2).json
    assert answer["__verbose"]["prompt"] == "<|user|>What is 12 + 30?<|end|><|assistant|>"
    assert "__verbose" not in s.chat(max_tokens=2).json
    counted = s.post("/v1/chat/completions/input_tokens", {"messages": QUESTION}).json["input_tokens"]
    assert counted == answer["usage"]["prompt_tokens"] == answer["__verbose"]["tokens_evaluated"]


@check
def tokenize_and_detokenize_are_inverse():
    s = plain()
    text = "Größe 12<|end|>🙂"
    tokens = s.post("/tokenize", {"content": text}).json["tokens"]
    assert s.post("/detokenize", {"tokens": tokens}).json["content"] == text
    pieces = s.post("/tokenize", {"content": text, "with_pieces": True}).json["tokens"]
    raw = b"".join(p["piece"].encode() if isinstance(p["piece"], str) else bytes(p["piece"]) for p in pieces)
    assert raw.decode() == text
    assert len(s.post("/tokenize", {"content": "<|end|>", "parse_special": False}).json["tokens"]) > 1
    assert s.post("/detokenize", {"tokens": [10**9]}).status == 400


@check
def apply_template_shows_the_prompt():
    assert plain().post("/apply-template", {"messages": QUESTION}).json["prompt"] == \
        "<|user|>What is 12 + 30?<|end|><|assistant|>"


@check
def models_props_slots_and_metrics_describe_the_server():
    s = plain()
    models = s.get("/v1/models").json
    valid("ListModelsResponse", models)
    name = models["data"][0]["id"]
    assert s.get(f"/v1/models/{name}").json["id"] == name
    assert s.get("/v1/models/none").error["code"] == "model_not_found"
    props = s.get("/props").json
    assert props["total_slots"] == len(s.get("/slots").json) == 8
    assert props["default_generation_settings"]["n_ctx"] == models["data"][0]["max_model_len"]
    before = s.metric("sambay:generation_tokens_total")
    s.chat(max_tokens=5)
    assert s.metric("sambay:generation_tokens_total") == before + 5
    assert s.metric("sambay:time_to_first_token_seconds_count") >= 1
    assert s.get("/health").json == {"status": "ok"} and s.get("/ready").status == 200


# ---- wrong requests --------------------------------------------------------------------------------------------------

@check
def errors_name_their_parameter():
    for fields, param in (({"temperature": "x"}, "temperature"), ({"messages": []}, "messages"), ({"n": 10**6}, "n"),
                          ({"tools": [{}]}, "tools"), ({"response_format": {"type": "json_object"}}, "response_format.type"),
                          ({"logit_bias": {"999999": 1}}, "logit_bias"), ({"stop": [""]}, "stop"),
                          ({"messages": [{"role": "user", "content": 1}]}, "messages[0].content")):
        answer = plain().chat(**fields)
        assert answer.status == 400 and answer.error["param"] == param, (fields, answer.body)
        assert answer.error["type"] == "invalid_request_error"


@check
def a_prompt_beyond_the_context_is_refused_before_it_runs():
    s = server("-c", "256", "--parallel", "2")
    answer = s.post("/v1/chat/completions", {"messages": [{"role": "user", "content": "1 + 1 = 2. " * 200}]})
    assert answer.status == 400 and answer.error["code"] == "context_length_exceeded", answer.body
    assert "exceeds the available context size" in answer.error["message"] and answer.error["param"] == "messages"
    for path, field in (("/v1/completions", "prompt"), ("/completion", "prompt"), ("/v1/embeddings", "input")):
        error = s.post(path, {field: "1 + 1 = 2. " * 200}).error
        assert (error["code"], error["param"]) == ("context_length_exceeded", field), (path, error)


@check
def later_dialects_get_a_clear_404():
    for path in ("/v1/responses", "/v1/messages", "/api/chat"):
        assert plain().post(path, {}).error["code"] == "not_supported"
    assert plain().get("/nowhere").error["code"] == "not_found"
    for method, path, allowed in (("GET", "/v1/chat/completions", "POST"), ("POST", "/health", "GET"), ("DELETE", "/v1/models", "GET")):
        answer = plain().request(method, path, {} if method == "POST" else None)
        assert answer.status == 405 and answer.error["code"] == "method_not_allowed", answer.body
        assert allowed in answer.headers["allow"] and method not in answer.headers["allow"], answer.headers
