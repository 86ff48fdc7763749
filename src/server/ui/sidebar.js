// The list of conversations.
import { el, iconButton } from './dom.js';

const DAY = 86400000;

function when(time, now = Date.now()) {
  const date = new Date(time);
  if (now - time < DAY && date.getDate() === new Date(now).getDate()) return date.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
  return date.toLocaleDateString([], { day: 'numeric', month: 'short', ...(now - time > 300 * DAY ? { year: 'numeric' } : {}) });
}

/** Fills `list`. `actions`: open(chat), rename(chat, title), export(chat), delete(chat). */
export class Sidebar {
  constructor(list, actions) {
    this.list = list;
    this.actions = actions;
    this.renaming = null;
  }

  /** Newest first; `isRunning(id)` marks those that are being answered. */
  show(chats, currentId, isRunning) {
    if (this.renaming) return;  // the next change will do
    const focused = document.activeElement?.closest?.('#chats [data-id]');
    const focus = focused && { id: focused.dataset.id, label: document.activeElement.dataset.action };
    const sorted = [...chats].sort((a, b) => b.updated - a.updated);
    this.list.replaceChildren(...sorted.map((chat) => this.#item(chat, chat.id === currentId, isRunning(chat.id))));
    if (focus) this.list.querySelector(`[data-id="${focus.id}"] [data-action="${focus.label}"]`)?.focus();
  }

  #item(chat, current, running) {
    const open = el('button', { type: 'button', class: 'chat-open', 'data-action': 'open', 'aria-current': current ? 'true' : null,
                                on: { click: () => this.actions.open(chat) } },
      el('span', { class: 'chat-title', text: chat.title }),
      el('span', { class: 'chat-time', text: running ? 'answering …' : when(chat.updated) }));
    const tool = (name, verb, act) => {
      const button = iconButton(name, `${verb} “${chat.title}”`, act, 'icon-button small');
      button.title = verb;
      button.dataset.action = name;
      return button;
    };
    const item = el('li', { class: `chat${current ? ' current' : ''}${running ? ' running' : ''}`, 'data-id': chat.id }, open,
      el('div', { class: 'chat-tools' },
        tool('edit', 'Rename', () => this.#rename(item, chat)),
        tool('export', 'Export', () => this.actions.export(chat)),
        tool('delete', 'Delete', () => this.actions.delete(chat))));
    return item;
  }

  #rename(item, chat) {
    this.renaming = chat.id;
    const input = el('input', { type: 'text', class: 'rename', 'aria-label': 'Name of the conversation', maxlength: '200' });
    input.value = chat.title;
    const leave = (title) => {
      if (this.renaming === null) return;
      this.renaming = null;
      this.actions.rename(chat, title);
      this.list.querySelector(`[data-id="${chat.id}"] [data-action="edit"]`)?.focus();
    };
    input.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && !event.isComposing) {
        event.preventDefault();  // or it presses the button that gets the focus
        leave(input.value.trim() || chat.title);
      }
      if (event.key === 'Escape') {
        event.stopPropagation();
        leave(chat.title);
      }
    });
    input.addEventListener('blur', () => leave(input.value.trim() || chat.title));
    item.replaceChildren(input);
    input.focus();
    input.select();
  }
}
