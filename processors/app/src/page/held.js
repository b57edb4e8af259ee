// Held records: what could not be read or folded, why, and what may be done about it.

import { act, guard, look, mayOperate, noted } from "./server.js";
import { button, bytes, clock, count, find, keyed, make, many, say, sure, tell } from "./words.js";

// So many are shown, and so many where a person wants to see more.
const [FEW, MANY] = [5, 200];
let models = [];
const known = new Map();
const unfolded = new Set();

/** Notes which models have anything held, by what their gauges say. */
export function note(list) {
  models = list;
}

/** Asks what is held. */
export async function refresh() {
  noted("held-note");
  for (const { name, held_now } of models) {
    const had = known.get(name);
    if (!(held_now > 0) && !had?.records) continue;
    const limit = unfolded.has(name) ? MANY : FEW;
    const said = await look(`held/${name}?limit=${limit}`);
    if (said) known.set(name, said);
  }
  show();
}

function show() {
  const place = find("held");
  const held = models.map((model) => known.get(model.name)).filter((one) => one?.records > 0);
  if (!held.length) {
    if (place.dataset.none) return;
    place.dataset.none = "yes";
    const told = models.length ? "Nothing is held." : "Nothing is known yet.";
    place.replaceChildren(make("p", { class: "soft" }, told));
    return;
  }
  delete place.dataset.none;
  keyed(place, held, (one) => one.model, build, update);
}

function build({ model }) {
  const parts = {
    sum: make("p", {}),
    reasons: make("ul", { class: "reasons" }),
    list: make("ul", { class: "records" }),
    more: make("p", { class: "soft small" }),
    unfold: button("", { class: "quiet" }, async () => {
      if (!unfolded.delete(model)) unfolded.add(model);
      await refresh();
    }),
    all: button("Retry all", {}, async () => retried(model, { all: true })),
  };
  const card = make("article", { class: "card", "data-held": model },
    make("div", { class: "title" }, make("h3", {}, model), parts.sum, parts.all),
    parts.reasons, parts.list, parts.unfold, parts.more);
  parts.all.setAttribute("aria-label", `Retry all held records of ${model}`);
  return Object.assign(card, { parts });
}

function update(card, said) {
  const { parts } = card;
  say(parts.sum, `${many(said.records, "record")} of ${many(said.keys, "key")}`);
  guard(parts.all, "held-note");
  keyed(parts.reasons, said.reasons, (one) => one.reason,
    () => make("li", {}), (item, one) =>
      say(item, `${many(one.records, "record")} of ${many(one.keys, "key")}: ${one.reason}`));
  keyed(parts.list, said.listed, (line) => `${line.position} ${line.key ?? ""}`,
    (line) => record(said.model, line), renew);
  const open = unfolded.has(said.model);
  const more = said.records - said.listed.length;
  parts.unfold.hidden = !open && more <= 0;
  say(parts.unfold, open ? `Show only the oldest of ${said.model}`
    : `Show ${count(more)} more of ${said.model}`);
  parts.more.hidden = !open || more <= 0;
  say(parts.more, `${count(more)} more are held: \`readmill held list\` names them all.`);
}

/** Which records are meant by a key that may not be known. */
const of_key = (line) => (line.key === null ? { keyless: true } : { key: line.key });
const name_of = (line) => (line.key === null ? "no key" : line.key);

function record(model, line) {
  const parts = {
    reason: make("p", {}), about: make("p", { class: "soft small" }),
    retry: button("Retry key", {}, async () => retried(model, of_key(line))),
    drop: button("Drop…", { class: "danger" }, async () => drop(model, line)),
    value: make("pre", { tabindex: "0" }, "asking…"),
  };
  parts.retry.setAttribute("aria-label", `Retry key ${name_of(line)}`);
  parts.drop.setAttribute("aria-label", `Drop the record from ${line.position}`);
  parts.value.setAttribute("aria-label", `What the record from ${line.position} says`);
  parts.details = make("details", {}, make("summary", {}, "What it says"), parts.value);
  parts.details.addEventListener("toggle", async () => {
    if (parts.details.open) say(parts.value, await value_of(model, line));
  });
  const item = make("li", { class: "record", "data-position": line.position },
    make("div", { class: "what" },
      make("p", { class: "mono strong" }, name_of(line)), parts.reason, parts.about, parts.details),
    make("div", { class: "acts" }, parts.retry, parts.drop));
  return Object.assign(item, { parts });
}

function renew(item, line) {
  const { parts } = item;
  say(parts.reason, line.reason);
  const at = new Date(line.held_at);
  const tries = line.tries ? `, tried again ${many(line.tries, "time")}` : "";
  say(parts.about, `${line.position}, ${bytes(line.bytes)}, held since `
    + `${at.toLocaleDateString("en-GB")} ${clock(at)}${tries}${line.edited ? ", edited" : ""}`);
  parts.details.hidden = !mayOperate();
  for (const control of [parts.retry, parts.drop]) guard(control, "held-note");
}

async function value_of(model, line) {
  const which = line.key === null ? "keyless=true" : `key=${encodeURIComponent(line.key)}`;
  const said = await look(`held/${model}?${which}&values=true&limit=1000`);
  const found = said?.listed.find((one) => one.position === line.position);
  return found ? JSON.stringify(found.value, null, 2) : "it is not held any more, or not readable";
}

async function retried(model, which) {
  const done = await act(`held/${model}/retry`, which);
  if (done) {
    const ended = Object.entries(done.ended).map(([end, records]) => `${count(records)} ${end}`);
    const [stuck] = done.stuck;
    const still = !stuck ? ""
      : `stuck: ${many(done.stuck_keys, "key")}, ${stuck.key ?? "no key"}: ${stuck.reason}`;
    const told = [ended.join(", "), still].filter((part) => part).join("; ");
    tell(`${model}: ${told || "nothing was held there"}`, done.stuck_keys === 0);
  }
  await refresh();
}

/** What would be lost is asked for first, and shown. */
async function drop(model, line) {
  const which = { position: line.position, ...(line.key === null ? {} : { key: line.key }) };
  const lost = await act(`held/${model}/drop`, which);
  if (!lost) return;
  const lines = lost.lost.map((one) =>
    `${one.position} of ${name_of(one)}, ${bytes(one.bytes)}: ${one.reason}`);
  const well = await sure(`Drop ${lines.length === 1 ? "this record" : "these records"}?`,
    `Lost to ${model} for ever, through every later delivery. `
    + "`readmill held export` keeps a copy.", lines, "Drop for ever");
  if (!well) return;
  const done = await act(`held/${model}/drop`, { ...which, yes: true });
  if (done?.stays) tell(`${done.stays[0]} stays held: ${done.stays[1]}`, false);
  else if (done) {
    const behind = done.behind ? `; ${many(done.behind, "record")} still behind it: retry` : "";
    tell(`dropped ${done.dropped.join(", ")}${behind}`);
  }
  await refresh();
}
