// The river: eight stations with what passes them now, and how records end.

import { brief, count, draw, find, keyed, make, say } from "./words.js";

const ENDS = ["applied", "duplicate", "stale", "waiting", "held", "skipped"];
const SAMPLES = 4;
let samples = [];

/** Keeps a status; after a restart, or a swap, what was before is no beginning for a rate. */
export function sample(status) {
  const last = samples[samples.length - 1];
  const follows = last && last.uptime_seconds < status.uptime_seconds
    && last.models.length === status.models.length;
  const restarted = last && last.uptime_seconds > status.uptime_seconds;
  samples = follows ? [...samples, status].slice(-SAMPLES) : [status];
  return restarted;
}

/** The oldest sample that is kept is compared with the newest: a rate over some seconds. */
export function rate(pick) {
  const [first, last] = [samples[0], samples[samples.length - 1]];
  const passed = last.uptime_seconds - first.uptime_seconds;
  return passed > 0 ? Math.max(0, (pick(last) - pick(first)) / passed) : 0;
}

export function river(status) {
  const rates = status.stations.map((_, at) => rate((one) => one.stations[at].total));
  keyed(find("river"), status.stations, (one) => one.number, station_of, (item, station) => {
    const now = rates[station.number - 1];
    item.classList.toggle("flows", now > 0);
    say(item.rate, `${brief(now)}/s`);
    say(item.total, `${brief(station.total)} ${station.unit}`);
  });
  band(rates);
  ends(status.models);
}

function station_of(station) {
  const rate_now = make("span", { class: "rate" });
  const total = make("span", { class: "unit" });
  const item = make("li", {},
    make("span", { class: "name" },
      make("span", { class: "number" }, station.number), ` ${station.name}`),
    rate_now, total);
  return Object.assign(item, { rate: rate_now, total });
}

/** The stream: how wide it is tells how much there is, and where it narrows how much is left. */
function band(rates) {
  const place = find("band");
  const most = Math.max(...rates);
  const strength = 0.3 + 0.7 * Math.min(1, Math.log10(1 + most) / 5);
  const half = (value) => 2 + (most > 0 ? 28 * strength * Math.sqrt(value / most) : 0);
  const xs = [0, ...rates.map((_, at) => 50 + at * 100), 800];
  const halves = [rates[0], ...rates, rates[rates.length - 1]].map(half);
  const edge = (sign, order) => order.map((at, n) => {
    const [x, y] = [xs[at], 32 + sign * halves[at]];
    if (n === 0) return `${x} ${y.toFixed(1)}`;
    const middle = (xs[order[n - 1]] + x) / 2;
    const from = 32 + sign * halves[order[n - 1]];
    return `C${middle} ${from.toFixed(1)} ${middle} ${y.toFixed(1)} ${x} ${y.toFixed(1)}`;
  }).join("");
  const there = xs.map((_, at) => at);
  const shape = `M${edge(-1, there)}L${edge(1, [...there].reverse())}Z`;
  if (!place.firstChild) {
    place.append(draw("path", { class: "water" }));
    for (const y of [-0.5, 0, 0.5]) place.append(draw("path", { class: "ripple", "data-y": y }));
  }
  place.firstChild.setAttribute("d", shape);
  for (const ripple of place.querySelectorAll(".ripple")) {
    const part = Number(ripple.dataset.y);
    ripple.setAttribute("d", `M${edge(part, there)}`);
  }
  place.classList.toggle("flows", rates[0] > 0);
}

/** How records have ended, over all models: the six ends add up to what was consumed. */
function ends(models) {
  const place = find("ends");
  const sum = (one, end) => one.models.reduce((all, model) => all + model.counts[end], 0);
  const totals = ENDS.map((end) => sum({ models }, end));
  const consumed = sum({ models }, "consumed");
  if (!place.firstChild) {
    place.append(
      make("div", { class: "stack", "aria-hidden": "true" },
        ...ENDS.map((end) => make("span", { class: `end ${end}` }))),
      make("dl", { class: "ends" }, ...ENDS.map((end) => make("div", {},
        make("dt", {}, make("span", { class: `key ${end}`, "aria-hidden": "true" }), end),
        make("dd", {}), make("dd", { class: "soft small" })))),
      make("p", { class: "sum" }));
  }
  const [stack, list, told] = place.children;
  ENDS.forEach((end, at) => {
    // The share is a length of the drawing alone; numbers stand below it.
    stack.children[at].style.flexGrow = totals[at];
    stack.children[at].hidden = totals[at] === 0;
    const [, total, now] = list.children[at].children;
    say(total, count(totals[at]));
    say(now, `${brief(rate((one) => sum(one, end)))}/s`);
  });
  const well = models.every((model) => model.add_up);
  say(told, well ? `✓ ${count(consumed)} consumed: the six ends add up to it`
    : `✗ ${count(consumed)} consumed, and the six ends do not add up to it`);
  told.className = `sum ${well ? "good" : "bad"}`;
}
