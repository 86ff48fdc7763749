#!/usr/bin/env python3
"""Uses the web page as people do, in headless Chromium: page_test.py [--url URL [--key KEY]] [--shots FOLDER] [NAME...]

Without --url it talks to mock_server.py, whose answers are scripted; with it to a running `sambay serve`, and the checks that need a
script are skipped. Needs Debian's chromium and chromium-driver. Python's standard library only; the last line counts.
"""
import argparse, os, sys, time, traceback, urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import browser as browsers
from browser import Browser, eventually
from mock_server import HOSTILE, LATEX, MockServer, SCRIPTS

CHECKS = []
IDLE = "return document.getElementById('stop').hidden"


def check(function=None, *, scripted=False):
    """Marks a check; a scripted one needs answers that only the mock server gives."""
    if function is None:
        return lambda f: check(f, scripted=scripted)
    function.scripted = scripted
    CHECKS.append(function)
    return function


class Page:
    """The page in a browser, empty at the start of each check."""

    def __init__(self, browser, url, server, key, shots):
        self.b, self.url, self.server, self.key, self.shots = browser, url, server, key, shots
        self.problems, self.hosts, self.requests_seen = [], set(), 0

    def fresh(self):
        self.b.size(1200, 820)
        self.b.colours("light")
        self.b.open(self.url)
        self.b.js("localStorage.clear(); sessionStorage.clear()")
        self.b.open(self.url + "ui/icon.svg")  # so that leaving the page writes nothing back
        self.b.js("localStorage.clear(); sessionStorage.clear(); if (arguments[0]) localStorage.setItem('sambay.key', arguments[0])", self.key)
        self.open()

    def open(self):
        self.b.open(self.url)
        self.loaded()

    def reload(self):
        self.b.reload()
        self.loaded()

    def loaded(self):
        eventually(lambda: self.b.js("return document.getElementById('theme').title !== ''"), "the page starts")

    def with_chat(self, *messages):
        """Opens the page with a conversation that was kept earlier."""
        self.b.js("""localStorage.setItem('sambay.chat.0123456789abcdef', JSON.stringify({ id: '0123456789abcdef', title: 'Kept', messages: arguments[0] }));
                     sessionStorage.setItem('sambay.current', '0123456789abcdef')""", list(messages))
        self.reload()

    def ask(self, text, wait=True):
        self.b.one("#prompt").click()
        self.b.one("#prompt").type(text)
        self.b.press("Enter")
        if wait:
            self.idle()

    def idle(self):
        eventually(lambda: self.b.js(IDLE), "the answer ends", 240)

    def text(self, selector):
        return self.b.js("return [...document.querySelectorAll(arguments[0])].at(-1)?.innerText ?? ''", selector)

    def count(self, selector):
        return self.b.js("return document.querySelectorAll(arguments[0]).length", selector)

    def answer(self):
        return self.text(".answer .answer-text")

    def focus(self):
        return self.b.js("const e = document.activeElement; return e.id || e.getAttribute('aria-label') || e.innerText || e.tagName")

    def stored(self, text):
        return self.b.js("return Object.values(localStorage).some((value) => value.includes(arguments[0]))", text)

    def shot(self, name):
        if self.shots:
            time.sleep(0.25)
            self.b.screenshot(os.path.join(self.shots, f"{name}.png"))

    def watch(self):
        """What the console said and where requests went since the last call."""
        for entry in self.b.logs("browser"):
            if "Failed to load resource" not in entry["message"] and "net::ERR" not in entry["message"]:
                self.problems.append(entry["message"])
        for entry in self.b.logs("performance"):
            if '"Network.requestWillBeSent"' in entry["message"]:
                self.requests_seen += 1
                address = urllib.parse.urlsplit(entry["message"].split('"request":{', 1)[1].split('"url":"', 1)[1].split('"', 1)[0])
                if address.scheme in ("http", "https", "ws", "wss"):
                    self.hosts.add(address.netloc)


# ---- asking and answering ------------------------------------------------------------------------------------------


@check
def enter_sends_and_an_answer_comes_with_its_figures(page):
    page.ask("What is 347 + 589?")
    assert page.text(".question .bubble") == "What is 347 + 589?"
    assert page.answer().strip() and "936" in page.answer(), page.answer()
    stats = page.text(".answer .stats")
    assert "tokens" in stats and "tokens/s" in stats and "first token after" in stats and "prompt" in stats, stats
    assert page.text("#title") == "What is 347 + 589?" and page.text("#chats .chat-title") == "What is 347 + 589?"
    page.shot("light")


@check(scripted=True)
def text_appears_while_it_is_being_written(page):
    page.ask("/slow", wait=False)
    eventually(lambda: page.answer(), "the answer begins")
    lengths = []

    def sees_more():
        lengths.append(len(page.answer()))
        return len(set(lengths)) >= 5

    eventually(sees_more, "the answer grows in steps")
    assert lengths == sorted(lengths) and not page.b.js(IDLE), lengths
    assert "≈" in page.text(".answer .stats") and page.b.one("#stop").shown() and not page.b.one("#send").shown()
    page.b.one("#stop").click()
    page.idle()


@check
def shift_enter_breaks_the_line_and_nothing_is_sent(page):
    page.b.one("#prompt").click()
    page.b.type("one")
    page.b.press("Shift", "Enter")
    page.b.type("two")
    assert page.b.js("return document.getElementById('prompt').value") == "one\ntwo" and page.count(".message") == 0
    assert page.b.js("return document.getElementById('prompt').clientHeight") > 50, "the box grows with its text"


