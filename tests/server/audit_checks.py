"""That everything was validated, and that validating can fail. Registered last."""
import copy, json

from client_checks import PLAIN, _taps
from server_harness import AUDITED, OPENAI_ROUTES, QUESTION, Answer, audit, check, server


@check
def the_clients_answers_are_as_openai_describes_them():
    for flags, tap in _taps.items():
        assert tap.audit(), f"nothing passed on the way to the server with {flags}"


@check
def answers_of_every_route_of_openais_were_validated():
    s, before = server(*PLAIN), AUDITED.copy()
    name = s.get("/v1/models").json["data"][0]["id"]
    s.get(f"/models/{name}?a=b")
    s.chat(max_tokens=2)
    s.chat(max_tokens=2, stream=True)
    s.chat(max_tokens="x")
    s.post("/v1/completions", {"prompt": "a", "max_tokens": 2})
    s.post("/completions", {"prompt": "a", "max_tokens": 2, "stream": True})
    s.post("/v1/embeddings", {"input": "a"})
    kinds = {kind for route in OPENAI_ROUTES.values() for kind in route if kind} | {"error"}
    assert all(AUDITED[kind] > before[kind] for kind in kinds), (kinds, AUDITED)
    print("        validated:", ", ".join(f"{count} {kind}" for kind, count in sorted(AUDITED.items())))


def rejected(path, answer, cut=False):
    try:
        audit("POST", path, answer, cut)
    except Exception:
        return True
    return False


@check
def an_answer_of_another_form_would_be_seen():
    s = server(*PLAIN)
    for path, body in (("/v1/chat/completions", {"messages": QUESTION}), ("/v1/completions", {"prompt": "a"}), ("/v1/embeddings", {"input": "a"}),
                       ("/v1/chat/completions", {"messages": []})):
        answer = s.post(path, {**body, "max_tokens": 2})
        assert not rejected(path, answer)
        whole = answer.json
        for member in whole["error"] if "error" in whole else ("choices", "data"):
            damaged = copy.deepcopy(whole)
            if damaged.pop(member, None) or damaged.get("error", {}).pop(member, "absent") != "absent":
                assert rejected(path, Answer(answer.status, answer.headers.items(), json.dumps(damaged).encode())), (path, member)
    stream = s.post("/v1/chat/completions", {"messages": QUESTION, "max_tokens": 4, "stream": True})
    for old, new in ((b'"index":0', b'"index":"0"'), (b'"delta"', b'"Delta"'), (b'"stop"', b'"STOP"'), (b'"length"', b'"LENGTH"'), (b"data: [DONE]\n\n", b"")):
        if old in stream.body:
            assert rejected("/v1/chat/completions", Answer(200, stream.headers.items(), stream.body.replace(old, new))), old
