"""Clients as people use them: OpenAI's Python library, curl."""
import json, shutil, subprocess

import openai

from server_harness import QUESTION, check, server


def client(**more):
    return openai.OpenAI(base_url=f"http://127.0.0.1:{server('--max-queue', '256').port}/v1", api_key="none", max_retries=0, **more)


def raises(error, call):
    try:
        call()
    except error as e:
        return e
    raise AssertionError(f"no {error.__name__}")


@check
def openai_python_creates():
    answer = client().chat.completions.create(model="any", messages=QUESTION, temperature=0)
    assert answer.choices[0].message.content == "42" and answer.usage.completion_tokens_details.reasoning_tokens > 0
    assert answer.choices[0].message.reasoning_content


@check
def openai_python_streams():
    text, usage = "", None
    for chunk in client().chat.completions.create(model="any", messages=QUESTION, temperature=0, stream=True,
                                                  stream_options={"include_usage": True}):
        usage = chunk.usage or usage
        if chunk.choices:
            text += chunk.choices[0].delta.content or ""
    assert text == "42" and usage.total_tokens > 0


@check
def openai_python_stream_helper():
    with client().chat.completions.stream(model="any", messages=QUESTION, temperature=0) as stream:
        for _ in stream:
            pass
        final = stream.get_final_completion()
    assert final.choices[0].message.content == "42" and final.choices[0].finish_reason == "stop"


@check
def openai_python_two_answers_and_logprobs():
    answer = client().chat.completions.create(model="any", messages=QUESTION, temperature=0, n=2, logprobs=True, top_logprobs=2)
    assert len(answer.choices) == 2
    assert all(len(t.top_logprobs) == 2 for c in answer.choices for t in c.logprobs.content)


@check
def openai_python_aborts():
    s = server("--max-queue", "256")
    stream = client().chat.completions.create(model="any", messages=QUESTION, stream=True, extra_body={"ignore_eos": True})
    next(iter(stream))
    stream.close()
    s.wait_until_idle()


@check
def openai_python_error_classes():
    c = client()
    error = raises(openai.BadRequestError, lambda: c.chat.completions.create(model="any", messages=QUESTION, temperature=9))
    assert error.param == "temperature" and error.request_id
    raises(openai.NotFoundError, lambda: c.models.retrieve("nothing"))
    keyed = openai.OpenAI(base_url=f"http://127.0.0.1:{server('--api-key', 'alpha,beta').port}/v1", api_key="wrong", max_retries=0)
    raises(openai.AuthenticationError, lambda: keyed.chat.completions.create(model="any", messages=QUESTION))
    limited = openai.OpenAI(base_url=f"http://127.0.0.1:{server('--rate-requests', '1').port}/v1", api_key="none", max_retries=0)
    limited.completions.create(model="any", prompt="a", max_tokens=1)
    raises(openai.RateLimitError, lambda: limited.completions.create(model="any", prompt="a", max_tokens=1))


@check
def openai_python_embeddings_models_completions():
    c = client()
    vector = c.embeddings.create(model="any", input="What is 3 + 4?").data[0].embedding  # asks for base64 by itself
    assert abs(sum(x * x for x in vector) - 1) < 1e-4
    assert [m.id for m in c.models.list()]
    assert c.completions.create(model="any", prompt="3 + 4", max_tokens=2, echo=True).choices[0].text.startswith("3 + 4")


@check
def curl_streams_and_posts_large_bodies():
    if not shutil.which("curl"):
        return
    s = server("--max-queue", "256")
    done = subprocess.run(["curl", "-sSN", f"http://localhost:{s.port}/v1/chat/completions", "-d",
                           json.dumps({"messages": QUESTION, "temperature": 0, "stream": True})], capture_output=True, text=True)
    assert done.stdout.rstrip().endswith("data: [DONE]"), done
    large = json.dumps({"content": "a" * 3_000_000})  # curl asks with Expect: 100-continue
    done = subprocess.run(["curl", "-sS", "-o", "-", f"http://localhost:{s.port}/tokenize", "-d", "@-"], input=large,
                          capture_output=True, text=True)
    assert '"tokens"' in done.stdout[:20], done.stdout[:200] + done.stderr