@check(scripted=True)
def figures_are_those_of_the_server(page):
    page.ask("/sum")
    stats = page.text(".answer .stats")
    thinking, answer = (len(text.split()) for text in SCRIPTS["sum"][:2])  # the mock server's tokens are words
    assert f"{thinking + answer} tokens ({thinking} thinking)" in stats and "47.3 tokens/s" in stats, stats
    assert "prompt 41 tokens, 32 cached" in stats, stats


@check(scripted=True)
def earlier_turns_are_sent_without_their_thinking(page):
    page.ask("/sum one")
    page.ask("/sum two")
    body = page.server.requests[-1]
    assert [m["role"] for m in body["messages"]] == ["user", "assistant", "user"], body
    assert body["messages"][1]["content"] == SCRIPTS["sum"][1] and set(body["messages"][1]) == {"role", "content"}
    assert body["stream"] is True and body["stream_options"] == {"include_usage": True} and body["model"] == "sambay-pocket"
    assert set(body) == {"model", "messages", "stream", "stream_options"}, "nothing is sent that nobody set"


@check(scripted=True)
def thinking_is_folded_and_its_timer_runs(page):
    page.ask("/ponder", wait=False)
    eventually(lambda: page.text(".thinking-label").startswith("Thinking …"), "the thinking begins")
    assert page.b.js("return document.querySelector('.thinking').open") is False
    first = page.text(".thinking-label")
    eventually(lambda: page.text(".thinking-label") != first, "the timer runs")
    assert page.text(".thinking .peek"), "the folded thinking shows its last line"
    page.shot("thinking-folded")
    page.b.one(".thinking:not([hidden]) summary").click()
    eventually(lambda: "Hundreds" in page.text(".thinking-text"), "opened, it shows the thinking")
    page.shot("thinking-open")
    page.b.press("Escape")
    page.idle()
    label = page.text(".thinking-label")
    assert label.startswith("Thought for ") and page.b.js("return document.querySelector('.thinking').open") is True, label
    time.sleep(0.3)
    assert page.text(".thinking-label") == label, "the timer stands when the thinking is over"


@check
def kept_thinking_is_folded_after_a_reload(page):
    page.with_chat({"role": "user", "content": "q"},
                   {"role": "assistant", "content": "a", "reasoning": "a **thought**", "state": "done", "stats": {"thinkingMs": 61000}})
    assert page.text(".thinking-label") == "Thought for 1 min 01 s" and not page.b.one(".thinking-text").shown()
    page.b.one(".thinking:not([hidden]) summary").click()
    eventually(lambda: page.count(".thinking-text strong") == 1, "the thinking is rendered when it is opened")


# ---- what the model writes -----------------------------------------------------------------------------------------


def latex_is_right(page):
    counts = page.b.js("""const a = [...document.querySelectorAll('.answer-text')].at(-1);
        const n = (s) => a.querySelectorAll(s).length;
        return { math: n('.katex'), display: n('.katex-display'), failed: n('.tex-failed'), table: n('table td .katex'), list: n('ol > li'),
                 right: getComputedStyle(a.querySelectorAll('td')[1]).textAlign, code: n('.code-block pre'),
                 // KaTeX places its parts through the style object: a fraction without it is flat.
                 fraction: a.querySelector('.katex-display .katex-html').getBoundingClientRect().height, font: getComputedStyle(a.querySelector('.katex')).fontFamily,
                 loaded: document.fonts.check('16px KaTeX_Main') && [...document.fonts].some((f) => f.family === 'KaTeX_Main' && f.status === 'loaded') }""")
    assert counts["math"] == 14 and counts["display"] == 3 and counts["failed"] == 1, counts
    assert counts["table"] == 2 and counts["list"] == 2 and counts["right"] == "right" and counts["code"] == 1, counts
    assert counts["fraction"] > 35 and "KaTeX" in counts["font"] and counts["loaded"], counts
    assert "it costs $5, not $10" in page.answer(), "prices are not formulas"


@check
def latex_tables_and_code_are_rendered(page):
    page.with_chat({"role": "user", "content": "q"}, {"role": "assistant", "content": LATEX, "state": "done"})
    eventually(lambda: page.b.js("return document.fonts.status") == "loaded", "the fonts of the formulas come")
    latex_is_right(page)
    page.shot("latex")


@check(scripted=True)
def a_streamed_answer_ends_as_if_rendered_at_once(page):
    for name in ("latex", "long", "wide"):
        page.ask(f"/{name}")
        streamed = page.b.js("return [...document.querySelectorAll('.answer-text')].at(-1).innerHTML")
        page.reload()
        assert streamed == page.b.js("return [...document.querySelectorAll('.answer-text')].at(-1).innerHTML"), name
    page.ask("/latex")
    latex_is_right(page)


@check
def an_answer_that_grows_by_letters_ends_as_if_rendered_at_once(page):
    texts = [LATEX, HOSTILE, SCRIPTS["wide"][1], "a [link][1] b\n\np\n\nq\n\nr\n\ns\n\n[1]: https://example.org/", "- a\n\n- b\n\n  c\n\nd\n===\n\n> q\n> r\n\n\ttab\r\n\r\nend",
             "```\nopen\n\nfence\n\nfor\n\nlong", "\\[\nx\n\ny\n\\]\n\nz", "1. a\n2. b\n\ntext\n\n3. c\n\n\n\n4. d\n"]
    different = page.b.js("""const texts = arguments[0];
        return import(new URL('ui/render.js', document.baseURI)).then(({ LiveMarkdown, renderMarkdown }) => texts.filter((text) => {
          const [grown, whole] = [document.createElement('div'), document.createElement('div')];
          const live = new LiveMarkdown(grown);
          for (let end = 0; end <= text.length; end += 3) live.update(text.slice(0, end), false);
          live.update(text, true);
          whole.append(renderMarkdown(text));
          return grown.innerHTML !== whole.innerHTML;
        }))""", texts)
    assert different == [], different


