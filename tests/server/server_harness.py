"""What the server's checks share: a program on loopback, requests, raw sockets, the schemas. Standard library; the schemas need jsonschema and yaml."""
import collections, contextlib, http.client, json, os, re, signal, socket, subprocess, sys, threading, time

PROGRAM = os.path.abspath(sys.argv[1])
HERE = os.path.dirname(os.path.abspath(__file__))
CHECKS = []
QUESTION = [{"role": "user", "content": "What is 12 + 30?"}]


def check(function):
    CHECKS.append(function)
    return function


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, {k.lower(): v for k, v in headers}, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        """The error's members, after checking its form."""
        valid("ErrorResponse", self.json)
        assert "x-request-id" in self.headers, self.headers
        return self.json["error"]


class Server:
    """`sambay serve` on a free port, and ways to talk to it."""

    def __init__(self, *flags, env=None):
        self.process = subprocess.Popen([PROGRAM, "serve", "--port", "0", "--threads", "1", *flags], stderr=subprocess.PIPE, text=True,
                                        env={**os.environ, **(env or {})})
        self.log, self.port = [], None
        self.ready = threading.Event()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        if not self.ready.wait(120) or self.port is None:
            self.process.kill()
            raise AssertionError(f"the server did not start: {self.log}")

    def _read(self):
        for line in self.process.stderr:
            try:
                entry = json.loads(line)
            except ValueError:
                entry = {"event": "text", "text": line}
            self.log.append(entry)
            if entry["event"] == "listening":
                self.port = entry["port"]
                self.ready.set()
        self.ready.set()

    def stop(self, signal_=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(signal_)
        try:
            status = self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = "none: it did not stop in 60 s"
        self.reader.join(10)
        return status

    def connection(self, timeout=60):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def request(self, method, path, body=None, headers=None):
        connection = self.connection()
        try:
            data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
            connection.request(method, path, data, {"Content-Type": "application/json", **(headers or {})})
            response = connection.getresponse()
            answer = Answer(response.status, response.getheaders(), response.read())
        finally:
            connection.close()
        audit(method, path, answer)
        return answer

    def get(self, path, **headers):
        return self.request("GET", path, headers=headers)

    def post(self, path, body, headers=None):
        return self.request("POST", path, body, headers)

    def chat(self, **fields):
        return self.post("/v1/chat/completions", {"messages": QUESTION, **fields})

    def stream(self, path, body):
        """The data of a stream, as JSON; the end mark stays a string."""
        answer = self.post(path, {**body, "stream": True})
        assert answer.status == 200, answer.body
        assert answer.headers["content-type"].startswith("text/event-stream"), answer.headers
        return events_of(answer.body)

    def raw(self, data, timeout=30, shut=False):
        """Everything that comes back for these bytes until the server closes; b"" if it only closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as s:
            s.sendall(data)
            if shut:
                s.shutdown(socket.SHUT_WR)
            out = b""
            with contextlib.suppress(ConnectionResetError):
                while piece := s.recv(65536):
                    out += piece
            return out

    def metric(self, name):
        """The sum over a metric's lines."""
        total, found = 0.0, False
        for line in self.get("/metrics").body.decode().splitlines():
            if line.startswith(name + "{"):
                total, found = total + float(line.rsplit(" ", 1)[1]), True
        assert found, name
        return total

    def wait_for(self, condition, what, seconds=30):
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"never: {what}"
            time.sleep(0.02)

    def wait_until_idle(self):
        self.wait_for(lambda: self.metric("sambay:num_requests_running") + self.metric("sambay:num_requests_waiting") == 0,
                      "nothing runs")


def events_of(body):
    events = []
    for block in body.decode("utf-8", "strict").split("\n\n"):
        for line in block.splitlines():
            if line.startswith("data: "):
                events.append("[DONE]" if line == "data: [DONE]" else json.loads(line[6:]))
            else:
                assert line.startswith(":"), line
    return events


with open(os.path.join(HERE, "openai_schemas.json"), encoding="utf-8") as f:
    SCHEMAS = json.load(f)
_validators = {}


def valid(name, value):
    """Fails unless `value` is what OpenAI's description calls `name`."""
    import jsonschema

    if name not in _validators:
        _validators[name] = jsonschema.Draft202012Validator({**SCHEMAS, "$ref": f"#/components/schemas/{name}"})
    faults = [f"{list(e.absolute_path)}: {e.message}" for e in _validators[name].iter_errors(value)]
    assert not faults, f"{name}: {faults[:3]} in {json.dumps(value)[:400]}"


# Of each route of OpenAI's: what its answer is, and a chunk of its stream.
OPENAI_ROUTES = {
    "/chat/completions": ("CreateChatCompletionResponse", "CreateChatCompletionStreamResponse"),
    "/completions": ("CreateCompletionResponse", "completion chunk"),
    "/embeddings": ("CreateEmbeddingResponse", None),
    "/models": ("ListModelsResponse", None),
    "/models/*": ("Model", None),
}
AUDITED = collections.Counter()  # how many of each were validated


def as_described(name, value):
    """The answer without what OpenAI's servers do and its description leaves out."""
    if name == "CreateEmbeddingResponse":  # base64 is a string
        data = [{**d, "embedding": [0.0]} if isinstance(d["embedding"], str) else d for d in value["data"]]
        return {**value, "data": data}
    if name != "CreateCompletionResponse":
        return value
    choices = []
    for choice in value["choices"]:
        choice = dict(choice)
        logprobs = choice["logprobs"]
        if logprobs and logprobs["token_logprobs"] and logprobs["token_logprobs"][0] is None:  # nothing predicts an echoed prompt's first token
            choice["logprobs"] = {**logprobs, "token_logprobs": [0.0] + logprobs["token_logprobs"][1:],
                                  "top_logprobs": logprobs["top_logprobs"] and [{}] + logprobs["top_logprobs"][1:]}
        choices.append(choice)
    return {**value, "choices": choices}


def valid_chunk(name, event):
    if name == "completion chunk":  # described as the whole answer, whose choices have all ended
        choices = [{**c, "finish_reason": c["finish_reason"] or "stop"} for c in event["choices"]]
        name, event = "CreateCompletionResponse", {**event, "choices": choices}
    valid(name, as_described(name, event))


def strictly(schema):
    """The schema without room for members that it does not name."""
    if isinstance(schema, list):
        return [strictly(s) for s in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: strictly(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and "allOf" not in schema:
        schema.setdefault("additionalProperties", False)
    return schema


def load_description():
    """docs/openapi.yaml, and the same for answers that have nothing that it does not name."""
    import yaml

    with open(os.path.join(HERE, "..", "..", "docs", "openapi.yaml"), encoding="utf-8") as f:
        description = yaml.safe_load(f)
    answers = {"components": {"schemas": strictly(description["components"]["schemas"])}}
    return description, answers


DESCRIPTION, DESCRIBED_ANSWERS = load_description()
OF_ANY_PATH = {403, 404, 405, 408, 413, 415, 417, 431, 500, 501, 503}  # as its introduction says


def operation(method, path):
    """What docs/openapi.yaml has for a request, or None."""
    route = path.split("?")[0].removeprefix("/v1")
    for template, methods in DESCRIPTION["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]*", template.removeprefix("/v1")), route):
            return methods.get(method.lower())
    return None


def as_documented(method, path, answer, cut):
    """Fails unless the answer is one that docs/openapi.yaml describes for this request."""
    import jsonschema

    described = operation(method, path)
    if described is None:
        assert answer.status in OF_ANY_PATH, f"{method} {path} is answered with {answer.status} and not described"
        return
    responses = {int(status): response for status, response in described["responses"].items()}
    if answer.status not in responses:
        assert answer.status in OF_ANY_PATH, f"{method} {path}: status {answer.status} is not described"
        return
    response = responses[answer.status]
    if "$ref" in response:
        response = DESCRIPTION["components"]["responses"][response["$ref"].rsplit("/", 1)[1]]
    kind = answer.headers["content-type"].split(";")[0]
    assert kind in response["content"], f"{method} {path}: {kind} is not described"
    if not kind.endswith("json") and kind != "text/event-stream":
        return
    validator = jsonschema.Draft202012Validator({**DESCRIBED_ANSWERS, **strictly(response["content"][kind]["schema"])})
    if kind.endswith("json"):
        bodies = [] if cut else [answer.json]
    else:
        events = events_of(answer.body[:answer.body.rfind(b"\n\n") + 2] if cut else answer.body)
        bodies = [event for event in events if event != "[DONE]" and "error" not in event]
    for body in bodies:
        faults = [f"{list(e.absolute_path)}: {e.message}" for e in validator.iter_errors(body)]
        assert not faults, f"{method} {path}: docs/openapi.yaml says otherwise: {faults[:3]} in {json.dumps(body)[:400]}"
    AUDITED["answers as docs/openapi.yaml says"] += 1


def audit(method, path, answer, cut=False):
    """Fails unless an answer is as docs/openapi.yaml, and one of OpenAI's routes or a refusal as OpenAI describes it. `cut`: its reader left."""
    route = path.split("?")[0].removeprefix("/v1")
    if route.startswith("/models/"):
        route = "/models/*"
    if method in ("HEAD", "OPTIONS") or answer.status in (204, 304):
        return
    as_documented(method, path, answer, cut)
    if answer.status >= 400:
        if not cut:
            answer.error
            AUDITED["error"] += 1
        return
    if route not in OPENAI_ROUTES:
        return
    whole, chunk = OPENAI_ROUTES[route]
    if not answer.headers["content-type"].startswith("text/event-stream"):
        if not cut:
            valid(whole, as_described(whole, answer.json))
            AUDITED[whole] += 1
        return
    events = events_of(answer.body[:answer.body.rfind(b"\n\n") + 2] if cut else answer.body)
    for event in events[:-1] if events and events[-1] == "[DONE]" else events:
        assert event != "[DONE]", "the end mark is not at the end"
        if "error" in event:
            assert event is events[-1], "a stream goes on after its error"
            valid("ErrorResponse", event)
            AUDITED["error in a stream"] += 1
        else:
            valid_chunk(chunk, event)
            AUDITED[chunk] += 1
    assert cut or events and (events[-1] == "[DONE]" or "error" in events[-1]), "a stream has no end"


_servers = {}


def server(*flags):
    """One server for each set of flags, started when first asked for."""
    if flags not in _servers:
        _servers[flags] = Server(*flags)
    return _servers[flags]


def stop_all():
    """The exit statuses of all servers, after SIGTERM."""
    return {" ".join(flags): s.stop() for flags, s in _servers.items()}


def all_logs():
    return [entry for s in _servers.values() for entry in s.log]
