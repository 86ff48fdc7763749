"""Chromium through chromedriver's WebDriver interface. Python's standard library only; Debian's chromium and chromium-driver."""
import base64, json, os, shutil, signal, socket, subprocess, tempfile, time, urllib.error, urllib.request

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
KEYS = {"Enter": "\ue007", "Shift": "\ue008", "Escape": "\ue00c", "Tab": "\ue004", "ArrowUp": "\ue013", "Control": "\ue009", "Space": " "}
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--disable-breakpad", "--hide-scrollbars", "--force-color-profile=srgb",
         # Whatever asks for another host finds none.
         "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"]


def missing():
    """Debian packages that are not installed, by the programs they bring."""
    return [package for program, package in (("chromium", "chromium"), ("chromedriver", "chromium-driver")) if not shutil.which(program)]


def eventually(condition, what, seconds=60.0):
    """Waits until `condition()` is true, and returns what it was. Long, for a machine that is busy with something else."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"never happened within {seconds} s: {what}"
        time.sleep(0.03)


class Element:
    def __init__(self, browser, id_):
        self.browser, self.id = browser, id_

    def do(self, path, body=None):
        return self.browser.call("POST" if body is not None else "GET", f"element/{self.id}/{path}", body)

    def click(self):
        """Clicks; again if the page scrolled away from under the pointer while an answer was streaming, as a person would."""
        for attempt in range(50):
            try:
                return self.do("click", {})
            except AssertionError as error:
                if "click intercepted" not in str(error) or attempt == 49:
                    raise
                time.sleep(0.1)

    def type(self, text):
        self.do("value", {"text": text})

    def text(self):
        return self.browser.js("return arguments[0].innerText", self)

    def shown(self):
        return self.do("displayed")


class Browser:
    def __init__(self):
        self.profile = tempfile.TemporaryDirectory(prefix="sambay-chromium-", ignore_cleanup_errors=True)
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.driver = subprocess.Popen(["chromedriver", f"--port={self.port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                       start_new_session=True)
        self.base = f"http://127.0.0.1:{self.port}"
        eventually(self.ready, "chromedriver answers")
        flags = FLAGS + [f"--user-data-dir={self.profile.name}", "--window-size=1200,820"]
        self.session = None
        try:
            self.start(flags)
        except BaseException:
            self.close()
            raise

    def start(self, flags):
        made = self.request("POST", "/session", {"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": {"args": flags, "prefs": {"download.default_directory": self.profile.name}},
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}}})
        self.session = f"/session/{made['sessionId']}"

    def ready(self):
        try:
            return self.request("GET", "/status")["ready"]
        except OSError:
            return False

    def close(self):
        try:
            if self.session:
                self.request("DELETE", self.session)
        except (OSError, AssertionError):
            pass
        self.driver.terminate()
        self.driver.wait(30)
        try:
            os.killpg(self.driver.pid, signal.SIGKILL)  # a browser that was still starting outlives its driver
        except ProcessLookupError:
            pass
        self.profile.cleanup()

    def request(self, method, path, body=None):
        request = urllib.request.Request(self.base + path, method=method, headers={"Content-Type": "application/json"},
                                         data=json.dumps(body).encode() if body is not None else None)
        try:
            with urllib.request.urlopen(request, timeout=240) as response:
                return json.load(response)["value"]
        except urllib.error.HTTPError as error:
            value = json.load(error)["value"]
            raise AssertionError(f"{value['error']}: {value['message'].splitlines()[0]}") from None

    def call(self, method, path, body=None):
        return self.request(method, f"{self.session}/{path}", body)

    def cdp(self, command, **parameters):
        return self.call("POST", "goog/cdp/execute", {"cmd": command, "params": parameters})

    def open(self, url):
        self.call("POST", "url", {"url": url})

    def reload(self):
        self.call("POST", "refresh", {})

    def js(self, script, *arguments):
        arguments = [{ELEMENT: a.id} if isinstance(a, Element) else a for a in arguments]
        return self.call("POST", "execute/sync", {"script": script, "args": arguments})

    def all(self, selector):
        return [Element(self, found[ELEMENT]) for found in self.call("POST", "elements", {"using": "css selector", "value": selector})]

    def one(self, selector):
        found = self.all(selector)
        assert found, f"no element {selector}"
        return found[-1]

    def press(self, *keys):
        """Presses keys at the same time, on whatever has the focus."""
        keys = [KEYS.get(key, key) for key in keys]
        actions = [{"type": "keyDown", "value": key} for key in keys] + [{"type": "keyUp", "value": key} for key in reversed(keys)]
        self.call("POST", "actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def type(self, text):
        for character in text:
            self.press(character)

    def size(self, width, height, mobile=False):
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=2 if mobile else 1, mobile=mobile)

    def colours(self, scheme):
        self.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def logs(self, kind):
        return self.call("POST", "se/log", {"type": kind})

    def screenshot(self, path):
        with open(path, "wb") as f:
            f.write(base64.b64decode(self.call("GET", "screenshot")))