@check(scripted=True)
def blocks_settle_while_an_answer_grows(page):
    page.b.js("""window.removed = new Map();
        new MutationObserver((all) => all.forEach((m) => m.removedNodes.forEach((node) => {
          const key = node.textContent; if (node.tagName === 'P') window.removed.set(key, (window.removed.get(key) ?? 0) + 1);
        }))).observe(document.getElementById('messages'), { childList: true, subtree: true })""")
    page.ask("/long")
    # Once when it stops being the tail, a few frames as the tail, once for the last rendering as a whole.
    often = page.b.js("return window.removed.get('Paragraph 3 of a long answer with some emphasis and code.') ?? 0")
    assert often < 30 and page.count(".answer-text p") == 60, often


def hostile_is_harmless(page, selector):
    found = page.b.js("""const root = document.querySelector(arguments[0]); const all = [...root.querySelectorAll('*')];
        all.forEach((e) => { e.dispatchEvent(new MouseEvent('mouseover', { bubbles: true })); e.dispatchEvent(new Event('error')); });
        return { tags: all.map((e) => e.localName).filter((t) => /^(script|iframe|img|form|object|embed|base|link|meta|video|audio|textarea|title|style)$/.test(t)),
                 handlers: all.flatMap((e) => e.getAttributeNames()).filter((a) => /^on|^srcdoc$|^action$|^formaction$/.test(a)),
                 links: all.filter((e) => e.hasAttribute('href')).map((e) => e.getAttribute('href')).filter((h) => !/^(https?:|mailto:|#i-)/.test(h)),
                 rel: [...root.querySelectorAll('a')].every((a) => a.rel.includes('noopener') && a.target === '_blank'),
                 hacked: window.hacked ?? null, covered: all.some((e) => getComputedStyle(e).position === 'fixed'), text: root.innerText }""", selector)
    text = found.pop("text")
    assert found == {"tags": [], "handlers": [], "links": [], "rel": True, "hacked": None, "covered": False}, found
    assert "Text goes on, H" in text and "<script>window.hacked = 'script'</script>" in text, "it is shown as text"
    assert page.b.one("#prompt").shown(), "the page is still there"


# Text, the formulas that are in it, and how many of them stand on their own line.
FORMULAS = [
    ("$5 and $10", [], 0), ("$5 to $10 each", [], 0), ("a $x$ b", ["x"], 0), (r"\$x\$ costs", [], 0), (r"`$x$` and `\(y\)`", [], 0),
    ("```\n$$x$$\n```", [], 0), (r"\(a_1\) and \(b_1\)", ["a_1", "b_1"], 0), (r"so \[ a*b*c \] holds", ["a*b*c"], 1), ("$$\na\n$$", ["a"], 1),
    ("text:\n\\[\nx\n- 3\n= 4\n\\]\nmore", ["x\n- 3\n= 4"], 1), ("- item\n  \\[ x \\]\n- next", ["x"], 1), ("$$ never closed", [], 0),
    (r"$a\$b$", [r"a\$b"], 0), ("| a | b |\n|---|---|\n| $x$ | \\(y\\) |", ["x", "y"], 0), ("$$a$$ and $$b$$", ["a", "b"], 2),
    (r"**$x$** _\(y\)_", ["x", "y"], 0), ("$ x $", [], 0), ("\\[ first\n\nsecond \\]", [], 0),
]


@check
def formulas_are_told_from_prices_and_code(page):
    found = page.b.js("""const texts = arguments[0];
        return import(new URL('ui/render.js', document.baseURI)).then(({ renderMarkdown }) => texts.map((text) => {
          const box = document.createElement('div');
          box.append(renderMarkdown(text));
          const math = [...box.querySelectorAll('.tex')];
          return [math.map((m) => m.querySelector('annotation')?.textContent ?? m.title), math.filter((m) => m.matches('.tex-display')).length];
        }))""", [text for text, _, _ in FORMULAS])
    wrong = [(text, got) for (text, math, display), got in zip(FORMULAS, found) if got != [math, display]]
    assert wrong == [], wrong


@check
def events_are_the_same_however_the_bytes_come(page):
    stream = ': comment\r\n\r\ndata: {"a":1}\r\n\r\ndata:two\ndata: lines\n\nevent: x\nid: 3\ndata: ü\n\n\ndata: [DONE]\n\ndata: half'
    found = page.b.js("""const text = arguments[0];
        return import(new URL('ui/api.js', document.baseURI)).then(({ EventSplitter, retryAfterSeconds }) => {
          const results = new Set();
          for (let cut = 0; cut <= text.length; cut++) for (const step of [1, 2, 1000]) {
            const splitter = new EventSplitter();
            const parts = [text.slice(0, cut), ...(text.slice(cut).match(new RegExp(`[^]{1,${step}}`, 'g')) ?? [])];
            results.add(JSON.stringify(parts.flatMap((part) => splitter.push(part))));
          }
          const values = ['3', '2.2', '-1', 'x', '', null, '1e9', 'Thu, 01 Jan 1970 00:00:10 GMT'];
          return { results: [...results].map(JSON.parse), retry: values.map((value) => retryAfterSeconds(value, 4000)) };
        })""", stream)
    assert found["results"] == [['{"a":1}', "two\nlines", "ü", "[DONE]"]], found["results"]
    assert found["retry"] == [3, 3, 0, None, None, None, 3600, 6], found["retry"]


@check
def hostile_text_is_shown_and_not_obeyed(page):
    page.with_chat({"role": "user", "content": HOSTILE}, {"role": "assistant", "content": HOSTILE, "reasoning": HOSTILE, "state": "done"})
    page.b.one(".thinking:not([hidden]) summary").click()
    eventually(lambda: page.text(".thinking-text"), "the thinking opens")
    for selector in (".answer-text", ".thinking-text"):
        hostile_is_harmless(page, selector)
    assert page.text(".bubble") == HOSTILE.strip(), "a question is plain text"
    assert page.count(".answer-text a[href='https://example.org/a?b=c&d']") == 1, "an honest link works"


