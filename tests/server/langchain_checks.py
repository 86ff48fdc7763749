"""LangChain for Python."""
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

from client_checks import PLAIN, tap
from server_harness import check, server

QUESTION = "What is 12 + 30?"


def model(**more):
    return ChatOpenAI(**{"model": "any", "base_url": tap().url, "api_key": "none", "temperature": 0, "max_retries": 0, **more})


@check
def langchain_invokes():
    answer = model().invoke(QUESTION)
    assert answer.content == "42" and answer.response_metadata["finish_reason"] == "stop", answer
    assert answer.usage_metadata["output_token_details"]["reasoning"] > 0, answer.usage_metadata


@check
def langchain_finds_its_conversation_in_the_cache():
    turns = [SystemMessage("Be brief and show every step of the calculation."), HumanMessage(QUESTION)]
    first = model().invoke(turns)
    second = model().invoke(turns + [AIMessage(first.content), HumanMessage("What is 5 + 6?")])
    assert second.content  # the small model knows no second turns, and may say anything
    assert second.usage_metadata["input_token_details"]["cache_read"] >= first.usage_metadata["input_tokens"] - 1, second.usage_metadata


@check
def langchain_streams_with_usage():
    chunks = list(model(stream_usage=True).stream(QUESTION))
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    assert len(chunks) > 5 and whole.content == "42", whole
    assert whole.usage_metadata["output_tokens"] > 0, whole.usage_metadata


@check
def langchain_batches_with_logprobs():
    answers = model(logprobs=True, top_logprobs=2).batch([f"What is {a} + 4?" for a in range(1, 13)])
    assert [a.content for a in answers] == [str(a + 4) for a in range(1, 13)]
    for answer in answers:
        entries = answer.response_metadata["logprobs"]["content"]
        assert "".join(e["token"] for e in entries).strip() == answer.content and all(len(e["top_logprobs"]) == 2 for e in entries)


@check
def langchain_leaves_a_stream():
    stream = model(extra_body={"ignore_eos": True}).stream(QUESTION)
    next(stream)
    stream.close()
    server(*PLAIN).wait_until_idle()


@check
def langchain_embeds():
    # Without the first option it sends token ids of a tokenizer of OpenAI's.
    embeddings = OpenAIEmbeddings(check_embedding_ctx_length=False, model="any", base_url=tap().url, api_key="none", max_retries=0)
    a, b = embeddings.embed_documents(["What is 3 + 4?", "Sort 3, 1, 2."])
    assert a == embeddings.embed_query("What is 3 + 4?") and a != b and abs(sum(x * x for x in a) - 1) < 1e-4
