// The settings: what a field means to the server, what it may be, and the dialog to change it.
import { announce, el } from './dom.js';

const LIMIT = 1048576;

/** An empty field is not sent: the server's default holds. */
const NUMBERS = [
  { key: 'temperature', label: 'Temperature', min: 0, max: 2, step: 0.05, help: '0 always takes the likeliest token.' },
  { key: 'top_p', label: 'Top p', min: 0.01, max: 1, step: 0.01, help: 'Likeliest tokens that together have this probability; 1 keeps all.' },
  { key: 'top_k', label: 'Top k', min: 0, max: 1000, step: 1, help: 'Only so many of the likeliest tokens; 0 keeps all.' },
  { key: 'min_p', label: 'Min p', min: 0, max: 1, step: 0.01, help: 'Drops tokens below this share of the likeliest; 0 keeps all.' },
  { key: 'seed', label: 'Seed', min: 0, max: 4294967295, step: 1, help: 'The same seed gives the same text.' },
  { key: 'max_tokens', label: 'Longest answer', unit: 'tokens', min: 1, max: LIMIT, step: 1, help: 'Thinking counts.' },
  { key: 'thinking_budget_tokens', label: 'Thinking budget', unit: 'tokens', min: 0, max: LIMIT, step: 1,
    help: 'The thinking is brought to an end here; 0 answers at once.' },
];
const SYSTEM_LIMIT = 100000;

/** The number that `text` says, null for none; undefined when it is not allowed. */
export function readNumber(field, text) {
  const trimmed = text.trim();
  if (trimmed === '') return null;
  const value = Number(trimmed);
  const right = Number.isFinite(value) && value >= field.min && value <= field.max && (field.step < 1 || Number.isInteger(value));
  return right ? value : undefined;
}

export class Settings {
  #store;
  #values;
  #session = '';
  #inputs = new Map();

  constructor(store, onKey) {
    this.#store = store;
    this.onKey = onKey;
    this.#values = this.#read();
    try {
      this.#session = sessionStorage.getItem('sambay.key') ?? '';
    } catch {
      // Then a key lasts until the next reload.
    }
  }

  #read() {
    let raw = {};
    try {
      raw = JSON.parse(this.#store.get('sambay.settings')) ?? {};
    } catch {
      // Somebody edited it: defaults.
    }
    const values = { system: typeof raw.system === 'string' ? raw.system.slice(0, SYSTEM_LIMIT) : '' };
    for (const field of NUMBERS) {
      const value = readNumber(field, String(raw[field.key] ?? ''));
      if (value !== null && value !== undefined) values[field.key] = value;
    }
    return values;
  }

  #save() {
    this.#store.set('sambay.settings', JSON.stringify(this.#values));
  }

  get system() {
    return this.#values.system.trim();
  }

  /** Fields of the request. */
  get sampling() {
    return Object.fromEntries(NUMBERS.filter(({ key }) => key in this.#values).map(({ key }) => [key, this.#values[key]]));
  }

  get key() {
    return this.#store.get('sambay.key') ?? this.#session;
  }

  get rememberKey() {
    return this.#store.get('sambay.key') !== null;
  }

  /** Keeps the key for this tab, or in the browser when asked to. */
  setKey(key, remember = this.rememberKey) {
    const clean = key.trim().replace(/[^\x21-\x7e]/g, '');  // a header can carry nothing else
    this.#session = clean;
    try {
      sessionStorage.setItem('sambay.key', clean);
    } catch {
      // As above.
    }
    if (remember && clean) this.#store.set('sambay.key', clean);
    else this.#store.remove('sambay.key');
    this.onKey();
  }

  // ---- the dialog --------------------------------------------------------------------------------------------------

  build(dialog) {
    this.dialog = dialog;
    const system = el('textarea', { id: 'set-system', rows: '3', maxlength: String(SYSTEM_LIMIT), placeholder: 'None',
                                    on: { input: () => { this.#values.system = system.value; this.#save(); } } });
    this.#inputs.set('system', system);
    const grid = el('div', { class: 'field-grid' }, ...NUMBERS.map((field) => this.#numberField(field)));
    dialog.querySelector('#settings-fields').prepend(
      el('fieldset', {}, el('legend', { text: 'Prompt' }),
        el('div', { class: 'field' }, el('label', { for: 'set-system', text: 'System prompt' }), system)),
      el('fieldset', {}, el('legend', { text: 'Answers' }), el('p', { class: 'small', text: "An empty field leaves the choice to the server." }), grid),
      this.#keyFields());
    dialog.querySelector('#reset-settings').addEventListener('click', () => {
      this.#values = { system: '' };
      this.#save();
      this.#fill();
      announce("The server's defaults hold again");
    });
    dialog.addEventListener('close', () => this.#fill());  // what was not allowed does not stay in the field
    this.#fill();
  }

  #numberField(field) {
    const id = `set-${field.key}`;
    const error = el('p', { class: 'field-error', id: `${id}-error`, role: 'alert', hidden: true });
    const input = el('input', { id, type: 'number', inputmode: field.step < 1 ? 'decimal' : 'numeric', min: String(field.min), max: String(field.max),
                                step: field.step < 1 ? 'any' : '1', placeholder: 'default', 'aria-describedby': `${id}-help ${id}-error`,
                                autocomplete: 'off' });
    const read = () => {
      // A number field hides what it cannot read; validity tells it from an empty one.
      const value = input.validity.badInput ? undefined : readNumber(field, input.value);
      const wrong = value === undefined;
      input.setAttribute('aria-invalid', String(wrong));
      error.hidden = !wrong;
      error.textContent = wrong ? `${field.step < 1 ? 'A number' : 'A whole number'} from ${field.min} to ${field.max.toLocaleString('en')}.` : '';
      return value;
    };
    input.addEventListener('input', read);
    // Kept when the field is left: on the way to 0.25 there is a 0.
    input.addEventListener('change', () => {
      const value = read();
      if (value === undefined) return;
      if (value === null) delete this.#values[field.key];
      else this.#values[field.key] = value;
      this.#save();
    });
    this.#inputs.set(field.key, input);
    const label = el('label', { for: id }, field.label, field.unit ? el('span', { class: 'unit', text: ` (${field.unit})` }) : null);
    return el('div', { class: 'field' }, label, input, el('p', { class: 'small', id: `${id}-help`, text: field.help }), error);
  }

  #keyFields() {
    const key = el('input', { id: 'set-key', type: 'password', autocomplete: 'off', spellcheck: 'false', placeholder: 'None' });
    const remember = el('input', { id: 'set-remember', type: 'checkbox' });
    const keep = () => this.setKey(key.value, remember.checked);
    key.addEventListener('change', keep);
    remember.addEventListener('change', keep);
    this.#inputs.set('key', key).set('remember', remember);
    return el('fieldset', {}, el('legend', { text: 'Access' }),
      el('div', { class: 'field' }, el('label', { for: 'set-key', text: 'API key' }), key),
      el('label', { class: 'check', for: 'set-remember' }, remember, 'Remember the key in this browser'),
      el('p', { class: 'small', text: 'Without this it is forgotten when the tab is closed.' }));
  }

  #fill() {
    for (const [key, input] of this.#inputs) {
      if (key === 'remember') input.checked = this.rememberKey;
      else if (key === 'key') input.value = this.key;
      else input.value = this.#values[key] ?? '';
      if (input.type === 'number') input.dispatchEvent(new Event('input'));
    }
  }

  open() {
    this.#fill();
    this.dialog.showModal();
  }
}
