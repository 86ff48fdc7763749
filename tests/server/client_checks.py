"""OpenAI's Python library, as people use it. What it is answered is validated, too (the_clients_answers_are_as_openai_describes_them)."""
import asyncio, json, signal, threading

import openai

from server_harness import QUESTION, Server, check, server
from wiretap import Wiretap

PLAIN, KEYED, LIMITED = ("--max-queue", "256"), ("--api-key", "alpha,beta"), ("--rate-requests", "1")
_taps = {}


def tap(flags=PLAIN):
    """The way of the clients to the server with these flags."""
    if flags not in _taps:
        _taps[flags] = Wiretap(server(*flags).port)
    return _taps[flags]


def client(flags=PLAIN, kind=openai.OpenAI, **more):
    return kind(base_url=tap(flags).url, **{"api_key": "none", "max_retries": 0, **more})


def raises(error, call):
    try:
        call()
    except error as e:
        return e
    raise AssertionError(f"no {error.__name__}")


def create(c, **fields):
    return c.chat.completions.create(**{"model": "any", "messages": QUESTION, "temperature": 0, **fields})


@check
def openai_python_creates():
    answer = create(client())
    assert answer.choices[0].message.content == "42" and answer.usage.completion_tokens_details.reasoning_tokens > 0
    assert answer.choices[0].message.reasoning_content and answer._request_id


@check
def openai_python_streams():
    text, usage = "", None
    for chunk in create(client(), stream=True, stream_options={"include_usage": True}):
        usage = chunk.usage or usage
        if chunk.choices:
            text += chunk.choices[0].delta.content or ""
    assert text == "42" and usage.total_tokens > 0


@check
def openai_python_stream_helper():
    deltas, kinds = "", set()
    with client().chat.completions.stream(model="any", messages=QUESTION, temperature=0, logprobs=True,
                                          stream_options={"include_usage": True}) as stream:
        for event in stream:
            kinds.add(event.type)
            if event.type == "content.delta":
                deltas += event.delta
        final = stream.get_final_completion()
    assert deltas == "42" == final.choices[0].message.content and final.choices[0].finish_reason == "stop"
    assert {"chunk", "content.delta", "content.done", "logprobs.content.delta"} <= kinds, kinds
    assert "".join(t.token for t in final.choices[0].logprobs.content).strip() == "42" and final.usage.total_tokens > 0


