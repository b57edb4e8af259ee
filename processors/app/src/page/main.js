// The status page: asks the instance again and again, and has each part show what is its own.

import * as charts from "./charts.js";
import * as document_part from "./document.js";
import * as generations from "./generations.js";
import * as held from "./held.js";
import * as lately from "./lately.js";
import { lanes } from "./lanes.js";
import { models } from "./models.js";
import { river, sample } from "./river.js";
import { ask, self, useToken } from "./server.js";
import { badge, duration, find, make, say } from "./words.js";

const SECOND = 1000;
let known = false;
// Whether a token is missing, and whether a person wants to show another one.
let [locked, wanted] = [false, false];

function show(status) {
  if (sample(status)) charts.forget();
  known = true;
  self.role = status.role;
  self.tokens = status.tokens;
  badge(find("health"), status.healthy ? "healthy" : "not healthy", status.healthy);
  badge(find("ready"), status.stopping ? "stopping" : status.ready ? "ready" : "not ready",
    status.ready && !status.stopping);
  say(find("uptime"), `version ${status.version}, up ${duration(status.uptime_seconds)}`);
  say(find("role"), status.tokens ? `role ${status.role}` : "no tokens: this machine alone");
  find("other-token").hidden = !status.tokens;
  const reasons = [...new Set([...status.ailments, ...status.obstacles])];
  const said = reasons.join("\n");
  if (find("reasons").dataset.said !== said) {
    find("reasons").dataset.said = said;
    find("reasons").replaceChildren(...reasons.map((reason) => make("li", {}, reason)));
  }
  find("reasons").hidden = reasons.length === 0;
  river(status);
  models(status.models);
  lanes(status.lanes);
  held.note(status.models);
  generations.note(status.models);
}

/** A token is asked for, once; one that was wrong is not shown again and again. */
function lock(why) {
  const place = find("locked");
  place.hidden = false;
  locked = true;
  say(find("locked-told"), why);
  useToken("");
  known = false;
}

async function look() {
  try {
    const answer = await ask("status.json");
    const body = await answer.json();
    if (answer.ok) {
      if (!wanted) find("locked").hidden = true;
      locked = false;
      show(body);
      return;
    }
    badge(find("health"), answer.status === 401 ? "locked" : body.detail, false);
    const shown = find("token").dataset.shown;
    if (answer.status === 401) lock(shown ? body.detail : "");
    delete find("token").dataset.shown;
  } catch {
    badge(find("health"), "readmill does not answer; what is shown is old", false);
  }
}

find("unlock").addEventListener("submit", async (event) => {
  event.preventDefault();
  useToken(find("token").value);
  find("token").value = "";
  find("token").dataset.shown = "yes";
  wanted = false;
  await look();
  if (known) {
    await all();
    find("main").focus();
  }
});

find("other-token").addEventListener("click", () => {
  wanted = true;
  find("locked").hidden = false;
  find("token").focus();
});

/** Does something again and again, each time so long after its end; not while nobody looks. */
function again(work, every) {
  const turn = async () => {
    if (!document.hidden && (known || work === look)) await work();
    setTimeout(turn, typeof every === "function" ? every() : every);
  };
  setTimeout(turn, 0);
}

async function all() {
  await Promise.all(PARTS.map(([work]) => work()));
}

const PARTS = [
  [charts.refresh, 5 * SECOND],
  [held.refresh, 4 * SECOND],
  [generations.refresh, () => (generations.moves() ? 2 : 10) * SECOND],
  [lately.refresh, 2 * SECOND],
  [lately.hot, 5 * SECOND],
];

async function begin() {
  document_part.begin();
  await look();
  if (known) await all();
  // Who has no token is refused each time: that is not asked for every second.
  again(look, () => (locked ? 15 : 1) * SECOND);
  for (const [work, every] of PARTS) again(work, every);
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) look();
});

begin();
