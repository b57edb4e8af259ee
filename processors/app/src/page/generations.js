// Generations: which one readers see, which is being built beside it, and what may be done.

import { act, guard, look, noted } from "./server.js";
import { button, clock, count, duration, find, keyed } from "./words.js";
import { make, many, say, sure, tell } from "./words.js";

const known = new Map();
// What this page has asked for, and how far that is.
const steps = new Map();
let names = [];
let busy = false;

export function note(list) {
  names = list.map((model) => model.name);
}

/** Whether anything is on its way, so that it is worth to look often. */
export const moves = () => busy;

export async function refresh() {
  noted("generations-note");
  const said = [];
  for (const name of names) {
    // Brokers may be slow to answer: what was known last stays.
    const list = (await look(`generations/${name}`, 15000)) ?? known.get(name);
    if (list) said.push(list);
  }
  if (!said.length) return;
  busy = said.some((one) => one.generations.length > 1 || one.swapping_to !== null);
  keyed(find("generations"), said, (one) => one.model, build, update);
}

function build({ model }) {
  const parts = {
    list: make("ul", { class: "generations" }),
    now: make("p", { class: "soft small", hidden: true }),
    acts: make("div", { class: "acts" }),
  };
  for (const [verb, made] of Object.entries(VERBS)) {
    parts[verb] = button(made.text, made.harms ? { class: "danger" } : {},
      async () => { await made.work(model, known.get(model)); await refresh(); });
    parts[verb].dataset.verb = verb;
    parts[verb].setAttribute("aria-label", `${made.text} ${model}`);
  }
  parts.acts.append(...Object.keys(VERBS).map((verb) => parts[verb]));
  const card = make("article", { class: "card", "data-generations": model },
    make("div", { class: "title" }, make("h3", {}, model), parts.acts), parts.now, parts.list);
  return Object.assign(card, { parts });
}

/** The newest one that readers do not see. */
function beside(said) {
  const others = said.generations.filter((one) => !one.live);
  return others.length ? others[others.length - 1] : null;
}

function update(card, said) {
  const { parts } = card;
  known.set(said.model, said);
  const next = beside(said);
  const shown = {
    rebuild: !next || next.generation === said.before,
    pause: next && !next.paused,
    resume: next?.paused,
    swap: next && next.generation !== said.before,
    cancel: next && next.generation !== said.before,
    rollback: said.before !== null,
    retire: said.before !== null,
  };
  for (const verb of Object.keys(VERBS)) {
    parts[verb].hidden = !shown[verb];
    guard(parts[verb], "generations-note");
  }
  const swapping = said.swapping_to === null ? "" : `being swapped to ${said.swapping_to}`;
  const doing = [swapping, steps.get(said.model)].filter((part) => part).join("; ");
  parts.now.hidden = !doing;
  say(parts.now, doing);
  card.classList.toggle("wide", said.generations.length > 1);
  keyed(parts.list, said.generations, (one) => one.generation, row, (item, one) => {
    renew(item, one, said);
  });
}

function row(one) {
  const parts = {
    state: make("span", { class: "chip" }),
    about: make("p", { class: "soft small" }),
    bar: make("progress", { max: 100, "aria-label": `Progress of generation ${one.generation}` }),
    told: make("span", { class: "small" }),
    failed: make("p", { class: "bad", hidden: true }),
  };
  parts.progress = make("div", { class: "progress" }, parts.bar, parts.told);
  const item = make("li", { "data-generation": one.generation },
    make("p", { class: "title" },
      make("b", {}, `generation ${one.generation}`), parts.state),
    parts.progress, parts.about, parts.failed);
  return Object.assign(item, { parts, seen: [] });
}

function renew(item, one, said) {
  const { parts } = item;
  item.alone = said.generations.length === 1;
  const states = [];
  if (one.live) states.push("readers see it");
  else if (one.generation === said.before) states.push("kept warm for a rollback");
  else states.push("being built");
  if (one.paused) states.push("paused");
  say(parts.state, states.join(", "));
  parts.state.className = `chip ${one.live ? "live" : one.paused ? "warn" : ""}`;
  const verified = one.verified
    ? `verified ${one.verified.at}: ${one.verified.how}` : "not verified";
  const share = one.share_percent === null || one.share_percent === 100 ? ""
    : `, held back to ${one.share_percent} % so that live streams stay fresh`;
  const begun = new Date(one.begun);
  say(parts.about, `fold ${one.fold}, begun ${begun.toLocaleDateString("en-GB")} ${clock(begun)} `
    + `with ${one.from}, ${many(one.instances, "instance")}${share}; ${verified}`);
  parts.failed.hidden = one.failed.length === 0;
  say(parts.failed, one.failed.join("; "));
  progress(item, one);
}

