// How one message looks: a question that can be edited, or an answer with its thinking, its figures and what went wrong.
import { copyWithButton, count, el, icon, iconButton, seconds } from './dom.js';
import { LiveMarkdown } from './render.js';

/** A question. `actions`: edit(message, text). */
export class QuestionView {
  constructor(message, actions) {
    this.message = message;
    this.actions = actions;
    this.node = el('article', { class: 'message question', 'aria-label': 'Question' });
    this.#show();
  }

  update() {}
  tick() {}

  #show() {
    const copy = iconButton('copy', 'Copy the question', () => copyWithButton(copy, this.message.content), 'icon-button small');
    this.editButton = iconButton('edit', 'Edit the question', () => this.edit(), 'icon-button small');
    this.node.replaceChildren(el('div', { class: 'bubble', text: this.message.content }), el('div', { class: 'actions' }, copy, this.editButton));
  }

  edit() {
    const box = el('textarea', { class: 'edit-box', 'aria-label': 'Edit the question', rows: '1' });
    const leave = () => {
      this.#show();
      this.editButton.focus();
    };
    const send = () => {
      if (box.value.trim()) this.actions.edit(this.message, box.value.trim());
    };
    box.value = this.message.content;
    box.addEventListener('input', () => fitHeight(box));
    box.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') {
        event.stopPropagation();
        leave();
      } else if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        send();
      }
    });
    this.node.replaceChildren(el('div', { class: 'editor' }, box,
      el('div', { class: 'editor-foot' },
        el('span', { class: 'small', text: 'What follows this question is replaced.' }),
        el('button', { type: 'button', class: 'button', text: 'Cancel', on: { click: leave } }),
        el('button', { type: 'button', class: 'button primary', text: 'Send', on: { click: send } }))));
    fitHeight(box);
    box.focus();
    box.setSelectionRange(box.value.length, box.value.length);
  }
}

export function fitHeight(area) {
  area.style.height = 'auto';
  area.style.height = `${area.scrollHeight + area.offsetHeight - area.clientHeight}px`;
}

const ERROR_TITLES = {
  key: 'The server wants an API key', busy: 'The server is busy', unavailable: 'The server is not ready', request: 'The server refused the request',
  server: 'The server failed', network: 'The server cannot be reached', broken: 'The connection broke',
};

/** An answer. `actions`: retry(message), useKey(key, remember, message). */
export class AnswerView {
  #thinking;
  #answer;
  #noticeFor = '';

  constructor(message, actions) {
    this.message = message;
    this.actions = actions;
    this.node = el('article', { class: 'message answer', 'aria-label': 'Answer' });
    this.#build();
  }

  #build() {
    this.thinkingText = el('div', { class: 'markdown thinking-text' });
    this.thinkingLabel = el('span', { class: 'thinking-label' });
    this.peek = el('span', { class: 'peek', 'aria-hidden': 'true' });
    this.thinking = el('details', { class: 'thinking', hidden: true, on: { toggle: () => this.#showThinking() } },
      el('summary', {}, icon('chevron'), this.thinkingLabel, this.peek), this.thinkingText);
    this.text = el('div', { class: 'markdown answer-text' });
    this.waiting = el('p', { class: 'waiting', hidden: true }, el('span', { class: 'pulse', 'aria-hidden': 'true' }), el('span'));
    this.notice = el('div', { class: 'notice', hidden: true });
    this.stats = el('span', { class: 'stats' });
    const copy = iconButton('copy', 'Copy the answer', () => copyWithButton(copy, this.message.content), 'icon-button small');
    this.retryButton = iconButton('retry', 'Answer again', () => this.actions.retry(this.message), 'icon-button small retry');
    this.copyButton = copy;
    this.foot = el('footer', {}, el('div', { class: 'actions' }, copy, this.retryButton), this.stats);
    this.node.append(this.thinking, this.text, this.waiting, this.notice, this.foot);
    this.#thinking = new LiveMarkdown(this.thinkingText);
    this.#answer = new LiveMarkdown(this.text);
  }

  /** Shows the message as it is now; `run` is there while it is being written, `isLast` when nothing follows it. */
  update(run, isLast) {
    const { message } = this;
    const live = message.state === 'streaming';
    this.run = run;
    this.node.setAttribute('aria-busy', String(live));
    this.node.classList.toggle('live', live);
    this.thinking.hidden = message.reasoning === '';
    this.#showThinking();
    this.#answer.update(message.content, !live);
    this.#showNotice(isLast);
    this.foot.hidden = (live || message.state === 'error') && message.content === '' && message.reasoning === '';
    this.retryButton.hidden = live || !isLast || message.state === 'error';  // an error has a larger button
    this.copyButton.hidden = live || message.content === '';
    this.tick();
  }

  /** What changes with the clock alone. */
  tick() {
    const { message, run } = this;
    const live = message.state === 'streaming';
    const phase = run?.phase ?? (message.content ? 'answering' : message.reasoning ? 'thinking' : 'waiting');
    this.waiting.hidden = !(live && phase === 'waiting');
    if (!this.waiting.hidden) this.waiting.lastChild.textContent = run ? `Reading the prompt … ${seconds(run.waitingMs)}` : 'Being answered in another tab …';
    const thinkingNow = live && phase === 'thinking';
    this.thinking.classList.toggle('running', thinkingNow);
    this.thinkingLabel.textContent = this.#thinkingLabel(thinkingNow);
    this.peek.textContent = thinkingNow && !this.thinking.open ? lastLine(message.reasoning) : '';
    this.stats.textContent = live ? this.#liveFigures(run) : figures(message.stats, message);
    if (message.error?.retryAt) this.#tickRetry();
  }

  #thinkingLabel(now) {
    const ms = now && this.run ? this.run.thinkingMs : this.run ? this.run.thinkingMs : this.message.stats.thinkingMs;
    const time = ms === undefined ? '' : seconds(ms);
    if (now) return `Thinking … ${time}`;
    return time ? `Thought for ${time}` : 'Thinking';
  }

