// What stands around the conversation: the colours, and the list that lies over the page on narrow screens.
import { announce, setIcon } from './dom.js';

const $ = (id) => document.getElementById(id);
const THEMES = ['auto', 'light', 'dark'];
const THEME_NAMES = { auto: "the system's", light: 'light', dark: 'dark' };
const narrow = window.matchMedia('(max-width: 800px)');

function showTheme() {
  const theme = document.documentElement.dataset.theme ?? 'auto';
  setIcon($('theme'), theme);
  $('theme').title = `Colours: ${THEME_NAMES[theme]}`;
  $('theme').setAttribute('aria-label', `Colours: ${THEME_NAMES[theme]}. Change`);
}

function nextTheme(store) {
  const root = document.documentElement;
  const theme = THEMES[(THEMES.indexOf(root.dataset.theme ?? 'auto') + 1) % THEMES.length];
  if (theme === 'auto') {
    delete root.dataset.theme;
    store.remove('sambay.theme');
  } else {
    root.dataset.theme = theme;
    store.set('sambay.theme', theme);
  }
  showTheme();
  announce($('theme').title);
}

/** On a narrow screen the list is out of reach while closed; on a wide one it stands beside, or not. */
function showDrawer(open) {
  document.body.classList.toggle('drawer-open', open);
  const shown = narrow.matches ? open : !document.body.classList.contains('list-hidden');
  $('sidebar').inert = !shown;
  $('toggle-sidebar').setAttribute('aria-expanded', String(shown));
}

function toggleSidebar() {
  if (narrow.matches) {
    showDrawer(true);
    $('new-chat').focus();
  } else {
    document.body.classList.toggle('list-hidden');
    showDrawer(false);
  }
}

/** Closes the list where it lies over the page; returns whether it did. */
export function closeDrawer() {
  if (!document.body.classList.contains('drawer-open')) return false;
  showDrawer(false);
  return true;
}

/** The same, and the focus goes back to the button that opened it. */
export function leaveDrawer() {
  if (!closeDrawer()) return false;
  $('toggle-sidebar').focus();
  return true;
}

/** Makes the buttons work; `store` remembers the colours. */
export function buildFrame(store) {
  showTheme();
  showDrawer(false);
  $('theme').addEventListener('click', () => nextTheme(store));
  $('toggle-sidebar').addEventListener('click', toggleSidebar);
  $('close-sidebar').addEventListener('click', leaveDrawer);
  $('backdrop').addEventListener('click', closeDrawer);
  narrow.addEventListener('change', () => showDrawer(false));
}
