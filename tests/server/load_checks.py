#!/usr/bin/env python3
"""Many clients at once: streams, clients that leave at every moment, bad requests; memory and descriptors before and after.

run_server_tests.py runs the checks of this file. By itself, for longer runs:
  load_checks.py PROGRAM mix SECONDS       64 clients that mix everything
  load_checks.py PROGRAM tiny COUNT        so many requests of one token
  load_checks.py PROGRAM slow              slowhttptest attacks; what others then wait for their first token
Python's standard library only; `slow` needs Debian's slowhttptest.
"""
import asyncio, json, os, random, subprocess, sys, tempfile, time

from server_harness import PROGRAM, QUESTION, Server, check

CLIENTS = 64
COMMENT_SECONDS = 5  # of silence, then a stream says that it lives (docs/server.md)
KIB, MIB = 1 << 10, 1 << 20


# ---- one client ------------------------------------------------------------------------------------------------------------


class Stream:
    """One request on a connection of its own, as bytes; streams in pieces."""

    def __init__(self, port, path, body, method="POST"):
        self.port = port
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.request = (f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                        f"Content-Length: {len(data)}\r\nConnection: close\r\n\r\n").encode() + data
        self.status, self.comments, self.ended_well = None, 0, False

    async def open(self, cut=None):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 20)
        self.writer.write(self.request[:cut])
        await self.writer.drain()

    async def head(self):
        self.status = int((await self.reader.readline()).split()[1])
        while (line := await self.reader.readline()) not in (b"\r\n", b""):
            self.chunked = getattr(self, "chunked", False) or line.lower().startswith(b"transfer-encoding: chunked")
        return self.status

    async def piece(self):
        """The next chunk of a stream; b"" at its end."""
        line = await self.reader.readline()
        assert line, "the connection ended within an answer"
        size = int(line, 16)
        data = (await self.reader.readexactly(size + 2))[:size]
        self.comments += data.startswith(b":")
        return data

    async def rest(self):
        if not getattr(self, "chunked", False):
            return await self.reader.read()
        out = b""
        while data := await self.piece():
            out += data
        self.ended_well = out.endswith(b"data: [DONE]\n\n")
        return out

    def leave(self, hard=False):
        if hard:
            self.writer.transport.abort()
        else:
            self.writer.close()


async def whole(port, path, body, method="POST"):
    """(status, body)"""
    s = Stream(port, path, body, method)
    await s.open()
    status = await s.head()
    out = await s.rest()
    s.leave()
    return status, out


def text_of(stream_body):
    """The content of a chat's stream."""
    text = ""
    for line in stream_body.decode().splitlines():
        if line.startswith("data: {"):
            event = json.loads(line[6:])
            assert "error" not in event, event
            for choice in event["choices"]:
                text += choice["delta"].get("content") or ""
    return text


CHAT = "/v1/chat/completions"


def chat(**fields):
    return {"messages": QUESTION, "stream": True, **fields}


# ---- memory and descriptors ----------------------------------------------------------------------------------------------------


class Footprint:
    """Of a server that nobody uses at the moment."""

    def __init__(self, server):
        server.wait_until_idle()
        pid = server.process.pid
        # The connection that asked for the metrics is gone once the server has seen its end.
        server.wait_for(lambda: int(server.metric("sambay:http_connections")) == 1, "all connections are closed")
        time.sleep(0.5)
        self.descriptors = len(os.listdir(f"/proc/{pid}/fd"))
        with open(f"/proc/{pid}/status") as f:
            self.resident = next(int(line.split()[1]) * KIB for line in f if line.startswith("VmRSS:"))

    def __str__(self):
        return f"{self.resident / MIB:.1f} MiB, {self.descriptors} descriptors"


def allowed_growth(requests):
    """Bytes that a server may be larger after so many requests than before.

    A leak is at least what a request leaves behind when its smallest object is forgotten: one malloc of a string or a map's
    node, 64 bytes; half of that for every request is therefore a leak. Below that is what malloc keeps for itself: up to its
    trim threshold (128 KiB) in each arena, one for each thread that allocates (server, two workers, engine, signal), and the
    same again for holes between what stays.
    """
    threads = 5
    return 32 * requests + 2 * threads * 128 * KIB