@check(scripted=True)
def hostile_text_is_harmless_at_every_length(page):
    page.ask("/xss", wait=False)
    eventually(lambda: page.count(".thinking:not([hidden])"), "the thinking begins")
    page.b.one(".thinking:not([hidden]) summary").click()
    page.idle()
    hostile_is_harmless(page, ".answer-text")
    hostile_is_harmless(page, ".thinking-text")


@check
def the_sanitizer_holds_without_the_escaping_before_it(page):
    found = page.b.js("""const box = document.createElement('div');
        box.append(DOMPurify.sanitize(arguments[0], { RETURN_DOM_FRAGMENT: true, FORBID_ATTR: ['style'], FORBID_TAGS: ['style', 'form', 'img'] }));
        return { bad: box.querySelectorAll('script, iframe, img, form, style').length, handlers: [...box.querySelectorAll('*')].flatMap((e) =>
                 e.getAttributeNames()).filter((a) => a.startsWith('on')).length, text: box.textContent.includes('[safe](https://example.org') }""", HOSTILE)
    assert found == {"bad": 0, "handlers": 0, "text": True}, found
    page.watch()
    page.problems.clear()  # the policy caught what stood in the string before it was cleaned; the page never hands over such a string


@check
def broken_or_edited_storage_does_not_break_the_page(page):
    page.b.js("""localStorage.setItem('sambay.chat.aaaaaaaaaaaa', '{'); localStorage.setItem('sambay.chat.bbbbbbbbbbbb', '[1]');
        localStorage.setItem('sambay.chat.cccccccccccc', JSON.stringify({ id: 'cccccccccccc', title: 7, messages: [null, 3, { role: 'assistant', content: {}, stats: 'x' }] }));
        localStorage.setItem('sambay.settings', '{"temperature":"hot","top_k":-1,"seed":5,"system":[]}'); localStorage.setItem('sambay.theme', 'purple')""")
    page.reload()
    assert page.count("#chats .chat") == 1 and page.b.js("return document.documentElement.dataset.theme ?? ''") == ""
    page.b.one("#open-settings").click()
    assert page.b.js("return ['temperature', 'top_k', 'seed'].map((k) => document.getElementById('set-' + k).value)") == ["", "", "5"]


# ---- stop, retry, edit ---------------------------------------------------------------------------------------------


@check(scripted=True)
def stop_keeps_what_came_and_hangs_up(page):
    for stop in (lambda: page.b.one("#stop").click(), lambda: page.b.press("Escape")):
        before = page.server.aborted
        page.ask("/slow", wait=False)
        eventually(lambda: len(page.answer()) > 20, "some of the answer is there")
        stop()
        page.idle()
        text = page.answer()
        assert text.startswith("Slow words") and page.text(".answer .notice") == "Stopped.", page.text(".answer .notice")
        eventually(lambda: page.server.aborted > before, "the server hears of it")
        assert page.focus() == "prompt" and page.answer() == text and page.stored("Slow words")
    page.ask("/sum after it")
    assert "936" in page.answer() and page.server.requests[-1]["messages"][1]["content"].startswith("Slow words")


@check(scripted=True)
def retry_asks_the_same_again(page):
    page.ask("/sum one")
    page.ask("/plain two")
    page.b.all(".answer .retry")[-1].click()
    page.idle()
    assert page.server.requests[-1] == page.server.requests[-2] and page.count(".message") == 4
    assert [e.shown() for e in page.b.all(".answer .retry")] == [False, True], "only the last answer can be had again"


@check(scripted=True)
def an_edited_question_replaces_what_followed(page):
    page.ask("/sum one")
    page.ask("/sum two")
    page.b.all(".question [aria-label='Edit the question']")[0].click()
    page.shot("edit")
    assert page.focus() == "Edit the question"
    page.b.press("Escape")
    assert page.count(".message") == 4 and page.focus() == "Edit the question", "escape leaves everything as it was"
    page.b.press("Enter")
    page.b.one(".edit-box").type(" and more")
    page.b.press("Enter")
    page.idle()
    assert [m["content"] for m in page.server.requests[-1]["messages"]] == ["/sum one and more"] and page.count(".message") == 2
    page.b.press("ArrowUp")
    assert page.b.js("return document.activeElement.value") == "/sum one and more", "arrow up edits the last question"


# ---- what is kept --------------------------------------------------------------------------------------------------


@check
def conversations_survive_a_reload(page):
    page.ask("What is 12 + 30?")
    answer = page.answer()
    page.b.one("#prompt").type("half a question")
    page.reload()
    assert page.answer() == answer and page.text(".bubble") == "What is 12 + 30?"
    assert page.b.js("return document.getElementById('prompt').value") == "half a question"
    page.b.one("#new-chat").click()
    assert page.count(".message") == 0 and page.b.js("return document.getElementById('prompt').value") == ""
    page.b.one("#chats .chat-open").click()
    assert page.answer() == answer


@check(scripted=True)
def nothing_is_lost_by_a_reload_while_streaming(page):
    page.ask("/slow", wait=False)
    eventually(lambda: len(page.answer()) > 60, "some of the answer is there")
    before = page.answer()
    page.reload()
    assert page.answer().startswith(before.rstrip()), (before, page.answer())
    assert "page was left" in page.text(".answer .notice") and page.b.js(IDLE)
    assert page.text(".thinking-label").startswith("Thought") or page.text(".thinking-label") == "Thinking"
    page.b.one(".answer .retry").click()
    eventually(lambda: page.b.one("#stop").shown(), "it can be asked again")
    page.b.press("Escape")
    page.idle()


