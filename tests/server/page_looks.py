"""Checks of colours, narrow screens, keys, names, and of the policy; page_test.py runs them."""
import time

from browser import eventually
from mock_server import LATEX, SCRIPTS
from page_harness import check


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
    assert page.hosts and page.hosts <= page.own_hosts, page.hosts
    assert page.problems == [], page.problems