# ---- a thousand streams ----------------------------------------------------------------------------------------------------------


@check
def a_thousand_streams_are_open_at_once_and_all_answered():
    streams, places = 1000, 8
    s = Server("--max-queue", str(streams), "--parallel", str(places), "--prefix-cache", "64M")
    try:
        asyncio.run(open_and_answer(s, streams, places))
        assert s.metric("sambay:requests_refused_total") == 0
    finally:
        assert s.stop() == 0


async def open_and_answer(s, streams, places):
    """The first ones hold all places until everybody is there: their 2,500 tokens take longer than to open the others."""
    opened = ended = comments = 0
    everybody = asyncio.Event()

    async def ask(i):
        nonlocal opened, ended, comments
        body = chat(max_tokens=2500 if i < places else 4, ignore_eos=True)
        if i >= places:
            await places_taken.wait()
        stream = Stream(s.port, CHAT, body)
        began = time.monotonic()
        await stream.open()
        assert await stream.head() == 200
        opened += 1
        if opened == streams:
            everybody.set()
        silent = time.monotonic()
        while (data := await stream.piece()).startswith(b":"):
            pass
        waited = time.monotonic() - silent
        # One for every five seconds of silence; twice that, since whoever is busy is late.
        assert stream.comments >= waited // (2 * COMMENT_SECONDS), (i, waited, stream.comments)
        out = data + await stream.rest()
        assert out.endswith(b"data: [DONE]\n\n"), out[-200:]  # maybe all of it in one piece
        assert everybody.is_set(), f"stream {i} ended after {time.monotonic() - began:.1f} s, before all were open"
        ended += 1
        comments += stream.comments
        stream.leave()

    places_taken = asyncio.Event()
    tasks = [asyncio.create_task(ask(i)) for i in range(streams)]
    while s.metric("sambay:num_requests_running") < places:
        await asyncio.sleep(0.02)
    places_taken.set()
    await asyncio.gather(*tasks)
    assert (opened, ended) == (streams, streams)
    print(f"        {comments} keep-alive comments")


# ---- clients that leave ---------------------------------------------------------------------------------------------------------


LEAVING = 12  # at once
LONG = [{"role": "user", "content": "What is 12 + 30? " * 60}]  # some steps of reading


async def leave_in_queue(s):
    stream = Stream(s.port, CHAT, chat(max_tokens=3000, ignore_eos=True))
    await stream.open()
    await stream.head()
    stream.leave()


async def leave_while_reading(s):
    stream = Stream(s.port, CHAT, {**chat(max_tokens=3000, ignore_eos=True), "messages": LONG, "cache_prompt": False})
    await stream.open()
    await stream.head()
    stream.leave(hard=True)


async def leave_while_answering(s):
    stream = Stream(s.port, CHAT, chat(max_tokens=3000, ignore_eos=True))
    await stream.open()
    await stream.head()
    while (await stream.piece()).startswith(b":"):
        pass
    stream.leave()


async def leave_without_reading(s):
    stream = Stream(s.port, CHAT, {**chat(max_tokens=3000, ignore_eos=True), "stream": False})
    await stream.open()
    await asyncio.sleep(random.random() / 20)
    stream.leave(hard=True)


async def leave_within_the_body(s):
    stream = Stream(s.port, CHAT, chat(max_tokens=50))
    await stream.open(cut=-10)
    stream.leave()


async def leave_within_the_head(s):
    stream = Stream(s.port, CHAT, chat(max_tokens=50))
    await stream.open(cut=40)
    stream.leave(hard=True)


async def leave_several_answers(s):
    stream = Stream(s.port, CHAT, chat(max_tokens=3000, ignore_eos=True, n=2))
    await stream.open()
    await stream.head()
    await stream.piece()
    stream.leave(hard=True)


LEAVERS = [leave_in_queue, leave_while_reading, leave_while_answering, leave_without_reading, leave_within_the_body,
           leave_within_the_head, leave_several_answers]