@check(scripted=True)
def what_is_shown_is_kept_while_more_comes(page):
    page.ask("/slow", wait=False)
    eventually(lambda: len(page.answer()) > 100, "some of the answer is there")
    shown = page.answer().rstrip()
    kept = "return JSON.parse(Object.entries(localStorage).find(([k]) => k.startsWith('sambay.chat.'))[1]).messages.at(-1)"
    eventually(lambda: page.b.js(kept)["content"].startswith(shown), "a crash would lose nothing of it")
    assert page.b.js(kept)["state"] == "streaming", "before the end"
    page.b.press("Escape")
    page.idle()


@check(scripted=True)
def conversations_run_side_by_side(page):
    page.ask("/slow first", wait=False)
    page.b.one("#new-chat").click()
    page.ask("/sum second")
    assert "936" in page.answer() and "answering" in page.text("#chats .chat.running .chat-time")
    page.b.all("#chats .chat-open")[1].click()
    assert page.text("#title") == "/slow first" and page.b.one("#stop").shown()
    length = len(page.answer())
    eventually(lambda: len(page.answer()) > length, "the first goes on")
    page.b.press("Escape")
    page.idle()


@check(scripted=True)
def another_tab_sees_what_happens_here(page):
    page.ask("/sum one")
    first = page.b.call("GET", "window")
    other = page.b.call("POST", "window/new", {"type": "tab"})["handle"]
    page.b.call("POST", "window", {"handle": other})
    try:
        page.open()
        page.b.one("#chats .chat-open").click()
        page.b.call("POST", "window", {"handle": first})
        page.ask("/plain two")
        page.b.call("POST", "window", {"handle": other})
        eventually(lambda: page.answer() == "Without a thought.", "the other tab shows the new answer")
        page.b.call("POST", "window", {"handle": first})
        page.ask("/slow three", wait=False)
        page.b.call("POST", "window", {"handle": other})
        eventually(lambda: page.answer().startswith("Slow"), "it shows an answer that grows elsewhere")
        requests = len(page.server.requests)
        page.ask("meanwhile", wait=False)
        assert len(page.server.requests) == requests and page.count(".question") == 3, "it does not cut in"
        page.b.call("POST", "window", {"handle": first})
        page.b.press("Escape")
        page.b.call("POST", "window", {"handle": other})
        eventually(lambda: page.text(".answer .notice") == "Stopped." and page.b.js("return !document.getElementById('send').disabled"), "then it may ask again")
    finally:
        page.b.call("POST", "window", {"handle": other})
        page.b.call("DELETE", "window")
        page.b.call("POST", "window", {"handle": first})


@check
def conversations_can_be_named_exported_deleted_and_imported(page):
    folder = page.b.profile.name
    page.b.cdp("Browser.setDownloadBehavior", behavior="allow", downloadPath=folder)
    page.with_chat({"role": "user", "content": "ein Rätsel"}, {"role": "assistant", "content": "42", "reasoning": "hm", "state": "done"})
    page.b.js("localStorage.setItem('sambay.key', 'secret-key')")

    def tool(name):
        page.b.js("document.querySelector(`#chats [data-action='${arguments[0]}']`).focus()", name)
        page.b.press("Enter")

    tool("edit")
    page.b.press("Control", "a")
    page.b.type("Näme")
    page.b.press("Enter")
    assert page.text("#chats .chat-title") == page.text("#title") == "Näme", (page.text("#title"), page.text("#chats"))
    tool("export")
    path = os.path.join(folder, "Näme.json")
    eventually(lambda: os.path.exists(path) and os.path.getsize(path), "the file arrives")
    with open(path, encoding="utf-8") as f:
        exported = f.read()
    assert '"sambay-chats"' in exported and "ein Rätsel" in exported and "secret-key" not in exported
    tool("delete")
    assert "Näme" in page.text("#confirm-text") and page.focus() == "Cancel"
    page.shot("delete")
    page.b.press("Enter")
    assert page.count("#chats .chat") == 1, "cancel is what enter does first"
    tool("delete")
    page.b.one("#confirm-yes").click()
    eventually(lambda: page.count("#chats .chat") == 0 and not page.stored("ein Rätsel"), "it is gone")
    for _ in range(2):
        page.b.one("#import-file").type(path)
    eventually(lambda: page.count("#chats .chat") == 2 and page.answer() == "42", "it is back, the second time beside the first")
    with open(path, "w") as f:
        f.write('{"format":"other"}')
    page.b.one("#import-file").type(path)
    eventually(lambda: "Nothing was imported" in page.text("#banner"), "a wrong file is refused")
    assert page.count("#chats .chat") == 2


@check
def full_storage_is_said_and_the_page_goes_on(page):
    page.b.js("""let size = 4 << 20; for (let i = 0; size > 0; i++) { try { localStorage.setItem('fill' + i, 'x'.repeat(size)); } catch { size >>= 1; } }""")
    page.ask("What is 1 + 1?")
    assert "storage is full" in page.text("#banner") and page.answer().strip()


# ---- settings ------------------------------------------------------------------------------------------------------


@check(scripted=True)
def settings_are_checked_kept_and_sent(page):
    page.b.one("#open-settings").click()
    wanted = {"temperature": "0.7", "top_p": "0.9", "top_k": "40", "min_p": "0.05", "seed": "42", "max_tokens": "2048", "thinking_budget_tokens": "0"}
    for key, value in wanted.items():
        page.b.one(f"#set-{key}").type(value)
    page.b.one("#set-system").type("Be brief.")
    page.shot("settings")
    page.b.press("Escape")
    page.reload()
    page.ask("/sum")
    body = page.server.requests[-1]
    assert {key: body[key] for key in wanted} == {key: float(value) if "." in value else int(value) for key, value in wanted.items()}, body
    assert body["messages"][0] == {"role": "system", "content": "Be brief."} and page.count(".thinking:not([hidden])") == 0
    page.b.one("#open-settings").click()
    page.b.one("#reset-settings").click()
    page.b.press("Escape")
    page.ask("/sum again")
    assert set(page.server.requests[-1]) == {"model", "messages", "stream", "stream_options"}


