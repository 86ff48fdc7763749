"""Every field of every request with every kind of wrong value: 200 where it is allowed, else 400 that names the field. Never 5xx."""
import http.client, json

from server_harness import DESCRIPTION, QUESTION, Answer, audit, check, operation, server

PLAIN = ("--max-queue", "256")
VALUES = [None, True, False, 0, 1, -1, 1.5, 1e308, 10**30, 2**31, -(2**63), "", "x", "0", "a\0b", [], [1], [None], ["x"], {}, {"a": 1}]
MOST = 2**31 - 1


def number(low, high):
    return lambda v: isinstance(v, (int, float)) and not isinstance(v, bool) and low <= v <= high


def integer(low, high=MOST):
    return lambda v: isinstance(v, int) and not isinstance(v, bool) and low <= v <= high


def boolean(v):
    return isinstance(v, bool)


def string(v):
    return isinstance(v, str)


def one_of(*words):
    return lambda v: v in words and isinstance(v, str)


def absent(v):
    """Not served: only what means nothing is taken."""
    return v in ("", []) and not isinstance(v, (bool, int))


def anything(_):
    return True


def unclear(_):
    """It has parts of its own: 200 or 400, and a 400 names it."""
    return None


COMMON = {
    "model": string, "user": string, "temperature": number(0, 2), "top_p": number(0, 1), "min_p": number(0, 1), "top_k": integer(-1),
    "repeat_penalty": number(0.01, 100), "repetition_penalty": number(0.01, 100), "repeat_last_n": integer(-1),
    "presence_penalty": number(-2, 2), "frequency_penalty": number(-2, 2), "seed": integer(-(2**63), 2**63 - 1), "max_tokens": integer(-1),
    "max_completion_tokens": integer(-1), "n_predict": integer(-1), "n": integer(1, 8), "stop": unclear, "stream": boolean,
    "stream_options": unclear, "logit_bias": unclear, "ignore_eos": boolean, "reasoning_format": one_of("none", "deepseek", "auto"),
    "reasoning_effort": one_of("low", "medium", "high"), "thinking_budget_tokens": integer(-1), "priority": integer(-1000, 1000),
    "deadline_ms": integer(0), "cache_prompt": boolean, "id_slot": integer(-1, 7), "tools": absent, "functions": absent, "grammar": absent,
    "json_schema": absent, "tool_choice": one_of("none", "auto"), "response_format": unclear, "suffix": absent, "unknown_field": anything,
    "return_progress": boolean, "timings_per_token": boolean, "verbose": boolean,
}
LOOSE = {**COMMON, "temperature": number(0, 1e9), "n": integer(1, 1)}
# Of each route: a good request and its fields. A name with dots or brackets is a place inside the request.
ROUTES = {
    "/v1/chat/completions": ({"messages": QUESTION}, {
        **COMMON, "messages": unclear, "logprobs": boolean, "top_logprobs": integer(0, 0), "messages[0]": unclear, "messages[0].role": unclear,
        "messages[0].content": unclear, "messages[0].name": string, "messages[0].tool_calls": lambda v: v == [], "stream_options.include_usage": boolean,
        "response_format.type": unclear, "stop[0]": lambda v: string(v) and v != "", "add_generation_prompt": boolean,
        "continue_final_message": lambda v: v is False}),
    "/v1/chat/completions/input_tokens": ({"messages": QUESTION}, {
        "messages": unclear, "messages[0].role": unclear, "tools": absent, "add_generation_prompt": boolean}),
    "/v1/completions": ({"prompt": "a"}, {
        "prompt": unclear, "prompt[0]": unclear, "prompt[0][0]": unclear, "echo": boolean, "logprobs": integer(0, 20), "best_of": integer(1, 1),
        "suffix": absent, "n": integer(1, 8), "max_tokens": integer(-1), "stream": boolean, "temperature": number(0, 2), "stop": unclear,
        "seed": integer(-(2**63), 2**63 - 1)}),
    "/completion": ({"prompt": "a"}, {
        **LOOSE, "prompt": unclear, "prompt[0]": unclear, "n_probs": integer(0, 20), "return_tokens": boolean, "t_max_predict_ms": integer(0, 1 << 30),
        "response_fields": unclear, "response_fields[0]": string, "post_sampling_probs": lambda v: v is False}),
    "/v1/embeddings": ({"input": "a"}, {
        "input": unclear, "input[0]": unclear, "content": anything, "model": string, "user": string, "dimensions": lambda v: False,
        "encoding_format": one_of("float", "base64")}),
    "/tokenize": ({"content": "a"}, {
        "content": string, "parse_special": boolean, "with_pieces": boolean, "add_special": boolean}),
    "/detokenize": ({"tokens": [1]}, {"tokens": unclear, "tokens[0]": integer(0, 100)}),
    "/apply-template": ({"messages": QUESTION}, {"messages": unclear, "messages[0].content": unclear, "tools": absent}),
}
REQUIRED = {"messages", "prompt", "input", "content", "tokens"}


def with_value(body, place, value):
    """A copy of the request with this value in that place; what leads there is made."""
    body = json.loads(json.dumps(body))
    at, steps = body, []
    for name in place.split("."):
        name, *indices = name.replace("]", "").split("[")
        steps += [name, *map(int, indices)]
    for step, following in zip(steps, steps[1:]):
        fresh = [None] if isinstance(following, int) else {}
        if isinstance(step, int):
            at[step] = at[step] if isinstance(at[step], type(fresh)) else fresh
        elif not isinstance(at.get(step), type(fresh)):
            at[step] = fresh
        at = at[step]
    at[steps[-1]] = value
    return body


