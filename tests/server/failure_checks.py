"""Answers that do not end well: numbers that are none, clients that leave."""
import ctypes, ctypes.util, json, os, re, socket, struct, tempfile, threading

from server_harness import QUESTION, check, events_of, server

SAVED = tempfile.TemporaryDirectory(prefix="sambay-saved-")


def damaged(state, prompt_tokens):
    """The saved state with NaN for its recurrent state, under checksums that are right (docs/file-format.md)."""
    xxh3 = ctypes.CDLL(ctypes.util.find_library("xxhash")).XXH3_64bits
    xxh3.restype, xxh3.argtypes = ctypes.c_uint64, [ctypes.c_char_p, ctypes.c_size_t]
    header = 104
    (slot_bytes,), (logits,) = struct.unpack_from("<Q", state, 32), struct.unpack_from("<I", state, 44)
    at = header + 4 * prompt_tokens + 4 * logits
    state = bytearray(state)
    state[at:at + slot_bytes] = b"\xff" * slot_bytes
    struct.pack_into("<Q", state, 88, xxh3(bytes(state[header:]), len(state) - header))
    struct.pack_into("<Q", state, 96, xxh3(bytes(state[:96]), 96))
    return bytes(state)


def server_with_a_damaged_conversation(salt):
    """A server, and a prompt whose beginning it remembers with numbers that are none."""
    s = server("--slot-save-path", SAVED.name)
    prompt = [salt + 31 * i % 900 for i in range(100)]
    assert s.post("/completion", {"prompt": prompt, "n_predict": 1, "id_slot": 4}).status == 200
    for action in ("save", "erase"):
        assert s.post(f"/slots/4?action={action}", {"filename": "state"}).status == 200
    path = os.path.join(SAVED.name, "state")
    with open(path, "rb") as f:
        state = f.read()
    with open(path, "wb") as f:
        f.write(damaged(state, len(prompt)))
    assert s.post("/slots/4?action=restore", {"filename": "state"}).json["n_restored"] == 100
    return s, prompt + [7] * 40


@check
def a_number_that_is_none_fails_its_request_with_the_choice_and_no_other():
    good = {"messages": QUESTION, "temperature": 1.5, "seed": 4, "max_tokens": 200, "ignore_eos": True}
    cases = ({"n": 2}, "01"), ({"n": 2, "stream": True}, "01"), ({"prompt": "list"}, "1"), ({"prompt": "list", "stream": True}, "1")
    for i, (fields, choices) in enumerate(cases):
        s, prompt = server_with_a_damaged_conversation(5 + i)  # a prompt of its own: the cache knows the others
        alone = s.post("/v1/chat/completions", good).json["choices"]
        beside = []
        t = threading.Thread(target=lambda: beside.append(s.post("/v1/chat/completions", good).json["choices"]))
        t.start()
        body = {"max_tokens": 60, "ignore_eos": True, **fields, "prompt": [[8, 9, 10], prompt] if "prompt" in fields else prompt}
        answer = s.post("/v1/completions", body)
        if "stream" in fields:
            assert answer.status == 200
            last = events_of(answer.body)[-1]
            assert "[DONE]" != last and "choices" not in last, last
            error = last["error"]
        else:
            assert answer.status == 500
            error = answer.error
        assert (error["code"], error["type"], error["param"]) == ("not_finite", "server_error", None), error
        assert re.match(f"choice [{choices}]: .* damaged$", error["message"]), error
        t.join()
        assert beside == [alone], "a neighbour's answer changed"
        again = s.post("/v1/completions", {**body, "stream": False})
        assert again.status == 200, ("the damaged state is still there", again.body)
        s.wait_until_idle()


@check
def answers_that_nobody_waits_for_are_charged_until_their_end():
    for stream in (True, False):
        s = server("--rate-tokens", "60", "--alias", f"stream-{stream}")  # one a second
        body = json.dumps({"messages": QUESTION, "max_tokens": 60000, "ignore_eos": True, "stream": stream, "n": 2}).encode()
        with socket.create_connection(("127.0.0.1", s.port), timeout=30) as c:
            c.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            s.wait_for(lambda: s.metric("sambay:generation_tokens_total") > 1000, "it runs")
        s.wait_until_idle()
        s.wait_for(lambda: any(e["event"] == "answer_abandoned" for e in s.log), "its line is in the log")
        line = next(e for e in s.log if e["event"] == "answer_abandoned")
        assert line["completion_tokens"] > 1000 and line["prompt_tokens"] > 5, line
        refused = s.chat(max_tokens=1)
        # Of a limit of 60 at least 1,000 are taken, less one for each second that this took.
        assert refused.status == 429 and refused.error["type"] == "tokens"
        assert int(refused.headers["retry-after"]) > 1000 - 60 - 120, refused.headers
