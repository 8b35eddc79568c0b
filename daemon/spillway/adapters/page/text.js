// Numbers, times and sentences as people read them, and elements that hold text and nothing else.

export const at = id => document.getElementById(id);

export function el(tag, cls, ...children) {
  const made = document.createElement(tag);
  if (cls) made.className = cls;
  made.append(...children.filter(child => child !== null && child !== undefined));
  return made;
}

// Set a text, a class or an attribute where it differs: what stays the same is not touched, so that a selection stays.
export function setText(node, text) { if (node.textContent !== text) node.textContent = text; }
export function setClass(node, cls) { if (node.className !== cls) node.className = cls; }
export function setLabel(node, name, value) { if (node.getAttribute(name) !== value) node.setAttribute(name, value); }

// Keep the children of `parent` in step with `items`: one node for each key, made once and then updated.
export function keyed(parent, items, key, make, update) {
  const old = new Map([...parent.children].map(node => [node.dataset.key, node]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const name = key(item);
    let node = old.get(name);
    if (node) old.delete(name);
    else { node = make(item); node.dataset.key = name; }
    update?.(node, item);
    if (node === place) place = place.nextElementSibling;
    else parent.insertBefore(node, place);
  }
  for (const node of old.values()) node.remove();
}

// Give a node what `fresh` has, if that differs.
export function renew(node, fresh) {
  for (const { name, value } of node.attributes) if (name !== "class" && name !== "style") fresh.setAttribute(name, value);
  if (node.isEqualNode(fresh)) return;
  setClass(node, fresh.className);
  node.replaceChildren(...fresh.childNodes);
}

export const known = v => v !== null && v !== undefined;
export const rate = v => !known(v) ? "–" : v >= 1000 ? Math.round(v).toLocaleString("en") : v >= 100 ? v.toFixed(0) : v.toFixed(1);
export const percent = (v, digits = 0) => known(v) ? `${(100 * v).toFixed(digits)}%` : "–";
export const errors = v => !known(v) ? "–" : v === 0 ? "0%" : v < 0.0005 ? "< 0.1%" : percent(v, v < 0.1 ? 1 : 0);
export const seconds = v => !known(v) ? "–" : v < 1 ? `${Math.round(1000 * v)} ms` : `${v.toFixed(v < 10 ? 2 : 1)} s`;
export const count = v => !known(v) ? "–" : Math.round(v).toLocaleString("en");

// An age or a span: `40 s`, `4 min`, `2 h 5 min`, `3 d 4 h`.
export function span(value) {
  const s = Math.max(0, Math.floor(value)), minutes = Math.floor(s / 60), hours = Math.floor(minutes / 60), days = Math.floor(hours / 24);
  if (s < 60) return `${s} s`;
  if (hours < 1) return `${minutes} min`;
  if (days < 2) return `${hours} h${minutes % 60 ? ` ${minutes % 60} min` : ""}`;
  return `${days} d${hours % 24 ? ` ${hours % 24} h` : ""}`;
}

const iso = t => new Date(1000 * t).toISOString();
export const clock = t => iso(t).slice(11, 19);
export const day = t => iso(t).slice(0, 10);

// A moment in UTC; with its date where that is not the date of `now`.
export const moment = (t, now) => `${known(now) && day(t) === day(now) ? "" : `${day(t)} `}${clock(t)} UTC`;

// A text of the daemon with a full stop at its end.
export const ended = text => text.replace(/->/g, "→").replace(/([^.!?])$/, "$1.");

// The same with a capital at its beginning. A name in front keeps its case.
export const say = text => ended(/[-0-9]/.test(text.split(" ", 1)[0]) ? text : text.charAt(0).toUpperCase() + text.slice(1));