  #liveFigures(run) {
    if (!run) return '';
    const { pieces, perSecond } = run.pace;
    return pieces ? `≈ ${count(pieces, 'token')}${perSecond ? ` · ${perSecond.toFixed(1)} tokens/s` : ''}` : '';
  }

  #showThinking() {
    // Folded thinking is not worth rendering.
    if (this.thinking.open) this.#thinking.update(this.message.reasoning, this.message.state !== 'streaming' || this.message.content !== '');
  }

  #showNotice(isLast) {
    const { state, finish, error } = this.message;
    const shown = `${state} ${finish} ${isLast} ${error?.kind} ${error?.message}`;
    if (shown === this.#noticeFor) return;
    this.#noticeFor = shown;
    const parts = state === 'error' ? this.#errorParts(isLast) : this.#endParts(state, finish);
    this.notice.hidden = parts.length === 0;
    this.notice.className = `notice ${state === 'error' ? 'error' : ''}`;
    this.notice.replaceChildren(...parts);
  }

  #endParts(state, finish) {
    if (state === 'stopped') return [el('p', { text: 'Stopped.' })];
    if (state === 'interrupted') return [el('p', { text: 'The page was left while this was being written. What had arrived is kept.' })];
    if (state === 'done' && finish === 'length') return [el('p', { text: 'The limit of tokens was reached: the answer may be cut off.' })];
    if (state === 'done' && this.message.content === '') return [el('p', { text: 'The model gave no answer.' })];
    return [];
  }

  #errorParts(isLast) {
    const { error, content, reasoning } = this.message;
    const title = ERROR_TITLES[error?.kind] ?? ERROR_TITLES.server;
    const kept = error?.kind === 'broken' && (content || reasoning) ? ' What had arrived is kept.' : '';
    const repeats = error?.message?.replace(/\.$/, '') === title;
    const parts = [el('strong', { text: title })];
    if (error?.message && !repeats) parts.push(el('p', { text: error.message + kept }));
    else if (kept) parts.push(el('p', { text: kept.trim() }));
    if (error?.kind === 'network') parts.push(el('p', { text: 'Is it running? Nothing is lost: try again when it is back.' }));
    if (!isLast) return parts;
    if (error?.kind === 'key') return [...parts, this.#keyForm()];
    this.retryLine = el('p', { class: 'retry-line', hidden: true });
    parts.push(this.retryLine, el('button', { type: 'button', class: 'button', text: 'Try again', on: { click: () => this.actions.retry(this.message) } }));
    return parts;
  }

  #tickRetry() {
    if (!this.retryLine) return;
    const left = Math.ceil((this.message.error.retryAt - Date.now()) / 1000);
    this.retryLine.hidden = false;
    const text = left > 0 ? `It asks to wait ${count(left, 'second')}.` : 'The wait is over.';
    if (this.retryLine.textContent !== text) this.retryLine.textContent = text;
  }

  #keyForm() {
    const key = el('input', { type: 'password', autocomplete: 'off', spellcheck: 'false', placeholder: 'API key', 'aria-label': 'API key', required: true });
    const remember = el('input', { type: 'checkbox' });
    const form = el('form', { class: 'key-form' }, key, el('button', { type: 'submit', class: 'button primary', text: 'Use this key' }),
      el('label', { class: 'check' }, remember, 'Remember it in this browser'));
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.actions.useKey(key.value, remember.checked, this.message);
    });
    return form;
  }
}

/** The end of what is being thought, as one line of plain text. */
function lastLine(text) {
  const line = text.trimEnd().split('\n').pop() ?? '';
  return line.slice(-160);
}

function figures(stats, message) {
  const parts = [];
  const exact = stats.tokens !== undefined;
  const tokens = exact ? stats.tokens : stats.pieces;
  if (tokens !== undefined && tokens > 0) {
    const thinking = stats.thinking > 0 ? ` (${stats.thinking.toLocaleString('en')} thinking)` : '';
    parts.push(`${exact ? '' : '≈ '}${count(tokens, 'token')}${thinking}`);
  }
  if (stats.perSecond > 0) parts.push(`${stats.perSecond.toFixed(1)} tokens/s`);
  if (stats.firstMs !== undefined) parts.push(`first token after ${stats.firstMs < 995 ? `${Math.round(stats.firstMs)} ms` : seconds(stats.firstMs)}`);
  if (stats.prompt !== undefined) {
    parts.push(`prompt ${count(stats.prompt, 'token')}${stats.cached > 0 ? `, ${stats.cached.toLocaleString('en')} cached` : ''}`);
  }
  return message.state === 'error' && !message.content ? '' : parts.join(' · ');
}
