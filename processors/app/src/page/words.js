// How things are said and put on the page. Whatever comes from the server goes in as text: a key or
// a reason is never markup.

export const find = (id) => document.getElementById(id);

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export const count = (value) => (value === null || value === undefined ? "–" : whole.format(value));
export const brief = (value) => (value === null || value === undefined ? "–" : short.format(value));

/** So many of something. */
export const many = (value, noun) => `${count(value)} ${noun}${value === 1 ? "" : "s"}`;

/** An element with attributes and children; children are text or elements. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** An element of a drawing. */
export function draw(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Changes a text only if it is another one: what stays is not announced again. */
export function say(element, text) {
  const wanted = String(text);
  if (element.textContent !== wanted) element.textContent = wanted;
}

export function badge(element, text, well) {
  say(element, text);
  element.className = `badge ${well ? "good" : "bad"}`;
}

/** Has a child for each item, in their order. What stays is kept, with its focus and its state. */
export function keyed(box, items, keyOf, build, update) {
  const wanted = new Set(items.map((item) => String(keyOf(item))));
  const known = new Map();
  for (const child of [...box.children]) {
    if (wanted.has(child.dataset.key)) known.set(child.dataset.key, child);
    else child.remove();
  }
  items.forEach((item, at) => {
    const key = String(keyOf(item));
    let element = known.get(key);
    if (!element) {
      element = build(item);
      element.dataset.key = key;
    }
    if (box.children[at] !== element) box.insertBefore(element, box.children[at] ?? null);
    update(element, item);
  });
}

/** Seconds as a person says them. */
export function seconds(value) {
  if (value === null || value === undefined) return "–";
  if (value >= 60) return "≥ 60 s";
  if (value >= 1) return `${value >= 10 ? Math.round(value) : value.toPrecision(2)} s`;
  const milliseconds = value * 1000;
  return `${milliseconds >= 10 ? Math.round(milliseconds) : milliseconds.toPrecision(2)} ms`;
}

export function duration(total) {
  const at = Math.max(0, Math.floor(total));
  const days = Math.floor(at / 86400), hours = Math.floor(at / 3600) % 24;
  const minutes = Math.floor(at / 60) % 60;
  if (days) return `${days} d ${hours} h`;
  if (hours) return `${hours} h ${minutes} min`;
  return minutes ? `${minutes} min ${at % 60} s` : `${at} s`;
}

export const clock = (time) => new Date(time).toLocaleTimeString("en-GB");

export function bytes(value) {
  if (value < 1024) return `${value} bytes`;
  const kib = value / 1024;
  return kib < 1024 ? `${kib.toFixed(1)} KiB` : `${(kib / 1024).toFixed(1)} MiB`;
}

/** A table with a head; cells are text. */
export function table(caption, titles, rows) {
  const head = titles.map((title) => make("th", { scope: "col" }, title));
  const cells = (row) => row.map((cell) => make("td", {}, String(cell)));
  const body = rows.map((row) => make("tr", {}, ...cells(row)));
  return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    make("table", {},
      make("caption", { class: "unseen" }, caption),
      make("thead", {}, make("tr", {}, ...head)),
      make("tbody", {}, ...body)));
}

/** A button that does something, and cannot be pressed again meanwhile. */
export function button(text, attributes, work) {
  const element = make("button", { type: "button", ...attributes }, text);
  element.addEventListener("click", async () => {
    if (element.getAttribute("aria-busy") === "true") return;
    element.setAttribute("aria-busy", "true");
    try {
      await work(element);
    } finally {
      element.removeAttribute("aria-busy");
    }
  });
  return element;
}

let quiet = 0;

/** Tells what came of something, where everybody sees and hears it. */
export function tell(text, well = true) {
  const place = find("told");
  place.className = `told ${well ? "good" : "bad"}`;
  place.textContent = text;
  clearTimeout(quiet);
  quiet = setTimeout(() => { place.textContent = ""; }, well ? 8000 : 20000);
}

/** Asks whether something is really to be done; what it would touch is listed. */
export function sure(title, text, list, yes) {
  const dialog = find("ask");
  find("ask-title").textContent = title;
  find("ask-text").textContent = text;
  find("ask-list").replaceChildren(...list.map((line) => make("li", {}, line)));
  find("ask-list").hidden = list.length === 0;
  find("ask-yes").textContent = yes;
  return new Promise((resolve) => {
    let answer = false;
    find("ask-yes").onclick = () => { answer = true; dialog.close(); };
    find("ask-no").onclick = () => dialog.close();
    dialog.onclose = () => resolve(answer);
    dialog.showModal();
  });
}
