#!/usr/bin/env python3
"""Stands in for `sambay serve` while the web page is tested: the page's files under the server's headers, and scripted answers.

Usage: mock_server.py [--port N] [--key KEY] [--upstream URL]; python3's standard library only. What is answered depends on the last
question: one that starts with `/NAME` gets the script of that name (SCRIPTS), everything else a short thought and an answer. With
--upstream only the page comes from here, straight from src/server/ui, and a running `sambay serve` answers.
"""
import argparse, http.client, http.server, json, mimetypes, os, re, socket, subprocess, sys, tempfile, threading, time, urllib.parse

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
POLICY = ("default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; connect-src 'self'; img-src 'self' data:; "
          "base-uri 'none'; form-action 'none'; frame-ancestors 'none'")

LATEX = r"""The two roots follow from the formula, with \(a = 1\), \(b = -3\) and $c = 2$ (it costs $5, not $10):

\[
x_{1,2} = \frac{-b \pm \sqrt{b^2 - 4ac}}{2a}
- \underbrace{0}_{\text{nothing}}
\]

1. Insert:
   $$\begin{aligned} x &= \frac{3 \pm \sqrt{9 - 8}}{2} \\ &= \frac{3 \pm 1}{2} \end{aligned}$$
2. So \(x_1 = 2\) and \(x_2 = 1\). Check: \[ \sum_{i=1}^{2} x_i = 3 \] as it should.

| root | value | \(x^2 - 3x + 2\) |
|:-----|------:|:---:|
| \(x_1\) | 2 | 0 |
| \(x_2\) | 1 | 0 |

```python
def roots(a, b, c):
    d = (b * b - 4 * a * c) ** 0.5
    return (-b + d) / (2 * a), (-b - d) / (2 * a)
```

**Answer:** \(\boxed{x \in \{1, 2\}}\), and \(\pmb{not}\) \(\fcolorbox{red}{white}{3}\). Broken: \(\frac{1}{\)."""

HOSTILE = r"""<script>window.hacked = 'script'</script>
<img src=x onerror="window.hacked = 'onerror'">

<svg onload="window.hacked = 'svg'"><p style="position:fixed;inset:0">covered</p></svg>

[a](javascript:window.hacked='link') [b](JaVaScRiPt:window.hacked='case') [c](data:text/html,<script>window.hacked='data'</script>)
[d](java&#x0A;script:window.hacked='entity') [e](vbscript:x) <javascript:window.hacked='auto'> [safe](https://example.org/a?b=c&d)

![picture](https://evil.example/pixel.png?secret) ![x](x" onerror="window.hacked='alt')

<iframe srcdoc="<script>parent.hacked='iframe'</script>"></iframe> <a href="javascript:window.hacked='raw'">raw</a>
<form action="https://evil.example/"><button>Send</button></form> <style>body { display: none }</style>

`<b onmouseover="window.hacked='code'">` and \(\href{javascript:window.hacked='tex'}{x}\) \(\htmlStyle{color:red}{y}\) $\includegraphics{https://evil.example/tex.png}$

```html"><img src=x onerror=window.hacked='info'>
</code></pre><script>window.hacked = 'fence'</script>
```

<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=window.hacked='mutation'&gt;">

Text goes on, H<sub>2</sub>O."""

THOUGHT = "The user asks for a sum.\n347 + 589: ones 7 + 9 = 16, write 6 carry 1.\nTens 4 + 8 + 1 = 13, write 3 carry 1.\nHundreds 3 + 5 + 1 = 9.\nSo **936**."

# name: (thought, answer, seconds between two pieces)
SCRIPTS = {
    "sum": (THOUGHT, "The sum is **936**.", 0.02),
    "plain": ("", "Without a thought.", 0.01),
    "latex": ("Use the quadratic formula \\(x^2 - 3x + 2 = 0\\).", LATEX, 0.002),
    "xss": ("<img src=x onerror=\"window.hacked='thought'\">" + HOSTILE, HOSTILE, 0.001),
    "slow": (THOUGHT, "Slow words come one by one. " * 40, 0.06),
    "ponder": (THOUGHT * 40, "Done.", 0.03),
    "long": ("", "\n\n".join(f"Paragraph {i} of a long answer with *some* emphasis and `code`.\n\n- a point\n- another \\(x_{i}\\)" for i in range(60)), 0.0),
    "wide": ("", "A" * 300 + "\n\n| " + " | ".join(f"column {i}" for i in range(12)) + " |\n|" + "---|" * 12 + "\n| "
             + " | ".join("value" for _ in range(12)) + " |\n\n```\n" + "x = 1; " * 60 + "\n```\n\n\\[ " + " + ".join(f"x_{{{i}}}" for i in range(60)) + " \\]", 0.0),
}
FAILURES = {
    "busy": (429, {"Retry-After": "3"}, "rate_limit_exceeded", "Too many requests of this key."),
    "bad": (400, {}, "context_length_exceeded", "The prompt has 70000 tokens; the context holds 65536."),
    "fail": (500, {}, "internal_error", "A row of logits is not finite."),
    "loading": (503, {"Retry-After": "5"}, "unavailable", "The model is being loaded."),
}


