// Lanes: how topics are treated, and how fast each may go.

import { chart, hour } from "./charts.js";
import { act, guard, noted } from "./server.js";
import { brief, count, find, keyed, make, say, tell } from "./words.js";

// The slider's scale: each step is the same factor; its end is no limit.
const STEPS = 100, LEAST = 10, DECADES = 5;

export function rate_at(step) {
  if (step >= STEPS) return null;
  const exact = LEAST * 10 ** ((step / (STEPS - 1)) * DECADES);
  const unit = 10 ** (Math.floor(Math.log10(exact) + 1e-9) - 1);
  return Math.max(LEAST, Math.round(exact / unit) * unit);
}

export function step_of(rate) {
  if (rate === null) return STEPS;
  const step = (Math.log10(Math.max(LEAST, rate) / LEAST) / DECADES) * (STEPS - 1);
  return Math.min(STEPS - 1, Math.round(step));
}

const words = (rate) => (rate === null ? "no limit" : `${count(rate)} records a second`);

export function lanes(list) {
  noted("lanes-note");
  const place = find("lanes");
  if (!list.length) {
    if (place.dataset.none) return;
    place.dataset.none = "yes";
    place.replaceChildren(make("p", { class: "soft" },
      "No lanes are configured: no topic gives way to another."));
    return;
  }
  delete place.dataset.none;
  keyed(place, list, (lane) => lane.name, build, update);
}

function build(lane) {
  const id = `lane-${encodeURIComponent(lane.name)}`;
  const slider = make("input", {
    type: "range", min: 0, max: STEPS, step: 1, id, class: "slider",
  });
  const parts = {
    slider,
    shown: make("output", { for: id, class: "now" }),
    state: make("span", { class: "chip" }),
    about: make("p", { class: "soft small" }),
    flow: make("b", {}),
    plot: chart(`Lane ${lane.name}, records a second`, (value) => `${brief(value)}/s`),
  };
  const card = make("article", { class: "card lane", "data-lane": lane.name },
    make("div", { class: "title" }, make("h3", {}, lane.name), parts.state),
    parts.about,
    make("p", { class: "gauge-head" },
      make("span", { class: "soft small" }, "handed on, last ten seconds"), parts.flow),
    parts.plot,
    make("label", { for: id, class: "title" },
      make("span", {}, `Limit of ${lane.name}`), parts.shown),
    slider);
  // Moving it says what it would be; letting it go does it.
  slider.addEventListener("input", () => {
    card.moved = true;
    note(parts, rate_at(slider.valueAsNumber));
  });
  slider.addEventListener("change", async () => {
    const rate = rate_at(slider.valueAsNumber);
    const { priority, least_share_percent, freshness_limit_ms } = card.lane;
    const rule = {
      priority, least_share_percent, freshness_limit_ms, rate_records_per_s: rate,
    };
    const done = await act(`lanes/${encodeURIComponent(lane.name)}`, rule, { method: "PUT" });
    if (done) tell(`lane ${lane.name}: ${words(rate)}, until it is changed or the process ends`);
    card.moved = false;
  });
  return Object.assign(card, { parts });
}

function note(parts, rate) {
  say(parts.shown, words(rate));
  parts.slider.setAttribute("aria-valuetext", words(rate));
}

function update(card, lane) {
  const { parts } = card;
  card.lane = lane;
  const share = lane.share_percent < 100 ? `, held back to ${lane.share_percent} %` : "";
  say(parts.state, `${lane.gives_way ? "gives way" : lane.busy ? "busy" : "idle"}${share}`);
  parts.state.className = `chip ${lane.gives_way || share ? "warn" : ""}`;
  const limit = lane.freshness_limit_ms === null ? ""
    : `; held back while more urgent work is older than ${count(lane.freshness_limit_ms)} ms`;
  say(parts.about, `priority ${lane.priority}${lane.priority === 0 ? ", the most urgent" : ""}; `
    + `never less than ${lane.least_share_percent} % of its turns${limit}`);
  const flow = hour.lanes.get(lane.name)?.records_per_s;
  say(parts.flow, flow?.length ? `${brief(flow[flow.length - 1] ?? 0)}/s` : "–");
  if (flow) parts.plot.draw(flow);
  guard(parts.slider, "lanes-note");
  if (!card.moved) {
    parts.slider.value = step_of(lane.rate_records_per_s);
    note(parts, lane.rate_records_per_s);
  }
}
