// What is asked of the server, and with which token.

import { find, tell } from "./words.js";

// Kept by this page alone, until it is closed.
let token = "";

/** What is known of whoever looks: the role, and whether tokens are needed. */
export const self = { role: null, tokens: false };

export const mayOperate = () => self.role === "operate";

export function useToken(text) {
  token = text.trim();
}

export async function ask(path, options = {}) {
  const headers = { ...(token ? { Authorization: `Bearer ${token}` } : {}) };
  if (options.body !== undefined) headers["Content-Type"] = "application/json";
  const signal = AbortSignal.timeout(options.limit ?? 5000);
  return fetch(path, { ...options, headers, signal, cache: "no-store" });
}

/** The JSON of a path; null if it is not answered so. */
export async function look(path, limit) {
  try {
    const answer = await ask(path, { limit });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

/**
 * Has something done, and waits for its end, also if that takes longer than a request may.
 * Its steps are heard meanwhile. Answers what came of it; null if it was refused or failed, which
 * is told.
 */
export async function act(path, body, { method = "POST", heard = () => {} } = {}) {
  try {
    let answer = await ask(path, { method, body: JSON.stringify(body), limit: 30000 });
    let said = await answer.json();
    while (answer.status === 202 || said.state === "running") {
      const where = (said.look_at ?? where_of(path)).replace(/^\//, "");
      heard(said.step ?? "begun");
      await pause(700);
      answer = await ask(where);
      said = await answer.json();
    }
    if (said.state === "done") return said.result;
    const problem = said.state === "failed" ? said.result : said;
    if (answer.ok && said.state !== "failed") return said;
    const hint = problem.hint ? `. ${problem.hint}` : "";
    tell(`${problem.detail || problem.title}${hint}`, false);
  } catch {
    tell("readmill does not answer: nobody knows whether it was done", false);
  }
  return null;
}

const where_of = (path) => `${path.split("/").slice(0, 2).join("/")}/action`;

/** Why the buttons of a section cannot be pressed; empty if they can. */
export function noted(id) {
  const place = find(id);
  const text = mayOperate() || self.role === null ? "" :
    "You look with the role read. To change anything, show a token of the role operate.";
  if (place.textContent !== text) place.textContent = text;
  place.hidden = text === "";
}

/** Lets a control be used only by those who may. */
export function guard(control, noteId) {
  control.disabled = !mayOperate();
  if (control.disabled) control.setAttribute("aria-describedby", noteId);
  else control.removeAttribute("aria-describedby");
}
