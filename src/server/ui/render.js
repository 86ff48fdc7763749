// From the model's text to nodes. What a model writes is hostile input: marked turns it into HTML that knows no raw tags, DOMPurify checks
// that again, and KaTeX builds its nodes afterwards, in place (its HTML would carry style attributes, which the policy of this page forbids).
import { copyWithButton, el, icon } from './dom.js';

const { marked, DOMPurify, katex } = window;

// Debian 12's DOMPurify (2.4.1+dfsg+~2.4.0-2+deb12u1) reads a variable in sanitize() that its security patch declares in another function,
// so every call throws. This is what the variable would hold before the first node; all nodes are checked in the loop after it. A repaired
// DOMPurify does not see it.
globalThis.shadowNode ??= { __depth: 0 };

const escaped = (text) => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

// ---- LaTeX ---------------------------------------------------------------------------------------------------------

const texSpan = (tex, display) => `<span class="tex${display ? ' tex-display' : ''}">${escaped(tex)}</span>`;

/** `$$ … $$` and `\[ … \]` that start a line. An unclosed one is a formula on its way while more text may come. */
const blockMath = {
  name: 'blockMath',
  level: 'block',
  start: (src) => src.match(/(?:^|\n)[ \t]*(?:\$\$|\\\[)/)?.index,
  tokenizer(src) {
    const open = /^[ \t]*(\$\$|\\\[)/.exec(src);
    if (!open) return undefined;
    const closing = open[1] === '$$' ? '$$' : '\\]';
    const end = src.indexOf(closing, open[0].length);
    if (end < 0) {
      return growing ? { type: 'blockMath', raw: src, tex: src.slice(open[0].length), open: true } : undefined;
    }
    const tex = src.slice(open[0].length, end);
    const after = /^[ \t]*(?:\n|$)/.exec(src.slice(end + closing.length));
    if (!after || /\n[ \t]*\n/.test(tex.trim()) || !tex.trim()) return undefined;
    return { type: 'blockMath', raw: src.slice(0, end + closing.length + after[0].length), tex };
  },
  renderer: ({ tex, open }) => (open ? `<pre class="tex-growing">${escaped(tex)}</pre>` : `<p>${texSpan(tex.trim(), true)}</p>`),
};

const inlineForms = [
  { pattern: /^\\\(([^]+?)\\\)/, display: false },
  { pattern: /^\\\[([^]+?)\\\]/, display: true },
  { pattern: /^\$\$([^]+?)\$\$/, display: true },
  // As pandoc reads it: no space inside the signs, no digit after them, so that "$5 and $10" stay prices.
  { pattern: /^\$(?![\s$])((?:\\.|[^\\$\n])+?)(?<!\s)\$(?!\d)/, display: false },
];

const inlineMath = {
  name: 'inlineMath',
  level: 'inline',
  start: (src) => src.match(/\$|\\[([]/)?.index,
  tokenizer(src) {
    for (const { pattern, display } of inlineForms) {
      const match = pattern.exec(src);
      if (match && match[1].trim() && !/\n[ \t]*\n/.test(match[1])) return { type: 'inlineMath', raw: match[0], tex: match[1].trim(), display };
    }
    return undefined;
  },
  renderer: ({ tex, display }) => texSpan(tex, display),
};

/** Two commands write a style attribute into the MathML that screen readers read, where it serves nobody. */
function withoutStyleAttributes(tree) {
  if (tree.attributes) delete tree.attributes.style;
  tree.children?.forEach(withoutStyleAttributes);
  return tree;
}

function renderMath(node) {
  const tex = node.textContent;
  const displayMode = node.classList.contains('tex-display');
  // A formula of somebody else's choosing: no links or images, bounded expansion and sizes.
  const options = { displayMode, throwOnError: true, trust: false, strict: 'ignore', maxExpand: 500, maxSize: 30 };
  try {
    if (tex.length > 20000) throw new Error('too long');
    node.replaceChildren(withoutStyleAttributes(katex.__renderToDomTree(tex, options)).toNode());
    if (displayMode) node.tabIndex = 0;
  } catch (error) {
    node.classList.add('tex-failed');
    node.title = String(error.message ?? error);
    node.textContent = displayMode ? `\\[${tex}\\]` : `\\(${tex}\\)`;
  }
}

// ---- Markdown ------------------------------------------------------------------------------------------------------

let growing = false;  // read by blockMath: marked hands its tokenizers no options of ours

const SAFE_LINK = /^(?:https?:\/\/|mailto:)/i;
const HARMLESS_TAG = /^<\/?(?:br|sub|sup|kbd|u)\s*\/?>$/i;

const renderer = {
  // Raw HTML is shown, not obeyed, but for a few tags without attributes that tables and formulas use.
  html: (html) => (HARMLESS_TAG.test(html.trim()) ? html : escaped(html)),
  // Nothing is loaded from anywhere: a picture becomes a link to it.
  image: (href, _title, text) => renderer.link(href, null, escaped(text || href || 'image')),
  link: (href, _title, text) => (SAFE_LINK.test(href ?? '') ? `<a href="${escaped(href)}">${text}</a>` : text),
  code: (code, info) => {
    const language = (info ?? '').match(/^[\w+#.-]{1,30}/)?.[0] ?? '';
    return `<pre><code title="${escaped(language)}">${escaped(code)}\n</code></pre>`;
  },
};

marked.use({
  gfm: true, breaks: true, mangle: false, headerIds: false, extensions: [blockMath, inlineMath],
  renderer: { ...renderer },
});

const PURIFY = {
  ALLOWED_TAGS: ['a', 'b', 'blockquote', 'br', 'code', 'del', 'em', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'hr', 'i', 'input', 'kbd', 'li', 'ol',
                 'p', 'pre', 's', 'span', 'strong', 'sub', 'sup', 'table', 'tbody', 'td', 'th', 'thead', 'tr', 'u', 'ul'],
  ALLOWED_ATTR: ['align', 'checked', 'class', 'disabled', 'href', 'start', 'title', 'type'],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  ALLOWED_URI_REGEXP: SAFE_LINK,
  ADD_URI_SAFE_ATTR: ['align', 'checked', 'disabled', 'start', 'type'],
  RETURN_DOM_FRAGMENT: true,
};

function dressCode(pre) {
  const code = pre.querySelector('code');
  if (!code) return;
  const language = code.title;
  code.removeAttribute('title');
  const copy = el('button', { type: 'button', class: 'icon-button small', 'aria-label': 'Copy the code', title: 'Copy the code',
                              on: { click: () => copyWithButton(copy, code.textContent) } }, icon('copy'));
  const block = el('div', { class: 'code-block' }, el('div', { class: 'code-head' }, el('span', { text: language || 'text' }), copy));
  pre.replaceWith(block);
  pre.tabIndex = 0;  // what scrolls must be reachable by keyboard
  block.append(pre);
}

function dress(fragment) {
  for (const link of fragment.querySelectorAll('a')) {
    link.target = '_blank';
    link.rel = 'noopener noreferrer nofollow';
  }
  for (const box of fragment.querySelectorAll('input')) {
    box.type = 'checkbox';
    box.disabled = true;
    box.setAttribute('aria-label', box.checked ? 'done' : 'open');
  }
  for (const table of fragment.querySelectorAll('table')) {
    const around = el('div', { class: 'table-scroll', tabindex: '0' });
    table.replaceWith(around);
    around.append(table);
  }
  fragment.querySelectorAll('pre').forEach(dressCode);
  fragment.querySelectorAll('.tex').forEach(renderMath);
  // A formula on its own line needs no line break around it.
  for (const math of fragment.querySelectorAll('.tex-display')) {
    for (const side of ['previousSibling', 'nextSibling']) {
      while (math[side]?.nodeName === 'BR' || (math[side]?.nodeType === Node.TEXT_NODE && !math[side].data.trim())) math[side].remove();
    }
  }
  return fragment;
}

function nodesOf(tokens) {
  const html = marked.parser(tokens);
  return dress(DOMPurify.sanitize(html, PURIFY));
}

/** Markdown of the model as nodes. Never throws: text that breaks the renderer is shown as it is. */
export function renderMarkdown(text, stillGrowing = false) {
  growing = stillGrowing;
  try {
    return nodesOf(marked.lexer(text));
  } catch (error) {
    console.error('Shown as plain text:', error);
    return el('p', { class: 'plain', text });
  }
}

/**
 * Markdown that grows at its end. Blocks that can no longer change are rendered once; only the last few are read again, so that a long
 * answer costs time in proportion to its length and not to its square.
 */
export class LiveMarkdown {
  #node;
  #settled = [];  // the source of each block that was rendered for good
  #settledLength = 0;
  #tail = [];
  #shown = null;

  constructor(node) {
    this.#node = node;
  }

  /** Shows `text`, which goes on where the last one ended, or starts anew; `final` when nothing more will come. */
  update(text, final) {
    const shown = text + (final ? '\0' : '');
    if (this.#shown === shown) return;
    if (this.#shown !== null && !text.startsWith(this.#shown.replace(/\0$/, ''))) this.#clear();
    this.#shown = shown;
    this.#tail.forEach((node) => node.remove());
    this.#tail = [];
    growing = !final;
    try {
      if (final) this.#finish(text);
      else this.#grow(text);
    } catch (error) {
      console.error('Shown as plain text:', error);
      this.#clear();
      this.#append(el('p', { class: 'plain', text }));
    }
  }

  #clear() {
    this.#settled = [];
    this.#settledLength = 0;
    this.#tail = [];
    this.#node.replaceChildren();
  }

  #grow(text) {
    const tokens = marked.lexer(text.slice(this.#settledLength));
    // A list goes on after a blank line, so the last three blocks stay open.
    let solid = tokens.length;
    for (let open = 0; solid > 0 && open < 3; ) if (tokens[--solid].type !== 'space') open++;
    const sources = tokens.slice(0, solid).map((token) => token.raw);
    // marked tidies line ends and tabs; where its source is not ours, nothing is settled.
    const source = sources.join('');
    if (solid > 0 && text.startsWith(source, this.#settledLength)) {
      this.#node.append(nodesOf(part(tokens, 0, solid)));
      this.#settled.push(...sources);
      this.#settledLength += source.length;
    } else {
      solid = 0;
    }
    this.#append(nodesOf(part(tokens, solid, tokens.length)));
  }

  /** What was settled stays if it reads the same within the whole text; a link's target may come last, then all is read again. */
  #finish(text) {
    const tokens = marked.lexer(text);
    let kept = this.#settled.length;
    const same = this.#settled.every((source, i) => tokens[i]?.raw === source) && Object.keys(tokens.links).length === 0;
    if (!same) {
      this.#clear();
      kept = 0;
    }
    this.#append(nodesOf(part(tokens, kept, tokens.length)));
  }

  #append(nodes) {
    const before = this.#node.childNodes.length;
    this.#node.append(nodes);
    this.#tail = [...this.#node.childNodes].slice(before);
  }
}

function part(tokens, from, to) {
  return Object.assign(tokens.slice(from, to), { links: tokens.links });
}
