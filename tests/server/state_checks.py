"""What the server keeps between requests and gives up in the middle of one: slots, the prefix cache on disk, stops, deadlines, clients that leave."""
import contextlib, glob, json, os, socket, tempfile, threading

from server_harness import QUESTION, Server, check, events_of, server

SCRATCH = tempfile.TemporaryDirectory(prefix="sambay-state-")
FOLDER = os.path.join(SCRATCH.name, "slots")
os.mkdir(FOLDER)
SLOTS = ("--slot-save-path", FOLDER, "--parallel", "2", "--chunk", "16")
PLAIN = ("--max-queue", "256")
LONG_THOUGHT = [{"role": "user", "content": "What is 347 + 589?"}]


def about(number, words=10):
    """A prompt that shares no beginning with those of other numbers."""
    return " ".join(f"{number}{i} + {i} = {number + i}." for i in range(words))


def text_of(answer):
    assert answer.status == 200, answer.body
    return answer.json["choices"][0]["text"]


def slot_that_remembers(s):
    """The one with the most tokens."""
    slot = max(s.get("/slots").json, key=lambda slot: slot["n_remembered"])
    assert slot["n_remembered"] > 0, slot
    return slot["id"]


# ---- slots -----------------------------------------------------------------------------------------------------------


@check
def slots_show_what_runs_in_them():
    s = server(*SLOTS)
    s.wait_until_idle()
    with Leaving(s, {"messages": QUESTION, "ignore_eos": True, "temperature": 0.5, "max_tokens": 3000, "stream": True}):
        s.wait_for(lambda: any(slot["is_processing"] and slot["next_token"][0]["n_decoded"] > 3 for slot in s.get("/slots").json), "a slot decodes")
        busy = [slot for slot in s.get("/slots").json if slot["is_processing"]]
        assert len(busy) == 1 and abs(busy[0]["params"]["temperature"] - 0.5) < 1e-6 and busy[0]["params"]["n_predict"] == 3000, busy
        assert busy[0]["n_prompt_tokens"] == busy[0]["n_prompt_tokens_processed"] > 5
    s.wait_until_idle()
    slots = s.get("/slots").json
    assert [slot["id"] for slot in slots] == [0, 1] and not any(slot["is_processing"] for slot in slots)
    assert s.get("/slots?fail_on_no_slot=1").status == 200


@check
def a_saved_slot_goes_on_in_another_process():
    s = server(*SLOTS)
    ids = s.post("/tokenize", {"content": about(1)}).json["tokens"]
    first = s.post("/completion", {"prompt": ids, "n_predict": 30, "temperature": 0, "ignore_eos": True, "return_tokens": True, "id_slot": 1}).json
    used = first["id_slot"]
    assert used == 1, first
    saved = s.post(f"/slots/{used}?action=save", {"filename": "one.bin"})
    assert saved.status == 200, saved.body
    saved = saved.json
    assert saved["id_slot"] == used and saved["n_saved"] == len(ids) + len(first["tokens"]) - 1, saved  # nobody has read the last token
    assert saved["n_written"] == os.path.getsize(os.path.join(FOLDER, "one.bin"))
    go_on = {"prompt": ids + first["tokens"] + s.post("/tokenize", {"content": " 5 + 6 ="}).json["tokens"], "max_tokens": 30, "temperature": 0}
    cold = s.post("/v1/completions", {**go_on, "cache_prompt": False})
    other = Server(*SLOTS)
    try:
        restored = other.post("/slots/1?action=restore", {"filename": "one.bin"})
        assert restored.status == 200, restored.body
        assert restored.json["n_restored"] == saved["n_saved"] and restored.json["n_read"] == saved["n_written"]
        assert {slot["id"]: slot["n_remembered"] for slot in other.get("/slots").json}[1] == saved["n_saved"]
        warm = other.post("/v1/completions", go_on)
        assert warm.json["usage"]["prompt_tokens_details"]["cached_tokens"] == saved["n_saved"], warm.json["usage"]
        assert text_of(warm) == text_of(cold)
        used = slot_that_remembers(other)
        remembered = other.get("/slots").json[used]["n_remembered"]
        assert other.post(f"/slots/{used}?action=erase", {}).json["n_erased"] == remembered
        assert other.get("/slots").json[used]["n_remembered"] == 0
        assert other.post(f"/slots/{used}?action=erase", {}).json["n_erased"] == 0
    finally:
        assert other.stop() == 0


