// The page: which conversation is shown, which answers are on their way, and what the buttons do.
import { ApiError, listModels } from './api.js';
import { announce, download, el } from './dom.js';
import { buildFrame, closeDrawer, leaveDrawer } from './frame.js';
import { AnswerView, fitHeight, QuestionView } from './messages.js';
import { newAnswer, requestMessages, Run } from './run.js';
import { Settings } from './settings.js';
import { Sidebar } from './sidebar.js';
import { exported, imported, newChat, Store } from './store.js';

const $ = (id) => document.getElementById(id);
const EXAMPLES = ['What is 347 + 589?', 'Solve 3x + 7 = 40.', 'Sort these numbers: 41, 7, 93, 18, 66'];
const SAVE_EVERY_MS = 400;
const STALE_MS = 4000;  // an answer that another tab writes is saved far more often
const touch = window.matchMedia('(pointer: coarse)');

const store = new Store((message) => showBanner(message));
const settings = new Settings(store, loadModels);
const chats = new Map(store.chats().map((chat) => [chat.id, chat]));
const runs = new Map();  // of conversation ids
const sidebar = new Sidebar($('chats'), { open: openChat, rename, export: exportChat, delete: deleteChat });
let current = newChat();
let views = [];
let model = '';
let following = true;  // the newest message is kept in sight

// ---- conversations -------------------------------------------------------------------------------------------------

function showSidebar() {
  sidebar.show(chats.values(), current.id, (id) => runs.has(id));
  $('export-all').disabled = chats.size === 0;
}

function rememberCurrent() {
  try {
    sessionStorage.setItem('sambay.current', current.id);
  } catch {
    // Then a reload starts a new conversation; the old ones are in the list.
  }
}

function openChat(chat) {
  current = chat;
  rememberCurrent();
  settleInterrupted(chat);
  $('prompt').value = store.draft(chat.id);
  fitHeight($('prompt'));
  showMessages();
  showSidebar();
  closeDrawer();
  following = true;
  follow();
  focusPrompt();
}

/** Ready for the next question; but where that would bring up a keyboard over half of the screen, it is for the user to do. */
function focusPrompt() {
  (touch.matches ? $('scroller') : $('prompt')).focus({ preventScroll: true });
}

/** Whether an answer of this conversation is being written, here or in another tab. */
function isAnswering(chat) {
  return runs.has(chat.id) || chat.messages.at(-1)?.state === 'streaming';
}

/** An answer that nobody writes any more: its page was closed or crashed. */
function settleInterrupted(chat) {
  const last = chat.messages.at(-1);
  if (last?.state !== 'streaming' || runs.has(chat.id)) return;
  const age = Date.now() - last.beat;
  if (age >= 0 && age < STALE_MS) {
    setTimeout(() => chats.get(chat.id) === chat && settleInterrupted(chat), STALE_MS - age + 50);
    return;
  }
  last.state = 'interrupted';
  store.save(chat);
  if (chat === current) updateViews();
}

function startNew() {
  openChat(newChat());
}

function rename(chat, title) {
  if (title !== chat.title) {
    chat.title = title;
    store.save(chat);
  }
  showSidebar();
  showTitle();
}

function exportChat(chat) {
  download(`${chat.title.replace(/[^\p{L}\p{N}]+/gu, '-').replace(/^-|-$/g, '').slice(0, 40) || 'chat'}.json`, exported([chat]));
}

function deleteChat(chat) {
  $('confirm-text').textContent = `Delete “${chat.title}”? It is kept nowhere else.`;
  const dialog = $('confirm');
  dialog.returnValue = 'no';
  dialog.addEventListener('close', () => {
    if (dialog.returnValue !== 'yes') return;
    runs.get(chat.id)?.stop();
    runs.delete(chat.id);
    chats.delete(chat.id);
    store.delete(chat.id);
    announce('Deleted');
    if (current.id === chat.id) startNew();
    else showSidebar();
  }, { once: true });
  dialog.showModal();
}

async function importFile(file) {
  try {
    const added = imported(await file.text(), (id) => chats.has(id));
    for (const chat of added) {
      chats.set(chat.id, chat);
      store.save(chat);
    }
    openChat(added[0]);
    announce(added.length === 1 ? 'One conversation imported' : `${added.length} conversations imported`);
  } catch (error) {
    showBanner(`Nothing was imported. ${error.message}`);
  }
}

// ---- messages ------------------------------------------------------------------------------------------------------

function showTitle() {
  $('title').textContent = current.title || 'New chat';
  document.title = current.title ? `${current.title} · sambay` : 'sambay';
}

function viewOf(message) {
  if (message.role === 'user') return new QuestionView(message, { edit });
  return new AnswerView(message, { retry, useKey });
}