@check
def settings_out_of_bounds_are_refused_with_the_bounds(page):
    page.b.one("#open-settings").click()
    for key, wrong, says in (("temperature", "2.5", "0 to 2"), ("top_p", "0", "0.01 to 1"), ("top_k", "1.5", "whole number"), ("seed", "-1", "0 to"),
                             ("max_tokens", "0", "1 to"), ("min_p", "1e9", "0 to 1"), ("thinking_budget_tokens", "99999999", "1,048,576")):
        field = page.b.one(f"#set-{key}")
        field.type(wrong)
        assert says in page.text(f"#set-{key}-error") and field.do("attribute/aria-invalid") == "true", (key, page.text(f"#set-{key}-error"))
    page.shot("settings-wrong")
    page.b.press("Escape")
    assert page.b.js("return localStorage.getItem('sambay.settings')") in (None, '{"system":""}'), "nothing of it is kept"
    page.b.one("#open-settings").click()
    assert page.count("[aria-invalid='true']") == 0


# ---- errors --------------------------------------------------------------------------------------------------------


@check(scripted=True)
def a_missing_key_is_asked_for(page):
    page.server.key = "sesame"
    try:
        page.reload()
        eventually(lambda: "wants an API key" in page.text("#banner"), "the page says so at once")
        page.ask("/sum")
        assert "wants an API key" in page.text(".answer .notice")
        eventually(lambda: page.focus() == "API key", "the field has the focus")
        page.shot("key")
        page.b.type("wrong")
        page.b.press("Enter")
        page.idle()
        eventually(lambda: page.focus() == "API key" and page.b.js("return document.activeElement.value") == "", "a wrong key is asked for again")
        page.b.type("sesame")
        page.b.press("Enter")
        eventually(lambda: "936" in page.answer(), "the right one works")
        eventually(lambda: not page.b.one("#banner").shown(), "and the page is content")
        assert page.b.js("return localStorage.getItem('sambay.key')") is None, "not kept unless asked"
        page.reload()
        page.ask("/sum again")
        assert "936" in page.answer()
        page.b.one("#open-settings").click()
        page.b.one("#set-remember").click()
        assert page.b.js("return localStorage.getItem('sambay.key')") == "sesame"
        page.b.one("#set-remember").click()
        assert page.b.js("return localStorage.getItem('sambay.key')") is None
    finally:
        page.server.key = None


@check(scripted=True)
def a_busy_server_says_how_long_to_wait(page):
    page.ask("/busy")
    notice = page.text(".answer .notice")
    assert "The server is busy" in notice and "Too many requests of this key." in notice and "wait" in notice, notice
    page.shot("busy")
    eventually(lambda: "The wait is over" in page.text(".answer .notice"), "the countdown ends")
    page.server.failing_once["busy"] = True
    page.b.one(".notice button").click()
    eventually(lambda: "936" in page.answer(), "trying again works")
    assert page.count(".message") == 2 and not page.b.one(".answer .notice").shown()


@check(scripted=True)
def errors_say_what_the_server_said(page):
    for question, title, says in (("/bad", "refused the request", "65536"), ("/fail", "server failed", "not finite"), ("/loading", "not ready", "being loaded")):
        page.ask(question)
        notice = page.text(".answer .notice")
        assert title in notice and says in notice and "Try again" in notice, notice
        assert page.text("#live") == "" or eventually(lambda: "Error" in page.text("#live"), "it is read out")


@check(scripted=True)
def a_broken_stream_keeps_what_came(page):
    for question, says in (("/cut", "connection"), ("/midway", "went to infinity")):
        page.ask(question)
        assert says in page.text(".answer .notice") and page.text(".answer .notice button") == "Try again", page.text(".answer .notice")
        assert page.answer().startswith("The") and page.text(".thinking-label").startswith("Thought"), page.answer()
        page.reload()
        assert page.answer().startswith("The") and says in page.text(".answer .notice")


@check
def a_server_that_is_gone_can_be_tried_again(page):
    gone = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
    page.b.cdp("Network.enable")
    page.b.cdp("Network.emulateNetworkConditions", **gone)
    try:
        page.ask("What is 20 + 5?")
        notice = page.text(".answer .notice")
        assert "cannot be reached" in notice and "Nothing is lost" in notice, notice
        page.shot("offline")
    finally:
        page.b.cdp("Network.emulateNetworkConditions", **{**gone, "offline": False, "downloadThroughput": -1, "uploadThroughput": -1})
    page.b.one(".notice button").click()
    page.idle()
    assert page.answer().strip() and page.count(".message") == 2


@check(scripted=True)
def a_limit_of_tokens_is_said(page):
    page.b.one("#open-settings").click()
    page.b.one("#set-max_tokens").type("5")
    page.b.press("Escape")
    page.ask("/plain and /sum")
    page.ask("/sum")
    assert "limit of tokens" in page.text(".answer .notice"), page.text(".answer .notice")


# ---- looks and reach -----------------------------------------------------------------------------------------------

BRIGHTNESS = "const c = getComputedStyle(document.body).backgroundColor.match(/[\\d.]+/g).map(Number); return (c[0] + c[1] + c[2]) / 3"


