"""The door: keys, limits, hosts, origins, connections, drain, log."""
import http.client, json, os, signal, socket, ssl, subprocess, tempfile, threading, time

from abuse_checks import HOST, status_of, strict
from server_harness import QUESTION, Answer, PROGRAM, Server, all_logs, check, events_of, server

SCRATCH = tempfile.TemporaryDirectory(prefix="sambay-server-")


def path_of(name, content):
    path = os.path.join(SCRATCH.name, name)
    with open(path, "w") as f:
        f.write(content)
    return path


# ---- keys and limits ---------------------------------------------------------------------------------------------------


@check
def keys_are_needed_where_there_are_keys():
    s = server("--api-key", "alpha,beta")
    for headers, status in (({}, 401), ({"Authorization": "Bearer wrong"}, 401), ({"Authorization": "Bearer alpha"}, 200),
                            ({"X-Api-Key": "beta"}, 200), ({"Authorization": "alpha"}, 401)):
        answer = s.post("/v1/chat/completions", {"messages": QUESTION, "max_tokens": 1}, headers)
        assert answer.status == status, (headers, answer.body)
        if status == 401:
            assert answer.error["code"] == "invalid_api_key" and answer.error["type"] == "authentication_error"
    assert s.get("/health").status == 200 and s.get("/v1/models").status == 200
    assert s.get("/metrics").status == 401 and s.get("/slots").status == 401


@check
def hangup_reads_the_key_file_again():
    path = path_of("keys", "one name=first\n")
    s = Server("--api-key-file", path)
    try:
        ask = lambda key: s.post("/tokenize", {"content": "a"}, {"Authorization": f"Bearer {key}"}).status
        assert (ask("one"), ask("two")) == (200, 401)
        path_of("keys", "two\n")
        s.process.send_signal(signal.SIGHUP)
        s.wait_for(lambda: ask("two") == 200, "the new key works")
        assert ask("one") == 401
        path_of("keys", "three rpm=x\n")
        s.process.send_signal(signal.SIGHUP)
        s.wait_for(lambda: any(e["event"] == "keys_not_reloaded" for e in s.log), "the bad file is in the log")
        assert ask("two") == 200
        assert not any("three" in json.dumps(e) for e in s.log)
    finally:
        s.stop()


@check
def rate_limits_say_when_to_come_back():
    s = server("--rate-requests", "2")
    answers = [s.post("/tokenize", {"content": "a"}) for _ in range(3)]
    assert [a.status for a in answers] == [200, 200, 429]
    assert answers[0].headers["x-ratelimit-limit-requests"] == "2"
    assert answers[0].headers["x-ratelimit-remaining-requests"] == "1"
    assert answers[2].error["code"] == "rate_limit_exceeded" and 1 <= int(answers[2].headers["retry-after"]) <= 30
    tokens = server("--rate-tokens", "15")
    assert tokens.chat(max_tokens=40).status == 200
    answer = tokens.chat(max_tokens=1)
    assert answer.status == 429 and answer.error["type"] == "tokens"