class MockServer(http.server.ThreadingHTTPServer):
    """`requests` are the bodies that came, `aborted` counts answers whose reader left, `key` is the key that is wanted."""
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, port=0, key=None, upstream=None):
        super().__init__(("127.0.0.1", port), Handler)
        self.upstream = urllib.parse.urlsplit(upstream).netloc if upstream else None
        self.key, self.requests, self.aborted, self.failing_once = key, [], 0, {}
        self.folder = tempfile.TemporaryDirectory(prefix="sambay-page-")
        done = subprocess.run(["cmake", "-D", f"UI_FOLDER={self.folder.name}", "-P", os.path.join(ROOT, "src/server/ui/vendor.cmake")],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            raise SystemExit(done.stderr)
        self.files = dict(line.split("=", 1) for line in done.stdout.splitlines() if line.startswith("/"))

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/"

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], (BrokenPipeError, ConnectionResetError)):
            super().handle_error(request, client_address)

    def start(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def send(self, status, body, content_type="application/json", headers=()):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": content_type, "Content-Length": str(len(body)), "X-Content-Type-Options": "nosniff",
                            "Content-Security-Policy": POLICY, "Cache-Control": "no-store", **dict(headers)}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, status, code, message, headers=()):
        self.send(status, {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}, headers=headers)

    def allowed(self):
        if self.server.key is None or self.headers.get("Authorization") == f"Bearer {self.server.key}":
            return True
        self.refuse(401, "invalid_api_key", "This server wants an API key (Authorization: Bearer KEY).")
        return False

    def do_GET(self):
        path = self.path.split("?")[0]
        if self.server.upstream and path not in self.server.files:
            self.pass_on(b"")
        elif path == "/v1/models":
            if self.allowed():
                self.send(200, {"object": "list", "data": [{"id": "sambay-pocket", "object": "model", "created": 0, "owned_by": "sambay"}]})
        elif path in self.server.files:
            with open(self.server.files[path], "rb") as f:
                kind = "text/javascript" if path.endswith(".js") else mimetypes.guess_type(path)[0] or "text/html"
                self.send(200, f.read(), kind if kind.startswith("font") else f"{kind}; charset=utf-8")
        else:
            self.refuse(404, "not_found", f"There is nothing at {path}.")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.upstream:
            return self.pass_on(body)
        body = json.loads(body)
        if self.path != "/v1/chat/completions":
            return self.refuse(404, "not_found", f"There is nothing at {self.path}.")
        if not self.allowed():
            return None
        self.server.requests.append(body)
        question = body["messages"][-1]["content"]
        name = (re.match(r"/(\w+)", question) or [None, "sum"])[1]
        if name in FAILURES and not self.server.failing_once.pop(name, False):
            status, headers, code, message = FAILURES[name]
            return self.refuse(status, code, message, headers)
        try:
            self.stream(body, name)
        except (BrokenPipeError, ConnectionResetError):
            self.server.aborted += 1
            self.close_connection = True
        return None

    def pass_on(self, body):
        """What comes back goes out as it comes; a browser that leaves closes the connection behind, too."""
        connection = http.client.HTTPConnection(self.server.upstream)
        try:
            headers = {name: self.headers[name] for name in ("Content-Type", "Authorization") if name in self.headers}
            connection.request(self.command, self.path, body or None, headers)
            answer = connection.getresponse()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("connection", "transfer-encoding", "content-length", "date", "server"):
                    self.send_header(name, value)
            self.send_header("Connection", "close")
            self.end_headers()
            while piece := answer.read1(65536):
                self.wfile.write(piece)
        finally:
            connection.close()
            self.close_connection = True

    def event(self, value):
        data = (value if isinstance(value, str) else f"data: {json.dumps(value)}") + "\n\n"
        self.wfile.write(f"{len(data.encode()):x}\r\n".encode() + data.encode() + b"\r\n")
        self.wfile.flush()

    def stream(self, body, name):
        thought, answer, pause = SCRIPTS.get(name, SCRIPTS["sum"])
        if body.get("thinking_budget_tokens") == 0:
            thought = ""
        self.send_response(200)
        for header, value in (("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked"), ("Cache-Control", "no-store")):
            self.send_header(header, value)
        self.end_headers()
        head = {"id": "chatcmpl-mock", "object": "chat.completion.chunk", "created": int(time.time()), "model": "sambay-pocket"}

        def delta(finish=None, **fields):
            self.event({**head, "choices": [{"index": 0, "delta": fields, "logprobs": None, "finish_reason": finish}], "usage": None})

        self.event(": keep-alive")
        time.sleep(max(0.1, pause))
        delta(role="assistant", content=None, refusal=None)
        pieces, limit = 0, body.get("max_tokens", 10 ** 9)
        for field, text in (("reasoning_content", thought), ("content", answer)):
            for piece in re.findall(r"\s*\S+\s*?", text) if text else []:
                if pieces == limit:
                    break
                pieces += 1
                delta(**({"content": None, "reasoning_content": piece, "reasoning": piece} if field != "content" else {field: piece}))
                time.sleep(pause)
                if field == "content" and name == "cut":
                    return self.connection.shutdown(socket.SHUT_RDWR)
                if field == "content" and name == "midway":
                    return self.event({"error": {"message": "The row went to infinity.", "type": "server_error", "param": None, "code": None}})
        delta("length" if pieces == limit else "stop")
        thinking = len(thought.split())
        self.event({**head, "choices": [], "usage": {
            "prompt_tokens": 41, "completion_tokens": pieces, "total_tokens": 41 + pieces,
            "prompt_tokens_details": {"cached_tokens": 32}, "completion_tokens_details": {"reasoning_tokens": thinking}},
            "timings": {"prompt_n": 9, "prompt_per_second": 812.5, "predicted_n": pieces, "predicted_per_second": 47.3}})
        self.event("data: [DONE]")
        self.wfile.write(b"0\r\n\r\n")
        return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=8089)
    parser.add_argument("--key")
    parser.add_argument("--upstream")
    arguments = parser.parse_args()
    server = MockServer(arguments.port, arguments.key, arguments.upstream)
    print(server.url, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
