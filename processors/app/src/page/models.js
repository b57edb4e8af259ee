// The read models: what each does now, how fresh and how far behind it is, and all its figures.

import { chart, hour, model_table } from "./charts.js";
import { rate } from "./river.js";
import { badge, brief, count, find, keyed, make, many, say, seconds, table } from "./words.js";

const ENDS = ["applied", "duplicate", "stale", "waiting", "held", "skipped"];

export function models(list) {
  const box = find("models");
  keyed(box, list, (model) => model.name, build, (card, model) => {
    update(card, model, list.indexOf(model));
  });
  const select = find("model");
  const names = list.map((model) => model.name).join();
  if (select.dataset.names !== names) {
    select.dataset.names = names;
    select.replaceChildren(...list.map((model) => make("option", {}, model.name)));
  }
}

function gauge(name, chart_name, format) {
  const [now, more] = [make("b", { class: "now" }), make("span", { class: "soft small" })];
  const plot = chart(chart_name, format);
  const box = make("div", { class: "gauge" },
    make("p", { class: "gauge-head" }, make("span", { class: "small soft" }, name), now),
    plot, more);
  return Object.assign(box, { now, more, plot });
}

function build(model) {
  const parts = {
    state: make("span", { class: "badge" }),
    generation: make("span", { class: "chip" }),
    held: make("a", { class: "chip warn", href: "#held-title", hidden: true }),
    why: make("p", { class: "bad wide", hidden: true }),
    flow: gauge("records a second", `${model.name}, records a second`, (v) => `${brief(v)}/s`),
    fresh: gauge("freshness p99", `${model.name}, freshness p99`, seconds),
    behind: gauge("behind the log", `${model.name}, records behind the log`, count),
    facts: make("dl", {}),
    sum: make("p", { class: "sum" }),
    positions: make("div", {}),
  };
  const details = make("details", { class: "wide" },
    make("summary", {}, `All figures of ${model.name}`),
    parts.facts, parts.sum, parts.positions, model_table(model.name));
  const card = make("article", { class: "card model", "data-model": model.name },
    make("div", { class: "who" },
      make("h3", {}, model.name),
      make("p", { class: "chips" }, parts.state, parts.generation, parts.held),
      make("p", { class: "soft small" }, model.about)),
    parts.flow, parts.fresh, parts.behind, parts.why, details);
  return Object.assign(card, { parts, details });
}

function last(name, column) {
  const values = hour.models.get(name)?.[column];
  return values?.length ? values[values.length - 1] : null;
}

function update(card, model, at) {
  const { parts } = card;
  badge(parts.state, model.state, model.state !== "failed");
  say(parts.generation, model.generation === null ? "no generation is seen here"
    : `generation ${model.generation}`);
  parts.held.hidden = !(model.held_now > 0);
  say(parts.held, `${count(model.held_now)} held`);
  parts.why.hidden = !model.why;
  say(parts.why, model.why ?? "");
  const flow = rate((sample) => sample.models[at]?.counts.consumed ?? 0);
  const columns = hour.models.get(model.name);
  say(parts.flow.now, `${brief(flow)}/s`);
  say(parts.flow.more, `${brief(model.counts.consumed)} in all`);
  const [p99, p50] = [last(model.name, "p99_seconds"), last(model.name, "p50_seconds")];
  const { p50_seconds: all_p50, p99_seconds: all_p99 } = model.freshness;
  say(parts.fresh.now, seconds(p99 ?? all_p99));
  say(parts.fresh.more, p99 === null ? "in all; nothing just now"
    : `median ${seconds(p50)}; in all ${seconds(all_p99)}`);
  say(parts.behind.now, count(model.lag_records));
  say(parts.behind.more, model.lag_records === null ? "this log does not tell"
    : `${many(model.partitions, "partition")} here`);
  if (columns) {
    parts.flow.plot.draw(columns.records_per_s);
    parts.fresh.plot.draw(columns.p99_seconds);
    parts.behind.plot.draw(columns.lag_records);
  }
  if (card.details.open) figures(parts, model, flow, [all_p50, all_p99]);
}

function figures(parts, model, flow, [p50, p99]) {
  const facts = [
    ["consumed", count(model.counts.consumed)],
    ["records a second", brief(flow)],
    ...ENDS.map((end) => [end, count(model.counts[end])]),
    ["held now", count(model.held_now)],
    ["documents written", count(model.written)],
    ["reactions sent", count(model.said)],
    ["freshness, median", seconds(p50)],
    ["freshness, p99", seconds(p99)],
    ["calls repeated", count(model.retries)],
    ["writes refused", count(model.conflicts)],
    ["partitions", count(model.partitions)],
    ["fold version", count(model.fold_version)],
    ["mirror", model.mirror ?? "none"],
  ];
  keyed(parts.facts, facts, ([name]) => name,
    ([name]) => make("div", {}, make("dt", {}, name), make("dd", {})),
    (item, [, value]) => say(item.lastChild, value));
  say(parts.sum, model.add_up
    ? `✓ ${count(model.counts.consumed)} consumed = the sum of the six ends`
    : "✗ the six ends do not add up to what was consumed");
  parts.sum.className = `sum ${model.add_up ? "good" : "bad"}`;
  const places = JSON.stringify(model.positions);
  if (parts.positions.dataset.places === places) return;
  parts.positions.dataset.places = places;
  const rows = model.positions.map((one) => [one.topic, one.partition, count(one.resume_at)]);
  parts.positions.replaceChildren(
    table(`Where ${model.name} would resume`, ["topic", "partition", "resumes at"], rows));
}