function showMessages() {
  showTitle();
  views = current.messages.map(viewOf);
  $('messages').replaceChildren(...views.map(({ node }) => node));
  $('empty').hidden = views.length > 0;
  updateViews();
}

function updateViews() {
  views.slice(0, -1).forEach((view) => view.update(null, false));
  updateLast();
}

/** Only the last message can be on its way. */
function updateLast() {
  const run = runs.get(current.id);
  const view = views.at(-1);
  view?.update(run?.message === view.message ? run : null, true);
  showComposer();
}

function showComposer() {
  const running = runs.has(current.id);
  $('stop').hidden = !running;
  $('send').hidden = running;
  $('send').disabled = $('prompt').value.trim() === '' || isAnswering(current);
}

function follow() {
  const scroller = $('scroller');
  if (following) scroller.scrollTop = scroller.scrollHeight;
  showJump();
}

function showJump() {
  const scroller = $('scroller');
  $('jump').hidden = following || scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 80;
}

// ---- asking --------------------------------------------------------------------------------------------------------

function titleOf(text) {
  const line = text.trim().split('\n')[0].replace(/\s+/g, ' ');
  return line.length > 60 ? `${line.slice(0, 57).trimEnd()}…` : line;
}

function ask(text) {
  if (isAnswering(current) || !text.trim()) return;
  current.messages.push({ role: 'user', content: text.trim() });
  if (!current.title) current.title = titleOf(text);
  store.saveDraft(current.id, '');
  $('prompt').value = '';
  fitHeight($('prompt'));
  answer();
}

function edit(message, text) {
  const at = current.messages.indexOf(message);
  if (at < 0) return;
  runs.get(current.id)?.stop();
  runs.delete(current.id);
  current.messages.length = at;
  current.messages.push({ role: 'user', content: text });
  if (at === 0) current.title = titleOf(text);
  answer();
  focusPrompt();
}

function retry(message) {
  const at = current.messages.indexOf(message);
  if (at < 1 || runs.has(current.id)) return;
  current.messages.length = at;
  answer();
  focusPrompt();
}

function useKey(key, remember, message) {
  settings.setKey(key, remember);
  retry(message);
}

/** Asks for an answer to the last question of the current conversation. */
function answer() {
  const chat = current;
  const messages = requestMessages(chat.messages, settings.system);
  const message = newAnswer();
  chat.messages.push(message);
  chat.updated = Date.now();
  chats.set(chat.id, chat);
  const run = new Run(message, { onChange: () => changed(chat), onEnd: () => finished(chat, run) });
  runs.set(chat.id, run);
  store.save(chat);
  following = true;
  rememberCurrent();
  showMessages();
  showSidebar();
  follow();
  announce('Answering');
  run.start({ ...(model ? { model } : {}), messages, ...settings.sampling }, settings.key);
}

const dirty = new Set();
let frame = 0;
let paintMs = 0;
let lastPaint = 0;

function changed(chat) {
  dirty.add(chat);
  if (!frame) frame = requestAnimationFrame(paint);
}

function paint(now) {
  frame = 0;
  // A long answer takes longer to lay out: painting gets a third of the time at most, so that the page stays quick.
  if (now - lastPaint < 3 * paintMs) {
    frame = requestAnimationFrame(paint);
    return;
  }
  const start = performance.now();
  if (dirty.has(current) || runs.has(current.id)) {
    updateLast();
    follow();
  }
  lastPaint = performance.now();
  paintMs = lastPaint - start;
}

function save() {
  for (const chat of dirty) if (chats.has(chat.id)) store.save(chat);
  dirty.clear();
}

function finished(chat, run) {
  if (runs.get(chat.id) !== run) return;  // edited or deleted meanwhile
  runs.delete(chat.id);
  store.save(chat);
  dirty.delete(chat);
  showSidebar();
  if (chat !== current) return;
  updateViews();
  follow();
  announce(spoken(run.message));
  if (run.message.error?.kind === 'key') {
    $('banner').hidden = true;  // the form below says it better
    $('messages').querySelector('.key-form input')?.focus();
  }
}

function spoken(message) {
  if (message.state === 'stopped') return 'Stopped';
  if (message.state === 'error') return `Error: ${message.error.message}`;
  return `Answer: ${views.at(-1)?.text?.innerText.slice(0, 1000) || 'empty'}`;
}

function stop() {
  runs.get(current.id)?.stop();
  focusPrompt();
}

// ---- around it -----------------------------------------------------------------------------------------------------

function showBanner(message, ...buttons) {
  const close = el('button', { type: 'button', class: 'button', text: 'Dismiss', on: { click: () => ($('banner').hidden = true) } });
  $('banner').replaceChildren(el('span', { text: message }), ...buttons, close);
  $('banner').hidden = false;
}

