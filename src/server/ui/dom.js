// Small helpers around the DOM. No style attributes and no innerHTML anywhere: the content security policy forbids the one, we the other.

const SVG = 'http://www.w3.org/2000/svg';

/** An element. `props` are attributes, but for `class`, `text`, `on` (listeners) and `hidden`; false and null attributes are left out. */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (value === false || value === null || value === undefined) continue;
    if (key === 'class') node.className = value;
    else if (key === 'text') node.textContent = value;
    else if (key === 'on') for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    else if (key === 'hidden') node.hidden = true;
    else node.setAttribute(key, value === true ? '' : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** One of the symbols of index.html. */
export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS(SVG, 'use');
  use.setAttribute('href', `#i-${name}`);
  svg.append(use);
  return svg;
}

export function setIcon(button, name) {
  button.querySelector('use').setAttribute('href', `#i-${name}`);
}

/** A button that shows an icon; `label` is its name for everybody who cannot see it. */
export function iconButton(name, label, onClick, className = 'icon-button') {
  return el('button', { type: 'button', class: className, 'aria-label': label, title: label, on: { click: onClick } }, icon(name));
}

/** Copies; returns whether it worked. The clipboard interface exists on secure origins only, and plain HTTP in a home network is not one. */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = el('textarea', { class: 'visually-hidden', 'aria-hidden': 'true' });
    area.value = text;
    const before = document.activeElement;
    (document.querySelector('dialog[open]') ?? document.body).append(area);
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    before?.focus();
    return done;
  }
}

/** Copies and says so on the button for a moment. */
export async function copyWithButton(button, text) {
  const done = await copyText(text);
  announce(done ? 'Copied' : 'Copying is not allowed here');
  if (!done) return;
  setIcon(button, 'check');
  setTimeout(() => setIcon(button, 'copy'), 1500);
}

/** Says something to screen readers. */
export function announce(text) {
  const live = document.getElementById('live');
  live.textContent = '';
  // A changed text is read, an equal one is not: hence the pause in between.
  setTimeout(() => (live.textContent = text), 50);
}

export function seconds(ms) {
  if (ms > 0 && ms < 100) return '0.1 s';
  if (ms < 9950) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 59500) return `${Math.round(ms / 1000)} s`;
  const whole = Math.round(ms / 1000);
  return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, '0')} s`;
}

export function count(number, one, many = `${one}s`) {
  return `${number.toLocaleString('en')} ${number === 1 ? one : many}`;
}

export function download(name, text) {
  const url = URL.createObjectURL(new Blob([text], { type: 'application/json' }));
  el('a', { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}
