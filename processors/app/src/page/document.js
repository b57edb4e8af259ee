// A document: what stands under a key, and which events made it.

import { ask } from "./server.js";
import { clock, count, find, make, say } from "./words.js";

const chosen = () => [find("model").value, find("key").value];
const path_of = (model, key) => `models/${[model, key].map(encodeURIComponent).join("/")}`;

/** Makes the forms work. */
export function begin() {
  find("lookup").addEventListener("submit", (event) => {
    event.preventDefault();
    look_up();
  });
  find("explain").addEventListener("click", () => {
    if (find("lookup").reportValidity()) explain();
  });
  find("copy").addEventListener("click", copy);
}

function clear(told) {
  find("document").hidden = true;
  find("command").hidden = true;
  find("story").replaceChildren();
  say(find("document-told"), told);
}

async function look_up() {
  const [model, key] = chosen();
  clear("looking…");
  try {
    const answer = await ask(path_of(model, key));
    const body = await answer.json();
    if (answer.ok) {
      show(body.state);
      const mirror = body.shows ? "; it has a mirror" : "";
      say(find("document-told"), `${model} ${key}, revision ${body.revision}${mirror}`);
      return;
    }
    say(find("document-told"), `${model} ${key}: ${body.detail}`);
  } catch {
    say(find("document-told"), "readmill does not answer");
  }
}

function show(state) {
  find("document").textContent = JSON.stringify(state, null, 2);
  find("document").hidden = false;
}

async function explain() {
  const [model, key] = chosen();
  clear("the log is being read for it…");
  try {
    const answer = await ask(`${path_of(model, key)}/explain`, { limit: 40000 });
    const body = await answer.json();
    if (answer.ok) {
      story(body);
      return;
    }
    say(find("document-told"), [body.detail, body.hint].filter((part) => part).join(". "));
    command(model, key);
  } catch {
    say(find("document-told"), "readmill does not answer, or it took too long");
    command(model, key);
  }
}

/** The same question for a shell, where it takes the time it needs. */
function command(model, key) {
  const quoted = `'${key.replaceAll("'", "'\\''")}'`;
  find("command-text").value = `readmill explain ${model} ${quoted} -c readmill.toml`;
  find("command").hidden = false;
}

async function copy() {
  const field = find("command-text");
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
    say(find("document-told"), "the command is copied");
  } catch {
    // It is selected: the keyboard copies it.
    field.focus();
  }
}

const COMPARED = {
  equal: "What is stored is equal, and has taken in the same.",
  different: "What is stored has taken in the same, and differs: folded → stored.",
  behind: "What is stored is behind the log; it will have taken in the rest soon.",
  ahead: "What is stored has taken in what the log does not have any more, or what a person did.",
  "other copies": "What is stored has other revisions of what it embeds: it moves on.",
  held: "Only one of both is held: a person has dealt with the key, or the cause is gone.",
  unseen: "What is stored could not be looked at.",
};

function story(body) {
  const { document: folded, stored } = body;
  say(find("document-told"), `${body.model} ${body.key}: ${count(body.found)} of the `
    + `${count(body.records)} records that were read are for it`);
  if (folded.state !== null) show(folded.state);
  const skipped = body.found - body.steps.length;
  const notes = [];
  if (!body.whole) notes.push("The log's beginning is gone: what came before is missing.");
  if (body.keyless) notes.push(`${count(body.keyless)} records could not be read at all.`);
  if (skipped > 0) notes.push(`${count(skipped)} earlier records are not listed.`);
  if (folded.gone) notes.push(`It has ended, at revision ${folded.revision}.`);
  if (folded.waiting) notes.push(`${count(folded.waiting)} events wait in it.`);
  const verdict = stored ? COMPARED[stored.is] ?? stored.is : "";
  const well = stored?.is === "equal";
  find("story").replaceChildren(
    make("h3", {}, "The events that made it"),
    ...notes.map((note) => make("p", { class: "soft" }, note)),
    body.steps.length ? make("ol", { class: "steps", start: skipped + 1 }, ...body.steps.map(step))
      : make("p", {}, "The log has nothing for it."),
    make("p", { class: `verdict ${well ? "good" : ""}` }, `${well ? "✓ " : ""}${verdict}`),
    ...(stored?.differs ?? []).map(change));
}

function step(one) {
  const at = new Date(one.committed_at ?? one.came_at);
  const version = one.version === null ? "" : `version ${one.version}`;
  const then = one.then ? `, then ${one.then.outcome} by ${one.then.by}` : "";
  const why = one.why ? ` (${one.why})` : "";
  const of = one.of ? ` of ${one.of}, which it embeds` : "";
  return make("li", {},
    make("p", { class: "title" },
      make("b", {}, one.event?.split(".").pop() ?? "unreadable"),
      make("span", { class: "chip" }, `${one.outcome}${why}${then}`),
      make("span", { class: "soft small" }, `${version}${of}`)),
    make("p", { class: "soft small" },
      `${at.toLocaleDateString("en-GB")} ${clock(at)}, ${one.position}, revision ${one.revision}`),
    ...one.changed.map(change));
}

const text_of = (value) => (value === null ? "nothing" : JSON.stringify(value));

function change({ path, from, to }) {
  const line = make("p", { class: "change mono" },
    make("span", { class: "strong" }, path === "" ? "all of it" : path), " ");
  if (from !== null) line.append(make("del", {}, text_of(from)), " → ");
  line.append(make("ins", {}, text_of(to)));
  return line;
}
