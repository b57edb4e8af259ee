// The last hour: samples that the instance has taken, as lines, in words and as a table.

import { look } from "./server.js";
import { brief, clock, count, draw, find, keyed, make, say, seconds, table } from "./words.js";

const WIDTH = 300, HEIGHT = 72;
const LEAST_POINTS = 30;
const COLUMNS = ["records_per_s", "applied_per_s", "p50_seconds", "p99_seconds", "lag_records"];

/** The samples that this page has: times, and for each model and lane its columns. */
export const hour = { at: [], models: new Map(), lanes: new Map(), most: 360 };

export function forget() {
  Object.assign(hour, { at: [], models: new Map(), lanes: new Map() });
}

let asking = false;

/** Asks for what is new. */
export async function refresh() {
  if (asking) return;
  asking = true;
  try {
    await ask_for_new();
  } finally {
    asking = false;
  }
}

async function ask_for_new() {
  const after = hour.at.length ? hour.at[hour.at.length - 1] : 0;
  const said = await look(`history.json?after=${after}`);
  if (!said) return;
  const before = hour.at.length;
  hour.most = said.most_points;
  const grow = (kept, name, columns, given) => {
    const own = kept.get(name) ?? {};
    for (const column of columns) {
      const had = own[column] ?? new Array(before).fill(null);
      const more = given ? given[column] : new Array(said.at_ms.length).fill(null);
      own[column] = [...had, ...more].slice(-hour.most);
    }
    kept.set(name, own);
  };
  const names = new Set([...hour.lanes.keys(), ...said.lanes.map((lane) => lane.name)]);
  for (const model of said.models) grow(hour.models, model.name, COLUMNS, model);
  for (const name of names) {
    grow(hour.lanes, name, ["records_per_s"], said.lanes.find((lane) => lane.name === name));
  }
  hour.at = [...hour.at, ...said.at_ms].slice(-hour.most);
  show();
}

/** The points of a line, in pieces: where nothing is known there is a gap. */
function pieces(values, top) {
  // A young instance has a line that can be seen; an old one has the whole hour.
  const step = WIDTH / (Math.max(LEAST_POINTS, values.length) - 1);
  const left = WIDTH - step * (values.length - 1);
  const found = [];
  let piece = [];
  values.forEach((value, at) => {
    if (value === null) {
      if (piece.length) found.push(piece);
      piece = [];
      return;
    }
    const y = HEIGHT - 2 - (value / top) * (HEIGHT - 8);
    piece.push([(left + at * step).toFixed(1), y.toFixed(1)]);
  });
  if (piece.length) found.push(piece);
  return found;
}

/** What a line says, in words. */
function words(name, values, format) {
  const known = values.filter((value) => value !== null);
  if (!known.length) return `${name}: nothing in the last hour`;
  const last = values[values.length - 1];
  const now = last === null ? "nothing just now" : `${format(last)} now`;
  const [least, most] = [Math.min(...known), Math.max(...known)].map(format);
  return `${name}: ${now}, between ${least} and ${most} in the last hour`;
}

/** An empty chart. */
export function chart(name, format) {
  const svg = draw("svg", {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", class: "chart",
    "aria-label": words(name, [], format),
  });
  const top = make("span", { class: "top-of", "aria-hidden": "true" });
  const box = make("div", { class: "plot" }, svg, top);
  return Object.assign(box, { draw: (values) => fill(svg, top, name, values, format) });
}

function fill(svg, top, name, values, format) {
  const known = values.filter((value) => value !== null);
  const most = Math.max(...known, 0);
  svg.setAttribute("aria-label", words(name, values, format));
  say(top, known.length ? format(most) : "");
  const shapes = [draw("path", { class: "ground", d: `M0 ${HEIGHT - 2}H${WIDTH}` })];
  for (const piece of pieces(values, most || 1)) {
    const line = piece.map(([x, y]) => `${x} ${y}`).join("L");
    const [begin, end] = [piece[0][0], piece[piece.length - 1][0]];
    // A single sample is seen as well.
    const dot = piece.length === 1 ? `h1.5` : "";
    shapes.push(draw("path", {
      class: "area", d: `M${begin} ${HEIGHT - 2}L${line}${dot}V${HEIGHT - 2}Z`,
    }), draw("path", { class: "line", d: `M${line}${dot}` }));
  }
  svg.replaceChildren(...shapes);
}

function sum(column) {
  const all = [...hour.models.values()].map((model) => model[column]);
  return hour.at.map((_, at) => {
    const known = all.map((values) => values[at]).filter((value) => value !== null);
    return known.length ? known.reduce((one, other) => one + other, 0) : null;
  });
}

function worst(column) {
  const all = [...hour.models.values()].map((model) => model[column]);
  return hour.at.map((_, at) => {
    const known = all.map((values) => values[at]).filter((value) => value !== null);
    return known.length ? Math.max(...known) : null;
  });
}

const rate = (value) => `${brief(value)}/s`;

const CHARTS = [
  { name: "Records a second", values: () => sum("records_per_s"), format: rate },
  { name: "Freshness p99, the worst model", values: () => worst("p99_seconds"), format: seconds },
  { name: "Records behind the log", values: () => sum("lag_records"), format: count },
];

function show() {
  const young = hour.at.length === 0;
  find("hour-young").hidden = !young;
  if (young) return;
  keyed(find("hour"), [...CHARTS, "table"], (one) => one.name ?? one, build, (element, one) => {
    if (one === "table") return;
    const values = one.values();
    const now = values[values.length - 1];
    say(element.now, now === null ? "–" : one.format(now));
    element.chart.draw(values);
    const [first, last] = [hour.at[0], hour.at[hour.at.length - 1]];
    say(element.span, `${clock(first)} to ${clock(last)}`);
  });
}

function build(one) {
  if (one === "table") return hour_table(() => rows_of(CHARTS.map((each) => each.values())),
    ["Time", ...CHARTS.map((each) => each.name)], CHARTS.map((each) => each.format), true);
  const now = make("b", { class: "now" });
  const plot = chart(one.name, one.format);
  const span = make("span", { class: "soft small" });
  const caption = make("figcaption", {}, make("span", {}, one.name), now);
  const figure = make("figure", { class: "card" }, caption, plot, span);
  return Object.assign(figure, { now, chart: plot, span });
}

/** One row a minute, the newest first. */
function rows_of(columns) {
  const rows = [];
  for (let at = hour.at.length - 1; at >= 0; at -= 6) {
    rows.push([hour.at[at], ...columns.map((values) => values[at])]);
  }
  return rows;
}

/** A table that is made when it is opened, and again when a person asks for it. */
function hour_table(rows, titles, formats, wide) {
  const place = make("div");
  const details = make("details", { class: wide ? "wide" : "" },
    make("summary", {}, "The last hour as a table"), place);
  details.addEventListener("toggle", () => {
    if (!details.open) return;
    const cells = rows().map(([at, ...values]) =>
      [clock(at), ...values.map((value, n) => (value === null ? "–" : formats[n](value)))]);
    place.replaceChildren(table("The last hour, a row a minute", titles, cells));
  });
  return details;
}

/** The same for one model. */
export function model_table(name) {
  const titles = ["Time", "Records a second", "Applied", "Freshness p50", "p99", "Behind"];
  const columns = () => COLUMNS.map((column) => hour.models.get(name)?.[column] ?? []);
  return hour_table(() => rows_of(columns()), titles, [rate, rate, seconds, seconds, count], false);
}
