"""Checks of what the browser keeps: conversations and settings; page_test.py runs them."""
import os

from browser import eventually
from page_harness import IDLE, check


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