/** Asks for the model's name; also the first sign of a missing key or server. */
async function loadModels() {
  const openSettings = el('button', { type: 'button', class: 'button', text: 'Enter a key', on: { click: () => settings.open() } });
  const again = el('button', { type: 'button', class: 'button', text: 'Try again', on: { click: loadModels } });
  try {
    const [name = ''] = await listModels(settings.key);
    model = name;
    $('model').textContent = name;
    $('model').title = name;
    $('model').hidden = name === '';
    $('banner').hidden = true;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.kind === 'key') showBanner(settings.key ? 'The server does not accept this API key.' : 'This server wants an API key.', openSettings);
    else showBanner(error.kind === 'network' ? 'The server cannot be reached.' : `The server says: ${error.message}`, again);
  }
}

function onEscape(event) {
  if (event.key !== 'Escape' || event.isComposing || document.querySelector('dialog[open]')) return;
  if (!leaveDrawer() && runs.has(current.id)) stop();
}

function onPromptKey(event) {
  if (event.isComposing) return;  // Enter then picks a word
  if (event.key === 'Enter' && !event.shiftKey) {
    event.preventDefault();
    ask($('prompt').value);
  } else if (event.key === 'ArrowUp' && $('prompt').value === '' && !runs.has(current.id)) {
    const last = views.findLast((view) => view instanceof QuestionView);
    if (!last) return;
    event.preventDefault();
    last.edit();
  }
}

function onPromptInput() {
  fitHeight($('prompt'));
  store.saveDraft(current.id, $('prompt').value);
  showComposer();
}

/** The page may never come back from here: everything is written down. */
function onLeave() {
  for (const [id, run] of runs) {
    const chat = chats.get(id);
    if (!chat) continue;
    run.message.state = 'interrupted';
    store.save(chat);
  }
  // The browser breaks the streams off now; that is no news worth keeping.
  runs.clear();
  dirty.clear();
}

function onStorage(id) {
  if (runs.has(id)) return;  // this tab writes it
  const chat = store.chat(id);
  if (chat && id === current.id && sameQuestions(chat, current)) {
    // The answer has grown: what is unfolded or selected above stays so.
    chat.messages.forEach((message, i) => Object.assign(current.messages[i], message));
    Object.assign(current, { title: chat.title, updated: chat.updated });
    showTitle();
    updateViews();
    follow();
    settleInterrupted(current);
  } else {
    if (chat) chats.set(id, chat);
    else chats.delete(id);
    if (chat && id === current.id && !$('messages').querySelector('.editor')) {
      current = chat;
      showMessages();
      follow();
      settleInterrupted(chat);
    }
  }
  showSidebar();
}

function sameQuestions(a, b) {
  return a.messages.length === b.messages.length &&
    a.messages.every((message, i) => message.role === b.messages[i].role && (message.role === 'assistant' || message.content === b.messages[i].content));
}

function listen() {
  const on = (id, event, listener) => $(id).addEventListener(event, listener);
  on('composer', 'submit', (event) => {
    event.preventDefault();
    ask($('prompt').value);
  });
  on('prompt', 'keydown', onPromptKey);
  on('prompt', 'input', onPromptInput);
  on('stop', 'click', stop);
  on('new-chat', 'click', startNew);
  on('open-settings', 'click', () => settings.open());
  on('export-all', 'click', () => download('sambay-chats.json', exported([...chats.values()])));
  on('import', 'click', () => $('import-file').click());
  on('import-file', 'change', () => {
    const [file] = $('import-file').files;
    if (file) importFile(file);
    $('import-file').value = '';
  });
  on('jump', 'click', () => {
    following = true;
    follow();
    focusPrompt();
  });
  on('scroller', 'scroll', () => {
    const { scrollHeight, scrollTop, clientHeight } = $('scroller');
    following = scrollHeight - scrollTop - clientHeight < 60;
    showJump();
  });
  document.addEventListener('keydown', onEscape);
  window.addEventListener('pagehide', onLeave);
  window.addEventListener('pageshow', (event) => event.persisted && location.reload());
  document.addEventListener('visibilitychange', () => document.hidden && save());
  store.onChange(onStorage);
  setInterval(() => views.at(-1)?.tick(), 100);
  setInterval(save, SAVE_EVERY_MS);
}

function start() {
  $('examples').append(...EXAMPLES.map((text) =>
    el('li', {}, el('button', { type: 'button', class: 'example', text, on: { click: () => ask(text) } }))));
  settings.build($('settings'));
  buildFrame(store);
  listen();
  for (const chat of chats.values()) settleInterrupted(chat);
  let last = null;
  try {
    last = chats.get(sessionStorage.getItem('sambay.current'));
  } catch {
    // As in rememberCurrent.
  }
  openChat(last ?? current);
  loadModels();
}

start();