@check
def colours_follow_the_system_until_somebody_chooses(page):
    page.with_chat({"role": "user", "content": "Solve the equation, please."}, {"role": "assistant", "content": LATEX, "reasoning": "hm", "state": "done",
                    "stats": {"tokens": 812, "thinking": 640, "perSecond": 23.4, "firstMs": 312, "prompt": 57, "cached": 40, "thinkingMs": 27000}})
    assert page.b.js(BRIGHTNESS) > 200
    page.b.colours("dark")
    assert page.b.js(BRIGHTNESS) < 60
    page.shot("dark")
    page.b.one("#theme").click()
    assert page.b.js(BRIGHTNESS) > 200, "the switch goes to light"
    page.reload()
    assert page.b.js(BRIGHTNESS) > 200, "and is remembered"
    page.b.one("#theme").click()
    page.b.colours("light")
    assert page.b.js(BRIGHTNESS) < 60, "dark in a light system"
    page.b.one("#theme").click()
    assert page.b.js(BRIGHTNESS) > 200, "and back to the system"


CONTRAST = """
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (c) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = c; canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const lum = ([r, g, b]) => [r, g, b].map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((s, v, i) => s + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (e) => { for (; e; e = e.parentElement) { const c = rgba(getComputedStyle(e).backgroundColor); if (c[3] === 255) return c; } return [255, 255, 255]; };
  const bad = [];
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!own || !e.checkVisibility({ opacityProperty: true, visibilityProperty: true }) || e.closest(':disabled, .katex, .skip, .visually-hidden')) continue;
    const [a, b] = [lum(rgba(getComputedStyle(e).color)), lum(behind(e))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) bad.push(`${e.className || e.id || e.localName}: ${ratio.toFixed(2)}`);
  }
  return bad"""


@check
def all_text_has_enough_contrast_in_both_colours(page):
    """4.5:1, level AA of the Web Content Accessibility Guidelines."""
    page.with_chat({"role": "user", "content": "q"}, {"role": "assistant", "content": LATEX, "reasoning": "hm", "state": "done", "stats": {"tokens": 3}},
                   {"role": "user", "content": "q"}, {"role": "assistant", "content": "x", "state": "error", "error": {"kind": "busy", "message": "m"}})
    page.b.one(".thinking:not([hidden]) summary").click()
    for scheme in ("light", "dark"):
        page.b.colours(scheme)
        assert page.b.js(CONTRAST) == [], scheme
        page.b.one("#open-settings").click()
        assert page.b.js(CONTRAST) == [], (scheme, "settings")
        page.b.press("Escape")


OVERFLOW = """
  const width = innerWidth, bad = [];
  if (document.documentElement.scrollWidth > width || document.getElementById('scroller').scrollWidth > document.getElementById('scroller').clientWidth) bad.push('the page scrolls sideways');
  for (const e of document.querySelectorAll('button, input, textarea, p, h1, h2, article, .bubble, footer')) {
    const r = e.getBoundingClientRect();
    if (r.width && e.checkVisibility({ visibilityProperty: true }) && !e.closest('[inert], .visually-hidden, .skip') && (r.right > width + 0.5 || r.left < -0.5)) bad.push(e.id || e.className || e.localName);
  }
  return bad"""


@check
def narrow_screens_need_no_sideways_scrolling(page):
    answers = (LATEX, SCRIPTS["wide"][1])
    page.with_chat(*[m for a in answers for m in ({"role": "user", "content": "W" * 200}, {"role": "assistant", "content": a, "reasoning": "x" * 300, "state": "done",
                   "stats": {"tokens": 30000, "thinking": 29000, "perSecond": 123.4, "firstMs": 100000, "prompt": 60000, "cached": 59999}})],
                   {"role": "user", "content": "q"}, {"role": "assistant", "content": "", "state": "error", "error": {"kind": "key", "message": "m" * 200}})
    for width in (360, 320):
        page.b.size(width, 740, mobile=True)
        assert page.b.js(OVERFLOW) == [], width
        page.b.js("document.querySelectorAll('.thinking').forEach((d) => (d.open = true))")
        time.sleep(0.1)
        assert page.b.js(OVERFLOW) == [], (width, "thinking")
        page.b.js("document.querySelectorAll('.thinking').forEach((d) => (d.open = false)); document.getElementById('scroller').scrollTop = 0")
        if width == 360:
            page.shot("narrow")
        page.b.one("#open-settings").click()
        assert page.b.js(OVERFLOW) == [], (width, "settings")
        page.b.press("Escape")
        assert not page.b.one("#new-chat").shown(), "the list is closed"
        page.b.one("#toggle-sidebar").click()
        eventually(lambda: page.b.js("return document.getElementById('sidebar').getBoundingClientRect().left") == 0, "the list slides in")
        assert page.focus() == "new-chat" and page.b.js(OVERFLOW) == [], (width, "list", page.focus(), page.b.js(OVERFLOW))
        if width == 360:
            page.shot("narrow-list")
        page.b.press("Escape")
        assert page.focus() == "toggle-sidebar" and page.b.js("return document.getElementById('sidebar').inert") is True
        page.b.one(".question [aria-label='Edit the question']").click()
        assert page.b.js(OVERFLOW) == [], (width, "editing")
        page.b.press("Escape")


@check
def targets_are_large_enough_for_fingers(page):
    """24 px, level AA of the Web Content Accessibility Guidelines."""
    page.with_chat({"role": "user", "content": "q"}, {"role": "assistant", "content": "```\nx\n```", "reasoning": "x", "state": "done"})
    page.b.size(360, 740, mobile=True)
    page.b.one("#toggle-sidebar").click()
    small = page.b.js("""return [...document.querySelectorAll('button, summary, a:not(.skip)')].filter((e) => { const r = e.getBoundingClientRect();
        return e.checkVisibility({ visibilityProperty: true }) && r.width && (r.width < 24 || r.height < 24) }).map((e) => e.id || e.className)""")
    assert small == [], small


