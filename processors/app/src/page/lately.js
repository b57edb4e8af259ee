// What happened lately, as the instance's log tells it; and which keys are hot.

import { ask, look } from "./server.js";
import { clock, count, find, keyed, make, say } from "./words.js";

const SHOWN = 200;
const LEVELS = { ERROR: "error", WARN: "warning", INFO: "" };
let newest = 0;
let events = new Map();

export async function refresh() {
  const said = await look(`events.json?after=${newest}`);
  if (!said) return;
  // Another process answers, which has its own numbers.
  if (said.newest < newest) {
    [newest, events] = [0, new Map()];
    return;
  }
  if (said.newest === newest) return;
  newest = said.newest;
  for (const event of said.events) events.set(event.first, event);
  const list = [...events.values()].sort((one, other) => other.id - one.id).slice(0, SHOWN);
  events = new Map(list.map((event) => [event.first, event]));
  find("lately-none").hidden = list.length > 0;
  keyed(find("lately"), list, (event) => event.first, build, update);
}

function build(event) {
  const parts = {
    at: make("time", { class: "soft" }), level: make("span", { class: "level" }),
    what: make("b", {}), times: make("span", { class: "chip" }), fields: make("span", {}),
  };
  const item = make("li", { class: `event ${LEVELS[event.level] ?? ""}` },
    parts.at, make("p", {}, parts.level, parts.what, " ", parts.times, " ", parts.fields));
  return Object.assign(item, { parts });
}

function update(item, event) {
  const { parts } = item;
  say(parts.at, clock(event.at));
  parts.at.setAttribute("datetime", event.at);
  const level = LEVELS[event.level] ?? event.level.toLowerCase();
  parts.level.hidden = level === "";
  say(parts.level, level);
  say(parts.what, event.message);
  parts.times.hidden = event.times < 2;
  say(parts.times, `${count(event.times)} times since ${clock(event.since)}, last:`);
  const { model, ...rest } = event.fields;
  const fields = Object.entries(rest).map(([name, value]) => `${name} ${value}`);
  say(parts.fields, [model, ...fields].filter((part) => part).join(", "));
}

let knows_none = false;

/** Hot keys, where the instance can tell. */
export async function hot() {
  if (knows_none) return;
  let said = null;
  try {
    const answer = await ask("hot");
    knows_none = answer.status === 404;
    if (answer.ok) said = await answer.json();
  } catch {
    return;
  }
  const models = (said?.models ?? []).filter((model) => model.keys.length > 0);
  find("hot").hidden = find("hot-link").hidden = models.length === 0;
  keyed(find("hot-models"), models, (model) => model.model, build_hot, update_hot);
}

function build_hot(model) {
  const parts = { seen: make("p", { class: "soft small" }), list: make("ol", { class: "hot" }) };
  const card = make("article", { class: "card" },
    make("h3", {}, model.model), parts.seen, parts.list);
  return Object.assign(card, { parts });
}

function update_hot(card, model) {
  say(card.parts.seen, `of ${count(model.seen)} records; counts are at most over by what is said`);
  keyed(card.parts.list, model.keys.slice(0, 10), (one) => one.key, (one) => {
    const parts = {
      bar: make("meter", { min: 0, max: 100, "aria-label": `share of ${one.key}` }),
      told: make("span", { class: "small" }),
    };
    const item = make("li", {}, make("span", { class: "mono" }, one.key), parts.bar, parts.told);
    return Object.assign(item, { parts });
  }, (item, one) => {
    item.parts.bar.value = one.share_percent;
    const over = one.at_most_over_by ? `, at most ${count(one.at_most_over_by)} too many` : "";
    say(item.parts.told, `${one.share_percent.toFixed(1)} %, ${count(one.count)}${over}`);
  });
}