@check
def whoever_leaves_in_any_phase_frees_the_place_and_changes_no_neighbours_text():
    s = Server("--parallel", "4", "--max-queue", "256", "--prefix-cache", "64M")
    neighbour = chat(max_tokens=200, ignore_eos=True, temperature=1.2, seed=7)

    async def both(leaver):
        kept = asyncio.create_task(whole(s.port, CHAT, neighbour))
        await asyncio.gather(*(leaver(s) for _ in range(LEAVING)))
        return await kept

    try:
        status, alone = asyncio.run(whole(s.port, CHAT, neighbour))
        assert status == 200
        generated = lambda: s.metric("sambay:generation_tokens_total")
        for leaver in LEAVERS:
            before = generated()
            status, beside = asyncio.run(both(leaver))
            assert status == 200 and text_of(beside) == text_of(alone), leaver.__name__
            s.wait_until_idle()
            # Each of those that left had 3,000 tokens to go, or had not asked yet.
            spent = generated() - before - 200
            assert spent < LEAVING * 3000 / 2, (leaver.__name__, spent)
        assert s.metric("sambay:clients_left_total") >= LEAVING * 5
    finally:
        assert s.stop() == 0


# ---- everything at once ----------------------------------------------------------------------------------------------------------


async def answered(s, rng):
    status, out = await whole(s.port, CHAT, chat(temperature=0))
    assert status == 200 and text_of(out) == "42", out[-300:]


async def answered_whole(s, rng):
    status, out = await whole(s.port, CHAT, {**chat(temperature=0, seed=rng.randrange(1000)), "stream": False})
    assert status == 200 and json.loads(out)["choices"][0]["message"]["content"] == "42", out


async def short(s, rng):
    body = {"prompt": f"{rng.randrange(1000)} + {rng.randrange(1000)}", "max_tokens": rng.randrange(1, 9), "stream": rng.random() < 0.5,
            "n": rng.randrange(1, 3)}
    status, out = await whole(s.port, "/v1/completions", body)
    assert status == 200, out


async def embedded(s, rng):
    status, out = await whole(s.port, "/v1/embeddings", {"input": [f"number {rng.randrange(100)}", "b"]})
    assert status == 200 and len(json.loads(out)["data"]) == 2, out


async def tokenized(s, rng):
    status, out = await whole(s.port, "/tokenize", {"content": "word " * rng.randrange(1, 500)})
    assert status == 200, out


async def looked_at(s, rng):
    status, _ = await whole(s.port, rng.choice(["/metrics", "/slots", "/health", "/props", "/v1/models"]), b"", "GET")
    assert status == 200


async def bad(s, rng):
    path, body, expected = rng.choice([
        (CHAT, b"{\"messages\": [", 400), (CHAT, {"messages": "no"}, 400), (CHAT, chat(temperature=9), 400), (CHAT, {}, 400),
        (CHAT, {"messages": [{"role": "user", "content": "a " * 9000}]}, 400), ("/v1/completions", {"prompt": [10**9]}, 400),
        ("/v1/nothing", {}, 404), ("/v1/embeddings", {"input": []}, 400), ("/health", {}, 405)])
    status, out = await whole(s.port, path, body)
    assert status == expected and b"error" in out, (path, body, status, out)


KINDS = [answered, answered_whole, short, embedded, tokenized, looked_at, bad]


async def mixed(s, seconds, clients=CLIENTS, seed=1):
    """How many requests were made."""
    until, count = time.monotonic() + seconds, 0

    async def client(i):
        nonlocal count
        rng = random.Random(seed * 1000 + i)
        while time.monotonic() < until:
            if rng.random() < 0.35:
                await rng.choice(LEAVERS)(s)
            else:
                await rng.choice(KINDS)(s, rng)
            count += 1

    await asyncio.gather(*(client(i) for i in range(clients)))
    return count


