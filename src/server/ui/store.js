// What the browser keeps: conversations, drafts, settings. Everything read back is checked, for storage can be edited and files imported.

const CHAT = 'sambay.chat.';
const DRAFT = 'sambay.draft.';
export const EXPORT_FORMAT = 'sambay-chats';

const text = (value, limit = Infinity) => (typeof value === 'string' ? value.slice(0, limit) : '');
const number = (value) => (typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : null);

function checkedMessage(raw) {
  if (raw?.role === 'user') return { role: 'user', content: text(raw.content) };
  if (raw?.role !== 'assistant') return null;
  const states = ['streaming', 'done', 'stopped', 'interrupted', 'error'];
  const message = { role: 'assistant', content: text(raw.content), reasoning: text(raw.reasoning) };
  message.state = states.includes(raw.state) ? raw.state : 'done';
  message.finish = text(raw.finish, 40);
  message.beat = number(raw.beat) ?? 0;
  message.stats = Object.fromEntries(Object.entries(raw.stats ?? {}).filter(([, value]) => number(value) !== null));
  if (raw.error) {
    message.error = { kind: text(raw.error.kind, 20), message: text(raw.error.message, 2000), retryAt: number(raw.error.retryAt) };
  }
  return message;
}

/** A conversation as the page wants it, or null if `raw` is none. */
export function checkedChat(raw) {
  if (typeof raw !== 'object' || raw === null || !Array.isArray(raw.messages)) return null;
  const id = text(raw.id);
  if (!/^[a-z0-9-]{8,64}$/.test(id)) return null;
  return {
    id, title: text(raw.title, 200) || 'Chat', created: number(raw.created) ?? Date.now(), updated: number(raw.updated) ?? Date.now(),
    messages: raw.messages.map(checkedMessage).filter(Boolean),
  };
}

export function newChat() {
  // randomUUID exists on secure origins only.
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  const id = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return { id, title: '', created: Date.now(), updated: Date.now(), messages: [] };
}

/** Local storage, or memory where there is none. `onTrouble` hears, once per kind, why something is not kept. */
export class Store {
  #local;
  #told = new Set();

  constructor(onTrouble) {
    this.onTrouble = onTrouble;
    try {
      this.#local = window.localStorage;
      this.#local.setItem('sambay.probe', '1');
      this.#local.removeItem('sambay.probe');
    } catch {
      this.#local = null;
    }
    this.memory = new Map();
  }

  get kept() {
    return this.#local !== null;
  }

  get(key) {
    return (this.#local ? this.#local.getItem(key) : this.memory.get(key)) ?? null;
  }

  set(key, value) {
    if (!this.#local) {
      this.memory.set(key, value);
      this.#tell('none', 'This browser keeps nothing for this page: conversations are gone when it is closed.');
      return;
    }
    try {
      this.#local.setItem(key, value);
    } catch {
      this.#tell('full', "The browser's storage is full. What comes now is not kept: export and delete old conversations.");
    }
  }

  remove(key) {
    if (this.#local) this.#local.removeItem(key);
    else this.memory.delete(key);
    this.#told.delete('full');
  }

  #tell(kind, message) {
    if (this.#told.has(kind)) return;
    this.#told.add(kind);
    this.onTrouble(message);
  }

  chats() {
    const keys = this.#local ? Array.from({ length: this.#local.length }, (_, i) => this.#local.key(i)) : [...this.memory.keys()];
    return keys.filter((key) => key?.startsWith(CHAT)).map((key) => this.chat(key.slice(CHAT.length))).filter(Boolean);
  }

  chat(id) {
    try {
      return checkedChat(JSON.parse(this.get(CHAT + id)));
    } catch {
      return null;
    }
  }

  has(id) {
    return this.get(CHAT + id) !== null;
  }

  save(chat) {
    this.set(CHAT + chat.id, JSON.stringify(chat));
  }

  delete(id) {
    this.remove(CHAT + id);
    this.remove(DRAFT + id);
  }

  draft(id) {
    return this.get(DRAFT + id) ?? '';
  }

  saveDraft(id, value) {
    if (value) this.set(DRAFT + id, value);
    else this.remove(DRAFT + id);
  }

  /** Calls back with the id of a conversation that another tab changed or deleted. */
  onChange(callback) {
    window.addEventListener('storage', (event) => {
      if (event.key?.startsWith(CHAT)) callback(event.key.slice(CHAT.length));
    });
  }
}

export function exported(chats) {
  return JSON.stringify({ format: EXPORT_FORMAT, version: 1, chats }, null, 1);
}

/** Conversations of an exported file, with new ids where `taken` says so. Throws Error with a readable message. */
export function imported(json, taken) {
  let file;
  try {
    file = JSON.parse(json);
  } catch {
    throw new Error('The file is not JSON.');
  }
  if (file?.format !== EXPORT_FORMAT || !Array.isArray(file.chats)) throw new Error('The file holds no exported conversations.');
  if (file.version !== 1) throw new Error(`The file is of version ${file.version}; this page reads version 1.`);
  const chats = file.chats.map(checkedChat).filter(Boolean);
  if (!chats.length) throw new Error('The file holds no conversation that can be read.');
  return chats.map((chat) => (taken(chat.id) ? { ...chat, id: newChat().id } : chat));
}
