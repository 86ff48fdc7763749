"""Checks of what becomes of the text that a model writes; page_test.py runs them."""
from browser import eventually
from mock_server import HOSTILE, LATEX, SCRIPTS
from page_harness import check


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