def mix(seconds, warm_up):
    """Small pools, so that the warm-up has used all of them and only leaks can grow."""
    s = Server("--max-queue", "256", "--parallel", "4", "-c", "1024", "--prefix-cache", "16M")
    try:
        asyncio.run(mixed(s, warm_up))
        before = Footprint(s)
        count = asyncio.run(mixed(s, seconds, seed=2))
        after = Footprint(s)
        print(f"        {count} requests of {CLIENTS} clients; before: {before}; after: {after}", flush=True)
        assert after.descriptors == before.descriptors, (before.descriptors, after.descriptors)
        if "TSAN_OPTIONS" not in os.environ:  # most of what is resident is then the sanitizer's, which remembers every thread
            assert after.resident - before.resident <= allowed_growth(count), f"{before} to {after} with {count} requests"
        assert s.metric("sambay:requests_refused_total") == 0
    finally:
        status = s.stop()
        texts = "".join(e["text"] for e in s.log if e["event"] == "text")  # a sanitizer's report, for one
        print(texts[:8000], end="", flush=True)
    assert status == 0 and not texts, status


@check
def sixty_four_clients_mix_everything_and_nothing_leaks():
    mix(seconds=20, warm_up=10)


# ---- by itself -------------------------------------------------------------------------------------------------------------------


def bench(s, *flags):
    done = subprocess.run([PROGRAM, "bench", "serve", "--url", f"http://127.0.0.1:{s.port}", "--json", *flags], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def tiny(count):
    """Requests of one token, a tenth of them to warm up."""
    s = Server("--max-queue", "256", "--parallel", "8", "-c", "256", "--prefix-cache", "16M")
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as prompts:
        prompts.writelines(json.dumps({"prompt": f"{i} +", "max_tokens": 1}) + "\n" for i in range(10_000))
        prompts.flush()
        ask = lambda n: bench(s, "--prompts", prompts.name, "--requests", str(n), "--concurrency", "16")
        try:
            ask(count // 10)
            before = Footprint(s)
            row = ask(count - count // 10)
            after = Footprint(s)
        finally:
            status = s.stop()
    print(f"{row['good']} requests, {row['requests_per_s']:.0f}/s; before: {before}; after: {after}", flush=True)
    assert status == 0 and row["good"] == row["requests"], row
    assert after.descriptors == before.descriptors
    assert after.resident - before.resident <= allowed_growth(row["requests"]), f"{before} to {after}"


ATTACKS = {"slow headers": ["-H"], "slow bodies": ["-B", "-s", "8192"], "slow reading": ["-X", "-w", "10", "-y", "20", "-n", "5", "-z", "32"]}


def slow():
    """Medians of the time to the first token, with a thousand slow connections and without."""
    s = Server("--max-queue", "256", "--parallel", "4")
    ask = lambda: bench(s, "--requests", "60", "--concurrency", "1", "-p", "64", "-n", "4", "--seed", str(time.monotonic_ns()))
    attack = None
    worst = 0.0
    try:
        ask()
        before = ask()["first_token_ms"]["p50"]
        for name, flags in ATTACKS.items():
            path = "/" if "-X" in flags else CHAT
            attack = subprocess.Popen(["slowhttptest", *flags, "-c", "1000", "-r", "500", "-i", "2", "-l", "25", "-x", "24", "-p", "3",
                                       "-u", f"http://127.0.0.1:{s.port}{path}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            s.wait_for(lambda: s.metric("sambay:http_connections") > 500, f"{name}: five hundred slow connections")
            held = s.metric("sambay:http_connections")
            during = ask()["first_token_ms"]["p50"]
            print(f"{name}: {held:.0f} connections, first token {during:.1f} ms, {before:.1f} ms without", flush=True)
            worst = max(worst, during / before)
            attack.wait(120)
    finally:
        if attack and attack.poll() is None:
            attack.kill()
        status = s.stop()
    assert status == 0 and worst < 2, worst


if __name__ == "__main__":
    what, number = sys.argv[2], float(sys.argv[3]) if len(sys.argv) > 3 else 0
    if what == "mix":
        mix(number, min(30, number / 3))
    elif what == "tiny":
        tiny(int(number))
    elif what == "slow":
        slow()
    else:
        sys.exit(__doc__)