@check
def everything_can_be_done_from_the_keyboard(page):
    page.b.js("document.querySelector('.skip').focus()")
    assert page.b.js("return document.querySelector('.skip').getBoundingClientRect().top") >= 0, "the way to the message box shows when it has the focus"
    assert page.focus() == "Skip to the message box", page.focus()
    page.b.press("Enter")
    page.b.type("What is 5 + 6?")
    page.b.press("Enter")
    page.idle()
    assert page.answer().strip() and page.focus() == "prompt"
    reached = []
    for _ in range(60):
        page.b.press("Tab")
        reached.append(page.focus())
        assert page.b.js("const e = document.activeElement, s = getComputedStyle(e); return e === document.body || s.outlineStyle !== 'none' || e.matches('#prompt')"), reached[-1]
        if len(reached) > 8 and page.focus() == "prompt":
            break
    for wanted in ("new-chat", "import", "export-all", "toggle-sidebar", "theme", "open-settings", "Copy the question", "Edit the question", "Copy the answer", "Answer again"):
        assert wanted in reached, (wanted, reached)
    assert any("Rename" in name for name in reached) and any("Delete" in name for name in reached), reached
    page.b.js("document.getElementById('open-settings').focus()")
    page.b.press("Enter")
    assert page.b.js("return document.getElementById('settings').open && document.getElementById('settings').contains(document.activeElement)")
    page.b.press("Escape")
    assert page.focus() == "open-settings", "the focus goes back to where it was"
    if page.count(".thinking:not([hidden])"):
        page.b.js("document.querySelector('.thinking summary').focus()")
        page.b.press("Enter")
        assert page.b.js("return document.querySelector('.thinking').open")


@check
def everything_has_a_name_and_news_are_read_out(page):
    page.ask("What is 2 + 2?")
    page.b.one("#open-settings").click()
    nameless = page.b.js("""return [...document.querySelectorAll('button, input, textarea, summary, a, nav, main > [role]:not([hidden])')].filter((e) =>
        !(e.getAttribute('aria-label') || e.innerText?.trim() || e.textContent.trim() || e.labels?.length)).map((e) => e.outerHTML.slice(0, 80))""")
    assert nameless == [], nameless
    ids = page.b.js("const ids = [...document.querySelectorAll('[id]')].map((e) => e.id); return ids.filter((id, i) => ids.indexOf(id) !== i)")
    assert ids == [], ids
    eventually(lambda: page.b.js("return document.getElementById('live').textContent").startswith("Answer:"), "the answer is read out")
    assert page.b.js("return document.documentElement.lang") == "en"


@check
def the_newest_text_stays_in_sight_unless_somebody_reads_above(page):
    page.with_chat(*[m for i in range(20) for m in ({"role": "user", "content": f"q{i}"}, {"role": "assistant", "content": "text\n\n" * 10, "state": "done"})])
    bottom = "const s = document.getElementById('scroller'); return s.scrollHeight - s.scrollTop - s.clientHeight < 2"
    eventually(lambda: page.b.js(bottom), "it opens at the end")
    page.b.js("document.getElementById('scroller').scrollTop = 100")
    eventually(lambda: page.b.one("#jump").shown(), "the way back is offered")
    page.b.one("#jump").click()
    assert page.b.js(bottom)
    page.ask("What is 9 + 9?")
    eventually(lambda: page.b.js(bottom), "a question goes to the end")


# ---- the door ------------------------------------------------------------------------------------------------------


@check
def a_violation_of_the_policy_would_be_seen(page):
    page.watch()
    before = len(page.problems)
    page.b.js("const p = document.createElement('p'); p.setAttribute('style', 'color: red'); document.body.append(p); new Image().src = 'https://outside.example/x.png'")
    eventually(lambda: page.watch() or len(page.problems) >= before + 2, "both are in the console")
    seen = page.problems[before:]
    del page.problems[before:]
    assert any("style" in s for s in seen) and any("outside.example" in s for s in seen), seen
    page.hosts.discard("outside.example")


@check
def no_other_host_was_asked_and_no_policy_violated(page):
    page.b.one("#open-settings").click()
    page.watch()
    assert page.requests_seen > 50, "requests are seen at all"
    assert page.hosts == {urllib.parse.urlsplit(page.url).netloc}, page.hosts
    assert page.problems == [], page.problems


# ---- running -------------------------------------------------------------------------------------------------------


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--url")
    parser.add_argument("--key")
    parser.add_argument("--shots", help="a folder for screenshots")
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    lacking = browsers.missing()
    if lacking:
        raise SystemExit(f"page_test.py needs Debian's packages {' '.join(lacking)}")
    if arguments.shots:
        os.makedirs(arguments.shots, exist_ok=True)
    server = None if arguments.url else MockServer().start()
    url = (arguments.url or server.url).rstrip("/") + "/"
    passed = failed = skipped = 0
    browser = Browser()
    try:
        page = Page(browser, url, server, arguments.key, arguments.shots)
        for function in CHECKS:
            name = function.__name__
            if arguments.names and name not in arguments.names:
                continue
            if function.scripted and server is None:
                skipped += 1
                print(f"SKIPPED {name}: needs the mock server's answers", flush=True)
                continue
            started = time.monotonic()
            try:
                page.fresh()
                function(page)
                page.watch()
                assert page.problems == [], page.problems
                passed += 1
                print(f"ok      {name} ({time.monotonic() - started:.1f} s)", flush=True)
            except Exception:
                failed += 1
                print(f"FAILED  {name}\n{traceback.format_exc()}", flush=True)
                page.shot(f"failed-{name}")
                page.problems.clear()
    finally:
        browser.close()
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