@check
def openai_python_two_answers_and_logprobs():
    answer = create(client(), n=2, logprobs=True, top_logprobs=2)
    assert len(answer.choices) == 2
    assert all(len(t.top_logprobs) == 2 for c in answer.choices for t in c.logprobs.content)
    texts = ["", ""]
    for chunk in create(client(), n=2, stream=True):
        texts[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
    assert texts == [c.message.content for c in answer.choices] == ["42", "42"]


@check
def openai_python_aborts_in_the_middle():
    stream = create(client(), stream=True, extra_body={"ignore_eos": True})
    next(iter(stream))
    stream.close()
    server(*PLAIN).wait_until_idle()
    with client().chat.completions.stream(model="any", messages=QUESTION, extra_body={"ignore_eos": True}) as stream:
        next(iter(stream))
    server(*PLAIN).wait_until_idle()


@check
def openai_python_many_at_once():
    async def ask(c, a):
        text = ""
        async for chunk in await create(c, messages=[{"role": "user", "content": f"What is {a} + 30?"}], stream=True):
            text += chunk.choices[0].delta.content or ""
        return text

    async def all_of_them():
        async with client(kind=openai.AsyncOpenAI) as c:
            return await asyncio.gather(*(ask(c, a) for a in range(10, 40)))

    assert asyncio.run(all_of_them()) == [str(a + 30) for a in range(10, 40)]


@check
def openai_python_error_classes():
    c = client()
    error = raises(openai.BadRequestError, lambda: create(c, temperature=9))
    assert error.param == "temperature" and error.code == "invalid_value" and error.type == "invalid_request_error" and error.request_id
    error = raises(openai.BadRequestError, lambda: create(c, messages=[{"role": "user", "content": "1 + 1 = 2. " * 60000}]))
    assert error.code == "context_length_exceeded"
    raises(openai.NotFoundError, lambda: c.models.retrieve("nothing"))
    raises(openai.NotFoundError, lambda: c.moderations.create(input="a"))
    raises(openai.AuthenticationError, lambda: create(client(KEYED, api_key="wrong")))
    create(client(KEYED, api_key="alpha"), max_tokens=1)
    raises(openai.PermissionDeniedError, lambda: create(client(default_headers={"Origin": "http://evil.example"})))
    error = raises(openai.InternalServerError, lambda: c.post("/slots/0?action=save", cast_to=object, body={"filename": "a"}))
    assert error.status_code == 501 and error.code == "not_enabled"
    raises(openai.APITimeoutError, lambda: create(client(timeout=0.2), extra_body={"ignore_eos": True}))
    raises(openai.APIConnectionError, lambda: create(openai.OpenAI(base_url="http://127.0.0.1:9", api_key="none", max_retries=0)))
    server(*PLAIN).wait_until_idle()


@check
def openai_python_is_told_to_come_back_and_does():
    limited = client(("--rate-requests", "60"))  # one a second, after the first sixty
    raises(openai.RateLimitError, lambda: [limited.completions.create(model="any", prompt="a", max_tokens=1) for _ in range(70)])
    # Sent again by the library, after the time that Retry-After says.
    client(("--rate-requests", "60"), max_retries=3).completions.create(model="any", prompt="a", max_tokens=1)


@check
def openai_python_raises_an_error_that_comes_in_a_stream():
    s = Server("--drain", "0.1")
    try:
        stream = create(openai.OpenAI(base_url=f"http://127.0.0.1:{s.port}/v1", api_key="none"), stream=True, extra_body={"ignore_eos": True})
        next(iter(stream))
        threading.Timer(0.05, lambda: s.process.send_signal(signal.SIGTERM)).start()
        error = raises(openai.APIError, lambda: [chunk for chunk in stream])
        assert error.code == "server_stopping", repr(error)
    finally:
        s.stop()


@check
def openai_python_embeds_in_both_encodings():
    texts = ["What is 3 + 4?", "Sort 3, 1, 2."]
    packed = client().embeddings.create(model="any", input=texts)  # asks for base64 by itself
    plain = client().embeddings.create(model="any", input=texts, encoding_format="float")
    for a, b in zip(packed.data, plain.data, strict=True):
        assert abs(sum(x * x for x in a.embedding) - 1) < 1e-4
        assert a.embedding == [json.loads(json.dumps(x)) for x in a.embedding] and len(a.embedding) == len(b.embedding)
        assert max(abs(x - y) for x, y in zip(a.embedding, b.embedding)) < 1e-7
    assert packed.usage.total_tokens > 0


@check
def openai_python_lists_models():
    c = client()
    names = [m.id for m in c.models.list()]
    assert len(names) == 1 and c.models.retrieve(names[0]).id == names[0]


@check
def openai_python_legacy_completions():
    c = client()
    answer = c.completions.create(model="any", prompt=["3 + 4", "5 + 6"], max_tokens=2, echo=True, logprobs=2, temperature=0)
    assert [choice.text[:5] for choice in answer.choices] == ["3 + 4", "5 + 6"]
    for choice in answer.choices:
        assert choice.logprobs.token_logprobs[0] is None and len(choice.logprobs.tokens) == len(choice.logprobs.text_offset)
    text = "".join(chunk.choices[0].text for chunk in c.completions.create(
        model="any", prompt="3 + 4", max_tokens=2, echo=True, temperature=0, stream=True))
    assert text == answer.choices[0].text
    ids = server(*PLAIN).post("/tokenize", {"content": "3 + 4"}).json["tokens"]
    assert "3 + 4" + c.completions.create(model="any", prompt=ids, max_tokens=2, temperature=0).choices[0].text == text
    assert len(c.completions.create(model="any", prompt="3 + 4", n=3, seed=1, max_tokens=2).choices) == 3