@check
def a_full_queue_is_429():
    s = server("--parallel", "1", "--max-queue", "1")
    statuses = []
    ask = lambda: statuses.append(s.chat(max_tokens=400, ignore_eos=True).status)
    threads = [threading.Thread(target=ask) for _ in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert set(statuses) == {200, 429} and statuses.count(200) >= 2, statuses


@check
def a_list_longer_than_the_queue_is_taken_when_there_is_room_for_one():
    s = server("--parallel", "1", "--max-queue", "1")
    s.wait_until_idle()
    answer = s.post("/v1/embeddings", {"input": [f"text {i}" for i in range(40)]})
    assert answer.status == 200 and len(answer.json["data"]) == 40, answer.body[:300]


@check
def other_addresses_need_a_key():
    done = subprocess.run([PROGRAM, "serve", "--host", "0.0.0.0", "--port", "0"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "--insecure" in done.stderr, done.stderr


# ---- hosts and origins ---------------------------------------------------------------------------------------------------


@check
def foreign_hosts_and_origins_are_refused():
    s = strict()
    get = lambda **headers: s.request("GET", "/v1/models", headers={k.replace("_", "-"): v for k, v in headers.items()})
    assert get(Host="evil.example").error["code"] == "host_not_allowed"
    assert get(Host=f"localhost:{s.port}").status == 200
    assert get(Origin="http://evil.example").error["code"] == "origin_not_allowed"
    assert get(Origin="null").status == 403
    allowed = get(Origin="http://localhost:3000")
    assert allowed.status == 200 and allowed.headers["access-control-allow-origin"] == "http://localhost:3000"
    # What a browser sends without asking first must not get through either.
    answer = s.request("POST", "/v1/chat/completions", {"messages": QUESTION},
                       {"Origin": "http://evil.example", "Content-Type": "text/plain"})
    assert answer.status == 403
    # The last one is what OpenAI's .stream() for JavaScript adds to the headers of all its requests.
    wanted = "authorization,content-type,x-stainless-helper-method"
    preflight = s.request("OPTIONS", "/v1/chat/completions", headers={
        "Origin": "http://localhost:3000", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": wanted})
    assert preflight.status == 200 and "POST" in preflight.headers["access-control-allow-methods"]
    assert preflight.headers["access-control-allow-headers"] == wanted
    assert {"x-request-id", "retry-after", "x-ratelimit-remaining-tokens"} <= set(allowed.headers["access-control-expose-headers"].split(", "))
    preflight = s.request("OPTIONS", "/v1/chat/completions", headers={"Origin": "http://evil.example", "Access-Control-Request-Headers": wanted})
    assert not any(name.startswith("access-control") for name in preflight.headers), preflight.headers


# ---- HTTP ------------------------------------------------------------------------------------------------------------------

@check
def a_request_behind_a_stream_waits_for_its_end():
    body = json.dumps({"messages": QUESTION, "temperature": 0, "stream": True}).encode()
    out = strict().raw(b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % len(body) + body +
                       b"GET /health HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
    assert out.index(b"[DONE]") < out.index(b'{"status":"ok"}')


@check
def keep_alive_serves_many_requests():
    connection = strict().connection()
    for i in range(5):
        for method, path, body in (("GET", "/health", None), ("POST", "/tokenize", b'{"content": "a"}'), ("HEAD", "/health", None),
                                   ("POST", "/v1/chat/completions", json.dumps({"messages": QUESTION, "max_tokens": 2, "stream": i % 2 == 0}).encode())):
            connection.request(method, path, body)
            response = connection.getresponse()
            assert response.status == 200, (path, response.read())
            response.read()
    connection.close()


@check
def an_idle_connection_ends_with_its_client():
    with socket.create_connection(("127.0.0.1", server("--max-queue", "256").port), timeout=5) as s:  # its time-outs are longer
        s.sendall(b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n")
        assert s.recv(1000).startswith(b"HTTP/1.1 200 ")
        s.shutdown(socket.SHUT_WR)
        assert s.recv(1000) == b"", "the server did not close"


@check
def expect_continue_is_answered_before_the_body():
    with socket.create_connection(("127.0.0.1", strict().port), timeout=20) as s:
        s.sendall(b"POST /tokenize HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: 16\r\n\r\n")
        assert s.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        s.sendall(b'{"content": "a"}')
        assert s.recv(1000).startswith(b"HTTP/1.1 200 ")
    key = server("--api-key", "alpha,beta")
    with socket.create_connection(("127.0.0.1", key.port), timeout=20) as s:  # a wrong key never gets to send it
        s.sendall(b"POST /tokenize HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: 16\r\n\r\n")
        assert s.recv(1000).startswith(b"HTTP/1.1 401 ")


@check
def connections_beyond_the_limit_are_turned_away():
    s = strict()
    held = []
    try:
        for _ in range(60):
            c = socket.create_connection(("127.0.0.1", s.port), timeout=20)
            held.append(c)
        time.sleep(0.3)
        held[-1].settimeout(5)
        assert held[-1].recv(1000).startswith(b"HTTP/1.1 503 ")
    finally:
        for c in held:
            c.close()
    def healthy():
        try:
            return s.get("/health").status == 200
        except (OSError, http.client.HTTPException):
            return False
    s.wait_for(healthy, "connections come back")


# ---- leaving, stopping -------------------------------------------------------------------------------------------------------


@check
def a_client_that_leaves_frees_its_slot():
    s = server("--max-queue", "256")
    s.wait_until_idle()
    for stream in (True, False):
        body = json.dumps({"messages": QUESTION, "max_tokens": 60000, "ignore_eos": True, "stream": stream}).encode()
        with socket.create_connection(("127.0.0.1", s.port), timeout=20) as c:
            c.sendall(b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            if stream:
                assert c.recv(100)
            s.wait_for(lambda: s.metric("sambay:num_requests_running") == 1, "it runs")
        s.wait_until_idle()


@check
def terminate_lets_answers_end_and_takes_no_more():
    s = Server()
    answers = []
    body = {"messages": QUESTION, "max_tokens": 300, "ignore_eos": True, "stream": True}
    t = threading.Thread(target=lambda: answers.append(s.post("/v1/chat/completions", body)))
    t.start()
    s.wait_for(lambda: s.metric("sambay:num_requests_running") == 1, "it runs")
    with socket.create_connection(("127.0.0.1", s.port), timeout=20) as c:
        c.sendall(b"GET /ready HTTP/1.1\r\n" + HOST)
        time.sleep(0.3)  # that is read
        s.process.send_signal(signal.SIGTERM)
        s.wait_for(lambda: any(e["event"] == "draining" for e in s.log), "draining")
        c.sendall(b"\r\n")
        out = c.recv(10000)
        assert out.startswith(b"HTTP/1.1 503 ") and b"server_stopping" in out and b"Connection: close" in out, out
    try:
        socket.create_connection(("127.0.0.1", s.port), timeout=20).close()
        raise AssertionError("a new connection was taken")
    except ConnectionRefusedError:
        pass
    t.join(60)
    assert events_of(answers[0].body)[-1] == "[DONE]"
    assert s.process.wait(60) == 0


@check
def answers_that_do_not_end_are_cut_off_with_an_error():
    s = Server("--drain", "0.3")
    answers = []
    body = {"messages": QUESTION, "ignore_eos": True, "stream": True}
    t = threading.Thread(target=lambda: answers.append(s.post("/v1/chat/completions", body)))
    t.start()
    s.wait_for(lambda: s.metric("sambay:num_requests_running") == 1, "it runs")
    started = time.monotonic()
    assert s.stop() == 0 and time.monotonic() - started < 20
    t.join(30)
    last = events_of(answers[0].body)[-1]
    assert last != "[DONE]" and last["error"]["code"] == "server_stopping", last


@check
def tls_serves_the_same():
    key, cert = os.path.join(SCRATCH.name, "key.pem"), os.path.join(SCRATCH.name, "cert.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", cert],
                   check=True, capture_output=True)
    s = server("--ssl-cert-file", cert, "--ssl-key-file", key)
    connection = http.client.HTTPSConnection("localhost", s.port, timeout=60, context=ssl.create_default_context(cafile=cert))
    for stream in (False, True, False, True):  # on one connection
        connection.request("POST", "/v1/chat/completions",
                           json.dumps({"messages": QUESTION, "temperature": 0, "stream": stream}))
        response = connection.getresponse()
        answer = Answer(response.status, response.getheaders(), response.read())
        assert answer.status == 200
        if stream:
            assert events_of(answer.body)[-1] == "[DONE]"
        else:
            assert answer.json["choices"][0]["message"]["content"] == "42"
    connection.close()
    assert status_of(s.raw(b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n")) is None


@check
def the_log_is_json_without_texts():
    s = server("--max-queue", "256")
    answer = s.post("/v1/chat/completions", {"messages": [{"role": "user", "content": "xyzzy 12 + 30"}], "max_tokens": 5},
                    {"x-request-id": "mine-1"})
    assert answer.headers["x-request-id"] == "mine-1"
    s.wait_for(lambda: sum(e.get("id") == "mine-1" for e in s.log) >= 2, "its lines are in the log")
    line = next(e for e in s.log if e["event"] == "answer" and e["id"] == "mine-1")
    assert line["completion_tokens"] == 5 and line["prompt_tokens"] > 5
    assert not any(e["event"] == "text" for e in s.log), [e for e in s.log if e["event"] == "text"]
    assert not any("xyzzy" in json.dumps(e) or "alpha" in json.dumps(e) for e in all_logs())


@check
def llama_servers_flags_are_understood():
    s = Server("-np", "-1", "--top-k", "-1", "-ngl", "99", "-cb", "-fa", "on", "--jinja", "-c", "512", "--metrics", "--slots", "--alias", "mine", "-b", "64",
               "-ub", "32", "--temp", "0", "--no-webui", "--mlock")
    try:
        assert s.get("/v1/models").json["data"][0]["id"] == "mine"
        assert len(s.get("/slots").json) == 8
        params = s.get("/props").json["default_generation_settings"]["params"]
        assert params["temperature"] == params["top_k"] == 0
        assert s.get("/").status == 404
        notices = [e["text"] for e in s.log if e["event"] == "text"]
        assert sum("is ignored" in n for n in notices) == 5, notices
    finally:
        assert s.stop() == 0


@check
def llama_servers_flags_that_ask_for_what_is_not_there_say_what_is():
    for flags, says in ((["-hf", "a/b"], "huggingface-cli download"), (["--lora", "x"], "adapters"), (["--spec-type", "x"], "speculative"),
                        (["--chat-template-file", "x"], "--chat-template"), (["--mirostat=2"], "--temp"), (["--grammar", "x"], "not served yet"),
                        (["--mmproj", "x"], "text alone"), (["--pooling", "last"], "mean"), (["--no-such-flag"], "--no-such-flag")):
        done = subprocess.run([PROGRAM, "serve", "--port", "0", *flags], capture_output=True, text=True, timeout=60)
        assert done.returncode == 2 and done.stderr.count("\n") == 1 and says in done.stderr, (flags, done.stderr)


@check
def flags_that_would_fail_every_request_or_open_the_door_are_refused_at_the_start():
    for flags in (["--temp", "-1", "-t", "-1"], ["--top-p", "2"], ["--min-p", "7"], ["--top-k", "-2"], ["--repeat-penalty", "0"], ["--repeat-last-n", "-2"],
                  ["--presence-penalty", "9"], ["--frequency-penalty", "-3"], ["--max-body", "0"], ["--max-body", "-5"],
                  ["--api-key", ""], ["--api-key", ","], ["--api-key", "#x"], ["--api-key", " "], ["--api-key-file", ""], ["--ssl-cert-file", ""]):
        done = subprocess.run([PROGRAM, "serve", "--port", "0", "--allowed-host", "x", *flags], capture_output=True, text=True, timeout=60)
        assert done.returncode == 2 and done.stderr.count("\n") == 1 and flags[0] in done.stderr, (flags, done.stderr)


@check
def a_model_has_several_names_and_tags():
    s = Server("--alias", "small,pocket", "--tags", "chat,tiny", "--no-cache-prompt")
    try:
        model = s.get("/v1/models").json["data"][0]
        assert (model["id"], model["aliases"], model["tags"]) == ("pocket", ["pocket", "small"], ["chat", "tiny"])
        assert s.get("/v1/models/small").status == 200
        usage = [s.chat(max_tokens=1).json["usage"]["prompt_tokens_details"]["cached_tokens"] for _ in range(2)]
        assert usage == [0, 0]
    finally:
        assert s.stop() == 0