@check
def an_answer_says_in_which_slot_it_ran_and_the_next_turn_runs_there():
    s = server(*SLOTS)
    s.wait_until_idle()
    turn = lambda text, **fields: s.post("/completion", {"prompt": text, "n_predict": 4, "temperature": 0, **fields})
    first = turn(about(60, 20), id_slot=1).json
    assert first["id_slot"] == 1, first
    for _ in range(2):
        assert turn(about(60, 20) + " And more?").json["id_slot"] == 1
        other = turn(about(61, 20)).json
        assert other["id_slot"] == 0, other
    events = [json.loads(line[6:]) for line in turn(about(61, 20), stream=True).body.decode().splitlines() if line.startswith("data: ")]
    assert events and all(e["id_slot"] == 0 for e in events), events


@check
def files_that_are_no_saved_slot_are_refused():
    s = server(*SLOTS)
    text = text_of(s.post("/v1/completions", {"prompt": about(2), "max_tokens": 20, "temperature": 0}))
    assert s.post(f"/slots/{slot_that_remembers(s)}?action=save", {"filename": "good"}).status == 200
    with open(os.path.join(FOLDER, "good"), "rb") as f:
        good = f.read()
    for name, data in (("empty", b""), ("short", good[:1000]), ("cut", good[:-1]), ("longer", good + b"x"), ("text", b"{}" * 5000),
                       ("changed", good[:len(good) // 2] + bytes([good[len(good) // 2] ^ 1]) + good[len(good) // 2 + 1:]),
                       ("header", good[:9] + bytes([good[9] ^ 1]) + good[10:])):
        with open(os.path.join(FOLDER, name), "wb") as f:
            f.write(data)
        error = s.post("/slots/0?action=restore", {"filename": name})
        assert error.status == 400 and error.error["code"] in ("corrupt_file", "unsupported_value"), (name, error.body)
    os.symlink("/dev/zero", os.path.join(FOLDER, "endless"))
    for name in ("nothing", "endless", ".", "..", "../good", "/etc/passwd", ".hidden", "", "a/b", "a\0b", "a" * 300, 5, None):
        for action in ("restore", "save") if name not in ("nothing", "endless") else ("restore",):
            error = s.post(f"/slots/0?action={action}", {"filename": name})
            assert error.status == 400 and error.error["message"], (name, action, error.body)
    for path in ("/slots/2?action=save", "/slots/-1?action=save", "/slots/x?action=save", "/slots/99999999999?action=save", "/slots/0?action=sell",
                 "/slots/0", "/slots/?action=erase"):
        assert s.post(path, {"filename": "a"}).status == 400, path
    assert sorted(os.listdir(SCRATCH.name)) == ["slots"]
    assert text_of(s.post("/v1/completions", {"prompt": about(2), "max_tokens": 20, "temperature": 0})) == text
    assert server(*PLAIN).post("/slots/0?action=save", {"filename": "a"}).error["code"] == "not_enabled"


@check
def a_slot_is_saved_and_erased_with_the_key_alone_that_filled_it():
    s = Server(*SLOTS, "--api-key", "alpha,beta")
    try:
        act = lambda key, action: s.post(f"/slots/0?action={action}", {"filename": "keyed"}, {"X-Api-Key": key})
        prompt = {"prompt": about(3), "n_predict": 4, "id_slot": 0}
        assert s.post("/completion", prompt, {"X-Api-Key": "alpha"}).status == 200
        refused = act("beta", "save")
        assert refused.status == 400 and "remembers no conversation" in refused.error["message"], refused.body
        assert not os.path.exists(os.path.join(FOLDER, "keyed"))
        assert act("beta", "erase").json["n_erased"] == 0
        saved = act("alpha", "save").json["n_saved"]
        assert act("alpha", "erase").json["n_erased"] == saved > 0
    finally:
        assert s.stop() == 0


@check
def a_slot_that_works_is_neither_saved_nor_erased():
    s = server(*SLOTS)
    s.wait_until_idle()
    with Leaving(s, {"messages": QUESTION, "ignore_eos": True, "id_slot": 0, "stream": True}):
        s.wait_for(lambda: s.get("/slots").json[0]["is_processing"], "it runs in slot 0")
        for action in ("save", "restore", "erase"):
            answer = s.post(f"/slots/0?action={action}", {"filename": "good"})
            assert answer.status in (400, 429) and "slot 0" in answer.error["message"], answer.body
    s.wait_until_idle()


# ---- the prefix cache ------------------------------------------------------------------------------------------------


def lookups(s, result):
    return next(float(line.rsplit(" ", 1)[1]) for line in s.get("/metrics").body.decode().splitlines()
                if line.startswith("sambay:prefix_cache_lookups_total{") and f'result="{result}"' in line)


def files_open_in(folder, pid):
    """What a process has open there, also without a name."""
    found = []
    for link in glob.glob(f"/proc/{pid}/fd/*"):
        try:
            if os.readlink(link).startswith(folder + "/"):
                found.append(link)
        except OSError:
            pass
    return found


@check
def evicted_prefixes_come_back_from_disk_and_damaged_ones_are_counted():
    folder = tempfile.mkdtemp(dir=SCRATCH.name)
    s = Server("--prefix-cache", "2M", "--spill", "256M", "--spill-folder", folder, "--parallel", "2", "-c", "2048")
    try:
        ask = lambda number, tokens=1: s.post("/v1/completions", {"prompt": about(number), "max_tokens": tokens, "temperature": 0})
        cached = lambda answer: answer.json["usage"]["prompt_tokens_details"]["cached_tokens"]
        first = ask(1, 40)
        for number in range(2, 14):
            assert cached(ask(number)) == 0
        assert s.metric("sambay:prefix_cache_spilled_total") > 0 and s.metric("sambay:prefix_cache_spill_bytes") > 0
        again = ask(1, 40)
        assert cached(again) == first.json["usage"]["prompt_tokens"], again.json["usage"]
        assert text_of(again) == text_of(first) and s.metric("sambay:prefix_cache_reloaded_total") == 1
        for link in files_open_in(folder, s.process.pid):
            with open(link, "r+b") as f:
                f.seek(os.path.getsize(link) // 2)
                byte = f.read(1)
                f.seek(-1, os.SEEK_CUR)
                f.write(bytes([byte[0] ^ 0xff]))
        before = lookups(s, "damaged")
        damaged = [n for n in range(2, 14) if cached(ask(n)) == 0]
        assert damaged and lookups(s, "damaged") == before + len(damaged), (damaged, before)
        assert text_of(ask(damaged[0], 40)) == text_of(s.post("/v1/completions", {
            "prompt": about(damaged[0]), "max_tokens": 40, "temperature": 0, "cache_prompt": False}))
    finally:
        assert s.stop() == 0
    assert os.listdir(folder) == []


@check
def evicted_prefixes_without_a_disk_are_counted_as_evicted():
    s = Server("--prefix-cache", "2M", "--parallel", "2", "-c", "2048")
    try:
        for number in [*range(1, 14), 1]:
            s.post("/v1/completions", {"prompt": about(number), "max_tokens": 1})
        assert lookups(s, "evicted") == 1 and lookups(s, "first_seen") == 13 and s.metric("sambay:prefix_cache_spilled_total") == 0
    finally:
        s.stop()


@check
def every_turn_of_a_chat_reads_only_what_is_new():
    s, turns = server(*PLAIN), [{"role": "system", "content": "Answer with the number alone, please."}]
    read = 0
    for number in (21, 34, 55):
        turns.append({"role": "user", "content": f"What is {number} + 30?"})
        answer = s.post("/v1/chat/completions", {"messages": turns, "temperature": 0}).json
        cached = answer["usage"]["prompt_tokens_details"]["cached_tokens"]
        assert cached >= read - 1 and (cached > 0) == (read > 0), (cached, read)
        read = answer["usage"]["prompt_tokens"]
        turns.append({"role": "assistant", "content": answer["choices"][0]["message"]["content"] or ""})
    other = [{"role": "system", "content": "Answer with the number alone, please."}, {"role": "user", "content": "What else is there?"}]
    diverged = s.post("/v1/chat/completions", {"messages": other, "max_tokens": 1}, {"x-request-id": "diverged"}).json["usage"]
    said = lambda: next((e for e in s.log if e["event"] == "answer" and e["id"] == "diverged"), None)
    s.wait_for(said, "the answer is in the log")
    assert said()["cached_tokens"] == diverged["prompt_tokens_details"]["cached_tokens"] <= said()["shared_tokens"] < diverged["prompt_tokens"], said()
    assert said()["cache"] == ("hit" if said()["cached_tokens"] else "diverged") and said()["shared_tokens"] > 5, said()
    body = {"messages": turns[:-1], "temperature": 0, "max_tokens": 1}
    assert s.post("/v1/chat/completions", {**body, "cache_prompt": False}).json["usage"]["prompt_tokens_details"]["cached_tokens"] == 0
    for key, cached in (("alpha", False), ("alpha", True), ("beta", False)):
        usage = server("--api-key", "alpha,beta").post("/v1/chat/completions", body, {"Authorization": f"Bearer {key}"}).json["usage"]
        assert (usage["prompt_tokens_details"]["cached_tokens"] > 0) == cached, (key, usage)


# ---- thinking, stops, bytes, deadlines -------------------------------------------------------------------------------


@check
def thinking_obeys_its_budget_and_effort():
    s = server(*PLAIN)
    free = s.chat(messages=LONG_THOUGHT, temperature=0).json
    thought = free["usage"]["completion_tokens_details"]["reasoning_tokens"]
    assert thought > 16
    for budget in (0, 1, 4, 8, 16):
        answer = s.chat(messages=LONG_THOUGHT, temperature=0, thinking_budget_tokens=budget, max_tokens=1000).json
        # What opens and closes it (<think>, a line's end, </think>, two of them) comes on top.
        assert answer["usage"]["completion_tokens_details"]["reasoning_tokens"] <= budget + 6, (budget, answer["usage"])
        assert answer["choices"][0]["finish_reason"] == "stop", budget
    for fields in ({"reasoning_effort": "low"}, {"reasoning_effort": "medium"}, {"reasoning_effort": "high"}, {"thinking_budget_tokens": -1},
                   {"thinking_budget_tokens": 10**6}, {"reasoning_effort": "low", "thinking_budget_tokens": 5000}):
        assert s.chat(messages=LONG_THOUGHT, temperature=0, **fields).json["choices"] == free["choices"], fields
    cut = s.chat(messages=LONG_THOUGHT, temperature=0, reasoning_effort="high", thinking_budget_tokens=4).json
    assert cut["usage"]["completion_tokens_details"]["reasoning_tokens"] < thought


@check
def stop_strings_are_found_wherever_tokens_and_chunks_end():
    s = server(*PLAIN)
    fields = {"messages": LONG_THOUGHT, "temperature": 0, "reasoning_format": "none"}
    whole = s.post("/v1/chat/completions", fields).json["choices"][0]["message"]["content"]
    assert len(whole) > 40
    for length in (1, 2, 5, 11):
        for at in range(0, len(whole) - length, max(1, len(whole) // 20)):
            stop = whole[at:at + length]
            events = s.stream("/v1/chat/completions", {**fields, "stop": [stop, "never said"]})
            text = "".join(e["choices"][0]["delta"].get("content") or "" for e in events[:-1])
            assert text == whole[:whole.index(stop)], (stop, text, whole)
            assert events[-2]["choices"][0]["finish_reason"] == "stop"
    events = s.stream("/v1/chat/completions", {**fields, "stop": [whole[3:9] + "never said"]})  # held back, and given after all
    assert "".join(e["choices"][0]["delta"].get("content") or "" for e in events[:-1]) == whole


@check
def characters_are_never_split_across_chunks():
    s = server(*PLAIN)
    for character in ("ß", "€", "🙂"):
        pieces = s.post("/tokenize", {"content": character, "with_pieces": True}).json["tokens"]
        if len(pieces) == 1:
            continue
        # These bytes alone, in some order, none too often: now a character, now a part of one.
        body = {"prompt": "a", "max_tokens": 40, "temperature": 2, "top_p": 1, "seed": 3, "frequency_penalty": 2, "logit_bias": {str(p["id"]): 100 for p in pieces}}
        whole = text_of(s.post("/v1/completions", body))
        assert character in whole and "\ufffd" in whole, (character, whole[:50])
        raw = s.post("/v1/completions", {**body, "stream": True}).body
        for block in raw.split(b"\n\n"):
            block.decode("utf-8", "strict")
        texts = [e["choices"][0]["text"] for e in events_of(raw)[:-1]]
        assert "".join(texts) == whole and len(texts) > 1
        chat = events_of(s.post("/v1/chat/completions", {"messages": QUESTION, **{k: v for k, v in body.items() if k != "prompt"}, "stream": True}).body)
        assert character in "".join(e["choices"][0]["delta"].get("content") or "" for e in chat[:-1])
        break
    else:
        raise AssertionError("the vocabulary has all of these whole")


@check
def a_stream_that_waits_says_every_five_seconds_that_it_lives():
    s = server("--parallel", "1", "--max-queue", "64")
    endless = {"messages": QUESTION, "ignore_eos": True, "stream": True}  # until the context is full
    with contextlib.ExitStack() as clients:
        for _ in range(30):
            clients.enter_context(Leaving(s, endless))
        waiting = clients.enter_context(Leaving(s, {**endless, "priority": -1})).connection  # the last one of all
        out = b""
        while b": keep-alive\n\n" not in out:
            piece = waiting.recv(1000)  # within 30 s
            assert piece and b"data:" not in out, out
            out += piece
        assert out.startswith(b"HTTP/1.1 200 "), out
    s.wait_until_idle()


@check
def a_deadline_ends_the_answer_as_it_is():
    s = server(*PLAIN)
    for stream in (False, True):
        body = {"messages": QUESTION, "ignore_eos": True, "deadline_ms": 300, "seed": 1}
        if stream:
            events = s.stream("/v1/chat/completions", {**body, "stream_options": {"include_usage": True}})
            finish, tokens = events[-3]["choices"][0]["finish_reason"], events[-2]["usage"]["completion_tokens"]
        else:
            answer = s.post("/v1/chat/completions", body).json
            finish, tokens = answer["choices"][0]["finish_reason"], answer["usage"]["completion_tokens"]
        assert finish == "length" and tokens > 0, (finish, tokens)
    assert s.chat(deadline_ms=1, ignore_eos=True).json["choices"][0]["finish_reason"] == "length"
    assert s.chat(deadline_ms=0, temperature=0).json["choices"][0]["finish_reason"] == "stop"


# ---- clients that leave ----------------------------------------------------------------------------------------------


class Leaving:
    """A client that asks, reads no more than the first bytes of a stream, and hangs up at the end of the block."""

    def __init__(self, s, body, path="/v1/chat/completions"):
        self.server, self.body, self.path = s, json.dumps(body).encode(), path

    def __enter__(self):
        self.connection = socket.create_connection(("127.0.0.1", self.server.port), timeout=30)
        self.connection.sendall(f"POST {self.path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(self.body)}\r\n\r\n".encode() + self.body)
        return self

    def __exit__(self, *_):
        self.connection.close()


@check
def leaving_in_any_phase_frees_the_slot_and_changes_nobody_elses_text():
    s = Server("--parallel", "2", "--chunk", "4", "--max-queue", "16", "--prefix-cache", "0")
    try:
        neighbour = {"messages": QUESTION, "temperature": 1.2, "seed": 11, "max_tokens": 1500, "ignore_eos": True}
        alone = s.post("/v1/chat/completions", neighbour).json["choices"]
        long_prompt = "12 + 30 = 42. " * 200
        running = lambda: s.metric("sambay:num_requests_running")
        waiting = lambda: s.metric("sambay:num_requests_waiting")
        reading = lambda: any(x["is_processing"] and 0 < x["n_prompt_tokens_processed"] < x["n_prompt_tokens"] for x in s.get("/slots").json)
        decoding = lambda: any(x["is_processing"] and x["next_token"][0]["n_decoded"] > 5 and x["n_prompt_tokens"] < 30 and
                               x["params"]["seed"] == 5 for x in s.get("/slots").json)
        endless = {"messages": QUESTION, "ignore_eos": True, "seed": 5}
        for stream in (True, False):
            for phase, body, begun in (("prefill", {"messages": [{"role": "user", "content": long_prompt}]}, reading), ("decode", endless, decoding)):
                beside = []
                t = threading.Thread(target=lambda: beside.append(s.post("/v1/chat/completions", neighbour).json["choices"]))
                t.start()
                with Leaving(s, {**body, "stream": stream}):
                    s.wait_for(begun, f"it is in {phase}")
                    left = s.metric("sambay:clients_left_total")
                s.wait_for(lambda: s.metric("sambay:clients_left_total") == left + 1, f"it is noticed in {phase}")
                s.wait_for(lambda: running() <= 1, f"its slot is free after {phase}")
                t.join(120)
                assert beside == [alone], phase
        with Leaving(s, endless), Leaving(s, endless):  # both slots are taken
            s.wait_for(lambda: running() == 2, "both run")
            for stream in (True, False):
                with Leaving(s, {**endless, "stream": stream}):
                    s.wait_for(lambda: waiting() == 1, "it waits")
                s.wait_for(lambda: waiting() == 0, "it waits no more")
            assert running() == 2
        s.wait_for(lambda: running() == 0, "nothing runs")
        assert s.post("/v1/chat/completions", neighbour).json["choices"] == alone
    finally:
        assert s.stop() == 0