def ask(connection, path, data):
    connection.request("POST", path, data, {"Content-Type": "application/json"})
    response = connection.getresponse()
    answer = Answer(response.status, response.getheaders(), response.read())
    audit("POST", path, answer)
    return answer


def verdict(field, value, allowed, answer):
    """What is wrong with the answer, or None."""
    if answer.status not in (200, 400):
        return "neither 200 nor 400"
    wanted = allowed(value)
    if value is None and not field.endswith("]"):  # null means absent, and what is absent may be missing
        wanted = None if field in REQUIRED or allowed is unclear else True
    if wanted is not None and wanted != (answer.status == 200):
        return "should be allowed" if wanted else "should be refused"
    if answer.status == 400 and not str(answer.error["param"]).startswith(field.split("[")[0].split(".")[0]):
        return "names another field"
    return None


@check
def every_field_with_every_wrong_value_is_200_or_400():
    s, wrong, count = server(*PLAIN), [], 0
    for path, (good, fields) in ROUTES.items():
        connection = s.connection()  # one for all: a refusal leaves it usable
        for field, allowed in fields.items():
            for value in VALUES:
                body = with_value({"max_tokens": 1, "deadline_ms": 500, **good}, field, value)
                answer = ask(connection, path, json.dumps(body).encode())
                count += 1
                if fault := verdict(field, value, allowed, answer):
                    wrong.append((path, field, value, fault, answer.status, answer.body[:200]))
        connection.close()
    assert not wrong, f"{len(wrong)} of {count}:\n" + "\n".join(map(str, wrong[:20]))
    print(f"        {count} requests")


def described_fields(schema):
    """The names that a request's schema in docs/openapi.yaml has."""
    if "$ref" in schema:
        return described_fields(DESCRIPTION["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]])
    return set(schema.get("properties", {})).union(*map(described_fields, schema.get("allOf", [])))


@check
def every_field_that_is_served_is_described():
    for path, (_, fields) in ROUTES.items():
        described = described_fields(operation("POST", path)["requestBody"]["content"]["application/json"]["schema"])
        tried = {name.split("[")[0].split(".")[0] for name, allowed in fields.items() if allowed is not absent} - {"unknown_field"}
        assert tried <= described, (path, tried - described)


BODIES = [b"", b" ", b"{", b"[]", b"1", b'"x"', b"null", b"true", b"{]", b"{}}", b"{} {}", b"{'prompt': 1}", b'{"prompt"}', b'{"prompt": "a",}', b"\xff\xfe{}",
          b'{"prompt": "\xff"}', b'{"prompt": "\xc3"}', b'{"prompt": "\\ud800"}', b'{"prompt": "\\u12"}', b'{"prompt": "a\nb"}', b'{"prompt": NaN}',
          b'{"prompt": 1e999}', b'{"prompt": 01}', b'{"prompt": "a"} x', b"\0", b'{"prompt": ' + b"[" * 100000, b'{"prompt": ' + b"[" * 70 + b"]" * 70 + b"}",
          b'{"a":' * 70 + b"1" + b"}" * 70, b"-" * 1000, b'{"prompt": "' + b"a" * 100000]


@check
def bodies_that_are_no_request_are_400():
    s, wrong = server(*PLAIN), []
    for path in ROUTES:
        connection = s.connection()
        for body in BODIES:
            answer = ask(connection, path, body)
            if answer.status != 400:
                wrong.append((path, body[:40], answer.status, answer.body[:200]))
        connection.close()
    assert not wrong, wrong[:10]


@check
def extremes_of_size_are_answered_or_refused():
    s = server(*PLAIN)
    for path, body, statuses in (
            ("/v1/chat/completions", {"messages": QUESTION * 5000}, (400,)),
            ("/v1/chat/completions", {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}] * 2000}]}, (200,)),
            ("/v1/chat/completions", {"messages": QUESTION, "stop": ["x" * 5000]}, (400,)),
            ("/v1/chat/completions", {"messages": QUESTION, "stop": ["x"] * 65}, (400,)),
            ("/v1/chat/completions", {"messages": QUESTION, "stop": ["x" * 4096] * 64}, (200,)),
            ("/v1/chat/completions", {"messages": QUESTION, "logit_bias": {str(i): 1 for i in range(5000)}}, (400,)),
            ("/v1/chat/completions", {"messages": QUESTION, "n": 128}, (400,)),
            ("/v1/chat/completions", {"messages": QUESTION, "x" * 100000: 1}, (200,)),
            ("/v1/completions", {"prompt": "a" * 2_000_000}, (400,)),
            ("/v1/completions", {"prompt": ["a"] * 2000}, (400,)),
            ("/v1/completions", {"prompt": [1] * 200000}, (400,)),
            ("/v1/completions", {"prompt": [2**31 - 1]}, (400,)),
            ("/v1/embeddings", {"input": ["a"] * 2000}, (400,)),
            ("/v1/embeddings", {"input": ["a"] * 250}, (200,)),
            ("/tokenize", {"content": "a " * 1_000_000}, (200,)),
            ("/detokenize", {"tokens": [5] * 300000}, (200,))):
        answer = s.post(path, {"max_tokens": 1, **body})
        assert answer.status in statuses, (path, list(body), answer.status, answer.body[:300])
    try:
        answer = s.post("/tokenize", b'{"content": "' + b"a" * (17 << 20) + b'"}')
        assert answer.status == 413, answer.status
    except (BrokenPipeError, ConnectionResetError, http.client.HTTPException):
        pass  # refused before all of it was sent
