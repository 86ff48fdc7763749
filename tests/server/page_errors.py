"""Checks of what is said when something goes wrong; page_test.py runs them."""
from browser import eventually
from page_harness import check


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
