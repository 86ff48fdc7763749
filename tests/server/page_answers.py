"""Checks of asking, answering, stopping, asking again; page_test.py runs them."""
import time

from browser import eventually
from mock_server import SCRIPTS
from page_harness import IDLE, check


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
