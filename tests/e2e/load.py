"""Checks of `sambay bench serve`, against the server in the program and against scripted ones; run_test.py runs them."""
import contextlib, csv, http.server, io, json, os, shutil, signal, subprocess, threading, time

from harness import PROGRAM, SCRATCH, check, refuses, run

PERCENTILES = ["mean", "p50", "p90", "p95", "p99", "max"]
SMALL = ["--requests", "4", "-p", "40", "-n", "3"]


def load(*args):
    """The results of a run as JSON objects."""
    status, out, err = run("bench", "serve", *args, "--json")
    assert status == 0 and err == "", (args, out, err)
    return [json.loads(line) for line in out.splitlines()]


class Scripted(http.server.BaseHTTPRequestHandler):
    """Answers the n-th generating request as server.script(n, body) says: a status, or a list of chunks and seconds to sleep."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        body = json.dumps({"data": [{"id": "scripted"}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            number = len(self.server.asked)
            self.server.asked.append((self.path, body, self.headers))
        answer = self.server.script(number, body)
        if isinstance(answer, int):
            self.send_response(answer)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        for part in answer:
            if isinstance(part, float):
                time.sleep(part)
            else:
                self.wfile.write(part if isinstance(part, bytes) else f"data: {part if isinstance(part, str) else json.dumps(part)}\n\n".encode())
                self.wfile.flush()


@contextlib.contextmanager
def scripted(script):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Scripted)
    server.daemon_threads, server.script, server.asked, server.lock = True, script, [], threading.Lock()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def delta(text, **more):
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}], **more}


def answer_of(body, *parts):
    """A whole answer; every word of the prompt counts as two tokens, and six stand around them."""
    words = sum(len(m["content"].split()) for m in body["messages"])
    return [*parts, {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
            {"choices": [], "usage": {"prompt_tokens": 6 + 2 * words, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 5}}}, "[DONE]"]


@check
def load_on_the_program_itself_reports_the_documented_fields():
    rows = load(*SMALL, "--concurrency", "1,3", "--rate", "50")
    assert [(r["concurrency"], r["rate"]) for r in rows] == [(1, None), (3, None), (None, 50)], rows
    for r in rows:
        assert list(r) == ["server", "model", "concurrency", "rate", "turn", "cold", "requests", "good", "errors", "seconds", "requests_per_s",
                           "output_tokens_per_s", "prompt_tokens_per_s", "prompt_tokens", "cached_tokens", "completion_tokens", "peak_open", "comments",
                           "first_token_ms", "between_tokens_ms", "whole_ms"], list(r)
        assert r["server"] == "in-process" and r["model"] == "sambay-pocket" and r["requests"] == r["good"] == 4 and r["errors"] == {}
        assert r["completion_tokens"] == 3 and abs(r["prompt_tokens"] - 40) <= 8, r
        assert abs(r["output_tokens_per_s"] * r["seconds"] - 12) < 1e-6 and abs(r["requests_per_s"] * r["seconds"] - 4) < 1e-6
        for name in ("first_token_ms", "whole_ms"):
            p = r[name]
            assert list(p) == PERCENTILES and 0 < p["p50"] <= p["p90"] <= p["p95"] <= p["p99"] <= p["max"], p
        assert r["first_token_ms"]["max"] <= r["whole_ms"]["max"]
    assert rows[0]["peak_open"] == 1 and rows[1]["peak_open"] == 3
    status, out, _ = run("bench", "serve", *SMALL)
    assert status == 0 and "concurrency 8" in out and "to the first token" in out and "4 of 4 requests good" in out, out


@check
def load_with_synthetic_weights_asks_with_token_ids():
    rows = load("--synthetic", "small", "--type", "q4_0", "--requests", "3", "-p", "20", "-n", "4", "--concurrency", "2", "-c", "256", "--parallel", "2")
    assert rows[0]["good"] == 3 and rows[0]["prompt_tokens"] == 20 and rows[0]["completion_tokens"] == 4, rows
    assert rows[0]["model"] == "synthetic:small:q4_0" and rows[0]["between_tokens_ms"] is not None


@check
def load_shows_what_the_prefix_cache_saves():
    first, second, cold = load("--turns", "2", "--cold", "--requests", "2", "--concurrency", "1", "-p", "600", "-n", "20", "--turn-tokens", "20")
    assert (first["turn"], first["cold"], second["turn"], second["cold"], cold["turn"], cold["cold"]) == (1, False, 2, False, 2, True)
    # The second turn reads what follows the first prompt only; the cold one finds nothing but the template's beginning.
    assert second["cached_tokens"] >= first["prompt_tokens"] - 1 and cold["cached_tokens"] < 32, (first, second, cold)
    assert abs(cold["prompt_tokens"] - second["prompt_tokens"]) < 0.1 * second["prompt_tokens"], (second, cold)
    shared = load("--shared-tokens", "300", "-p", "340", "--requests", "4", "--concurrency", "1", "-n", "2")[0]
    assert shared["cached_tokens"] > 0.5 * 300, shared


@check
def load_counts_what_goes_wrong_by_its_kind():
    kinds = {2: 429, 3: 503, 4: [delta("a")], 5: [delta("a"), {"error": {"message": "no"}}], 6: ["{"], 8: [delta("a"), 1.5, delta("b")]}
    script = lambda n, body: kinds.get(n) or answer_of(body, delta("a"), delta("b"))
    with scripted(script) as server:
        row = load("--url", server.url + "/v1/", "--requests", "8", "--concurrency", "1", "--timeout", "1")[0]
    assert row["errors"] == {"429": 1, "503": 1, "no end": 1, "error event": 1, "unreadable event": 1, "timeout": 1}, row
    assert row["requests"] == 8 and row["good"] == 2 and row["model"] == "scripted", row
    status, out, _ = run("bench", "serve", "--url", server.url, *SMALL)
    assert status == 5, out  # it is gone


@check
def load_measures_times_and_tokens_as_they_come():
    script = lambda n, body: answer_of(body, b": keep-alive\n\n", 0.2, delta("a"), 0.1, delta("", x=1), delta("b"), 0.1, delta("c"))
    with scripted(script) as server:
        row = load("--url", server.url, "--requests", "3", "--concurrency", "3", "-p", "100", "-n", "9", "--temperature", "0.5", "--seed", "4")[0]
    # A sleep may be longer than asked for, never shorter.
    assert row["first_token_ms"]["p50"] >= 199 and row["between_tokens_ms"]["p50"] >= 99 and row["whole_ms"]["p50"] >= 399, row
    assert row["completion_tokens"] == 7 and row["cached_tokens"] == 5 and row["comments"] == 3 and row["peak_open"] == 3
    assert row["prompt_tokens"] == 100, row  # two words for a token, and six around: measured before
    path, body, headers = server.asked[-1]
    assert path == "/v1/chat/completions" and headers["Host"] == server.url[7:]
    assert body["model"] == "scripted" and body["stream"] and body["stream_options"] == {"include_usage": True} and body["max_tokens"] == 9
    assert body["temperature"] == 0.5 and body["ignore_eos"]
    assert len({json.dumps(b["messages"]) for _, b, _ in server.asked}) == len(server.asked), "each prompt is another"


@check
def load_takes_prompts_of_a_file():
    path = os.path.join(SCRATCH, "prompts.jsonl")
    with open(path, "w") as f:
        f.write('{"messages": [{"role": "user", "content": "hello"}], "max_tokens": 2}\n\n{"messages": [{"role": "user", "content": "you"}]}\n')
    with scripted(lambda n, body: answer_of(body, delta("a"))) as server:
        rows = load("--url", server.url, "--prompts", path, "--requests", "3", "--concurrency", "1", "-n", "5", "--no-ignore-eos", "--api-key", "secret",
                    "--model-name", "mine")
        assert rows[0]["model"] == "mine" and rows[0]["good"] == 3
        asked = [(b["messages"][0]["content"], b["max_tokens"], "ignore_eos" in b, h["Authorization"]) for _, b, h in server.asked]
        assert asked == [("hello", 2, False, "Bearer secret"), ("you", 5, False, "Bearer secret"), ("hello", 2, False, "Bearer secret")], asked
        with open(path, "a") as f:
            f.write("{}\n")
        refuses(3, "bench", "serve", "--url", server.url, "--prompts", path, says="line 4")


@check
def load_of_an_open_loop_does_not_wait_for_answers():
    with scripted(lambda n, body: answer_of(body, 0.5, delta("a"))) as server:
        row = load("--url", server.url, "--rate", "200", "--requests", "20", "-p", "20")[0]
    assert row["good"] == 20 and row["peak_open"] > 4, row


@check
def load_stops_beginning_after_its_seconds():
    with scripted(lambda n, body: answer_of(body, 0.05, delta("a"))) as server:
        row = load("--url", server.url, "--seconds", "1", "--concurrency", "2", "-p", "20")[0]
    assert 1 <= row["seconds"] and 2 <= row["requests"] <= 2 * (1 / 0.05 + 1), row


@check
def load_csv_has_the_same_rows():
    status, out, err = run("bench", "serve", *SMALL, "--concurrency", "1,2", "--csv")
    assert status == 0, err
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [r["concurrency"] for r in rows] == ["1", "2"] and all(float(r["first_token_ms_p99"]) > 0 and r["errors"] == "" for r in rows), out


@check
def load_speaks_tls_to_those_it_can_trust():
    if not shutil.which("openssl"):
        return
    cert, key = os.path.join(SCRATCH, "load-cert.pem"), os.path.join(SCRATCH, "load-key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost", "-keyout", key, "-out", cert], check=True, capture_output=True)
    server = subprocess.Popen([PROGRAM, "serve", "--port", "0", "--ssl-cert-file", cert, "--ssl-key-file", key], stderr=subprocess.PIPE, text=True)
    try:
        port = next(json.loads(line)["port"] for line in server.stderr if '"listening"' in line)
        threading.Thread(target=server.stderr.read, daemon=True).start()
        assert load("--url", f"https://localhost:{port}", "--ca-file", cert, *SMALL)[0]["good"] == 4
        refuses(5, "bench", "serve", "--url", f"https://localhost:{port}", *SMALL, says="tls")
        refuses(5, "bench", "serve", "--url", f"http://localhost:{port}", *SMALL, says="closed")
    finally:
        server.terminate()
        server.wait(30)


@check
def load_ends_at_an_interrupt():
    with scripted(lambda n, body: answer_of(body, delta("a"), *([30.0] if n > 2 else []))) as server:
        process = subprocess.Popen([PROGRAM, "bench", "serve", "--url", server.url, "--rate", "0.001,20", "--requests", "5"], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130, (process.returncode, err)


@check
def load_refuses_what_cannot_be_run():
    url = ["--url", "http://127.0.0.1:9"]
    for args, status, says in (([*url, "--concurrency", "0"], 2, "--concurrency 0"), (["--concurrency", "1,x"], 2, "--concurrency 1,x"),
                               (["--rate", "0"], 2, "--rate 0"), (["--rate", "1,,2"], 2, "--rate"), (["--rate", "nan"], 2, "--rate"),
                               (["--requests", "0"], 2, "--requests"), (["--seconds", "-1"], 2, "--seconds"), (["--url", "localhost:80"], 2, "--url localhost:80"),
                               (["--url", "http://h:99999"], 2, "port"), ([*url, "-m", "x"], 2, "--url"), ([*url, "--synthetic", "small"], 2, "--url"),
                               (["--synthetic", "large"], 2, "large"), (["--type", "q4_0"], 2, "--synthetic"), (["--api", "responses"], 2, "--api"),
                               ([*url, "--token-ids", "5"], 2, "--api completions"), (["--shared-tokens", "256"], 2, "--shared-tokens"),
                               ([*url, "--prompts", "/no/such/file"], 3, "/no/such/file"), (["--json", "--csv"], 2, "--"), (["--kv", "q4_0"], 2, "--kv"),
                               (["-m", "/no/such/model"], 3, "/no/such/model"), (["-c", "9999999"], 2, "-c"), ([*url, "--api-key", "a\nb"], 2, "--api-key"),
                               (url, 5, "127.0.0.1:9"), (["--url", "http://no-such-host.invalid"], 5, "no-such-host.invalid"),
                               (["--memory", "1M"], 4, "--memory"), (["--synthetic", "phi4-mini-flash", "--type", "q4_k_m", "--memory", "1G"], 4, "--memory")):
        refuses(status, "bench", "serve", *args, says=says)