/** How far it is, and how long it takes yet, as fast as it was over the last looks. */
function progress(item, one) {
  const { parts } = item;
  const tells = one.behind_records !== null && one.of_records > 0 && !(one.live && item.alone);
  parts.progress.hidden = !tells;
  if (!tells) return;
  const done = Math.max(0, 1 - one.behind_records / one.of_records) * 100;
  parts.bar.value = done;
  item.seen = [...item.seen, [Date.now(), one.behind_records]].slice(-5);
  const [[from, behind], [to, now]] = [item.seen[0], item.seen[item.seen.length - 1]];
  const speed = to > from ? ((behind - now) / (to - from)) * 1000 : 0;
  const goes = now > 0 && speed > 0 && !one.paused && !one.live;
  const left = goes ? `, about ${duration(now / speed)} left` : "";
  const shown = done >= 100 ? "100" : Math.min(99.9, done).toFixed(1);
  say(parts.told, one.behind_records === 0 ? `all of ${count(one.of_records)} records`
    : `${shown} %, ${count(one.behind_records)} of ${count(one.of_records)} records to go${left}`);
}

async function told(model, verb, body, words) {
  const heard = (step) => {
    steps.set(model, `${verb}: ${step}`);
    refresh();
  };
  const done = await act(`generations/${model}/${verb}`, body, { heard });
  steps.delete(model);
  if (done) tell(`${model}: ${words(done)}`);
}

const begun = (done) => `generation ${done.generation} is ${done.begun ? "begun" : "under way"}`;
const gone = (done) => `generation ${done.generation} is gone`;

const VERBS = {
  rebuild: {
    text: "Rebuild", work: async (model) => {
      const well = await sure(`Rebuild ${model}?`,
        "A new generation is folded beside the live one, from the log's beginning, and held back "
        + "where live streams would suffer. Readers notice nothing until it is swapped in.",
        [], "Rebuild");
      if (well) await told(model, "rebuild", {}, begun);
    },
  },
  pause: {
    text: "Pause", work: (model) =>
      told(model, "pause", {}, (done) => `generation ${done.generation} is paused`),
  },
  resume: {
    text: "Resume", work: (model) =>
      told(model, "resume", {}, (done) => `generation ${done.generation} goes on`),
  },
  swap: {
    text: "Swap", work: async (model, said) => {
      const next = beside(said);
      const lines = [
        next.verified ? `it is verified: ${next.verified.how}`
          : "nobody has verified it: `readmill verify` compares it with the live one",
        next.behind_records ? `it is ${count(next.behind_records)} records behind: the swap waits`
          : "it has caught up",
      ];
      const well = await sure(`Swap ${model} to generation ${next.generation}?`,
        "Readers see it from then on, all at once. The one before is kept for a rollback.",
        lines, next.verified ? "Swap" : "Swap unverified");
      const body = { to: next.generation, unverified: !next.verified };
      if (well) await told(model, "swap", body, (done) => `readers see generation ${done.live}`);
    },
  },
  rollback: {
    text: "Roll back", work: async (model, said) => {
      const well = await sure(`Roll ${model} back to generation ${said.before}?`,
        `Readers see generation ${said.before} again, as they did before the swap.`,
        [], "Roll back");
      if (well) await told(model, "rollback", {}, (done) => `readers see generation ${done.live}`);
    },
  },
  retire: {
    text: "Retire", harms: true, work: async (model, said) => {
      const well = await sure(`Retire generation ${said.before} of ${model}?`,
        "Its documents are erased, and nobody can roll back to it any more.",
        [], "Erase it");
      const body = { generation: said.before };
      if (well) await told(model, "retire", body, gone);
    },
  },
  cancel: {
    text: "Cancel", harms: true, work: async (model, said) => {
      const next = beside(said);
      const well = await sure(`Cancel the rebuild of ${model}?`,
        `Generation ${next.generation} is given up, and what it has folded is erased.`,
        [], "Cancel the rebuild");
      if (well) await told(model, "cancel", {}, gone);
    },
  },
};
