"""Checks of the page with `sambay serve` behind it and nothing scripted; page_test.py --serve PROGRAM runs them."""
import contextlib, json, re, signal, subprocess, threading, urllib.request

from browser import eventually
from page_harness import check

# The small model on slow kernels, a token at a step: slow enough to be stopped in the middle.
FLAGS = ["--threads", "1", "--isa", "scalar", "--chunk", "1", "-c", "4096"]
ENDLESS = ["--ignore-eos"]


class Served:
    """`sambay serve` that can go and come back under the same address."""

    def __init__(self, program, *flags):
        self.program, self.flags, self.port = program, flags, 0
        self.start()

    def start(self):
        self.process = subprocess.Popen([self.program, "serve", "--port", str(self.port), *FLAGS, *self.flags], stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            if '"event":"listening"' in line:
                self.port = json.loads(line)["port"]
                break
        assert self.port and self.process.poll() is None, "the server did not start"
        threading.Thread(target=self.process.stderr.read, daemon=True).start()  # so that it never waits for somebody to read its log

    def stop(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(60)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/"

    def ask(self, **fields):
        request = urllib.request.Request(self.url + "v1/chat/completions", json.dumps(fields).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)

    def running(self):
        with urllib.request.urlopen(self.url + "metrics", timeout=60) as response:
            return sum(float(value) for value in re.findall(r"^sambay:num_requests_running\{.*\} (\S+)$", response.read().decode(), re.M))


def setting(page, **values):
    page.b.one("#open-settings").click()
    for name, value in values.items():
        page.b.one(f"#set-{name}").type(value)
    page.b.press("Escape")


@contextlib.contextmanager
def another(page, *flags):
    """The page with a server of its own."""
    program, url = Served(page.program.program, *flags), page.url
    page.url = program.url
    try:
        page.fresh()
        yield program
    finally:
        page.url = url
        program.stop()


@check(served=True)
def a_sum_is_answered_and_the_thinking_can_be_read(page):
    setting(page, temperature="0")
    page.ask("What is 347 + 589?")
    message = page.program.ask(messages=[{"role": "user", "content": "What is 347 + 589?"}], temperature=0)["choices"][0]["message"]
    assert page.answer() == message["content"] == "936"
    assert page.text(".thinking-label").startswith("Thought for ") and not page.b.one(".thinking-text").shown()
    page.b.one(".thinking:not([hidden]) summary").click()
    words = lambda text: re.findall(r"\d+", text)
    eventually(lambda: words(page.text(".thinking-text")) == words(message["reasoning_content"]) != [], "opened, it shows what the model thought")
    stats = page.text(".answer .stats")
    assert re.search(r"\d+ tokens \(\d+ thinking\)", stats) and "tokens/s" in stats and "first token after" in stats, stats
    page.shot("served")


@check(served=True)
def a_second_turn_reads_only_what_is_new(page):
    setting(page, temperature="0")
    page.ask("What is 12 + 30?")
    assert page.answer() == "42"
    first = int(re.search(r"prompt (\d+) tokens", page.text(".answer .stats"))[1])
    page.ask("What is 5 + 6?")
    assert page.count(".message") == 4 and page.answer()
    prompt, cached = map(int, re.search(r"prompt (\d+) tokens, (\d+) cached", page.text(".answer .stats")).groups())
    assert prompt > cached >= first - 1, (first, prompt, cached)


@check(served=True)
def a_reload_keeps_the_conversation(page):
    setting(page, temperature="0")
    page.ask("What is 12 + 30?")
    stats = page.text(".answer .stats")
    page.reload()
    assert page.answer() == "42" and page.text(".bubble") == "What is 12 + 30?" and page.text(".answer .stats") == stats
    assert page.text(".thinking-label").startswith("Thought for ")
    page.ask("What is 20 + 5?")
    assert page.count(".message") == 4 and page.b.js("return document.getElementById('set-temperature').value") == "0"


@check(served=True)
def stop_ends_it_here_and_in_the_server(page):
    with another(page, *ENDLESS) as program:
        for stop in (lambda: page.b.one("#stop").click(), lambda: page.b.press("Escape")):
            page.ask("What is 12 + 30?", wait=False)
            eventually(lambda: "≈" in page.text(".answer .stats"), "it is being written")
            assert program.running() == 1
            stop()
            page.idle()
            assert page.text(".answer .notice") == "Stopped.", page.text(".answer .notice")
            eventually(lambda: program.running() == 0, "the server has given it up")
        assert page.count(".message") == 4


@check(served=True)
def stop_ends_the_reading_of_a_long_prompt(page):
    page.b.one("#prompt").click()
    page.b.js("const p = document.getElementById('prompt'); p.value = arguments[0]; p.dispatchEvent(new Event('input', { bubbles: true }))", "12 + 30 = 42. " * 300)
    page.b.press("Enter")
    eventually(lambda: page.program.running() == 1, "it is read")
    page.b.press("Escape")
    page.idle()
    eventually(lambda: page.program.running() == 0, "the server has given it up")
    assert page.text(".answer .notice") == "Stopped."


@check(served=True)
def a_prompt_that_is_too_long_is_explained(page):
    page.b.one("#prompt").click()
    page.b.js("const p = document.getElementById('prompt'); p.value = arguments[0]; p.dispatchEvent(new Event('input', { bubbles: true }))", "12 + 30 = 42. " * 3000)
    page.b.press("Enter")
    page.idle()
    notice = page.text(".answer .notice")
    assert "refused the request" in notice and "exceeds the available context size" in notice, notice


@check(served=True)
def a_server_that_goes_is_noticed_and_asked_again_when_it_is_back(page):
    with another(page, *ENDLESS) as program:
        page.ask("What is 12 + 30?", wait=False)
        eventually(lambda: "≈" in page.text(".answer .stats"), "it is being written")
        program.stop(signal.SIGKILL)
        page.idle()
        notice = page.text(".answer .notice")
        assert "The connection broke" in notice and "What had arrived is kept" in notice, notice
        setting(page, temperature="0")
        page.ask("What is 20 + 5?")
        notice = page.text(".answer .notice")
        assert "cannot be reached" in notice and "Nothing is lost" in notice, notice
        page.shot("served-gone")
        program.flags = ()
        program.start()
        page.b.one(".notice button").click()
        page.idle()
        assert page.answer() and page.count(".message") == 4, page.text(".answer .notice")


@check(served=True)
def a_server_with_a_key_asks_for_it(page):
    with another(page, "--api-key", "sesame"):
        setting(page, temperature="0")
        page.ask("What is 12 + 30?")
        assert "wants an API key" in page.text(".answer .notice"), page.text(".answer .notice")
        eventually(lambda: page.focus() == "API key", "the field has the focus")
        page.b.type("sesame")
        page.b.press("Enter")
        eventually(lambda: page.answer() == "42", "the right one works")
