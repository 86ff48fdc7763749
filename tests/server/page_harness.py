"""What the checks of the web page share: their list, and the page in a browser as they see it."""
import os, time, urllib.parse

from browser import eventually

CHECKS = []
IDLE = "return document.getElementById('stop').hidden"


def check(function=None, *, scripted=False, served=False):
    """Marks a check; a scripted one needs answers that only the mock server gives, a served one a `sambay serve` of its own."""
    if function is None:
        return lambda f: check(f, scripted=scripted, served=served)
    function.scripted, function.served = scripted, served
    CHECKS.append(function)
    return function


class Page:
    """The page in a browser, empty at the start of each check."""

    def __init__(self, browser, url, server, program, key, shots):
        self.b, self.url, self.server, self.program, self.key, self.shots = browser, url, server, program, key, shots
        self.problems, self.hosts, self.own_hosts, self.requests_seen = [], set(), set(), 0

    def fresh(self):
        self.b.size(1200, 820)
        self.b.colours("light")
        self.b.open(self.url)
        self.b.js("localStorage.clear(); sessionStorage.clear()")
        self.b.open(self.url + "ui/icon.svg")  # so that leaving the page writes nothing back
        self.b.js("localStorage.clear(); sessionStorage.clear(); if (arguments[0]) localStorage.setItem('sambay.key', arguments[0])", self.key)
        self.open()

    def open(self):
        self.own_hosts.add(urllib.parse.urlsplit(self.url).netloc)
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
