// The page's heart: asks the server every second and hands what it says to those who draw it.

import { Samples } from "./curves.js";
import { byId, clock, write } from "./dom.js";
import { Faults } from "./faults.js";
import { Plans } from "./plans.js";
import { drawProvider } from "./provider.js";
import { Requests } from "./requests.js";
import { drawTraffic } from "./traffic.js";

const PERIOD_MS = 1000;
const PATIENCE_MS = 5000;
const TOKEN = "windtunnel admin token";

const samples = new Samples();
const plans = new Plans(ask, look);
const faults = new Faults(plans);
const requests = new Requests(ask);
let token = sessionStorage.getItem(TOKEN);
let timer = 0;
let asking = null;
let paused = false;
let process = null;
let began = null;
let silentSince = null;

/** One request to the admin API: {status, content}; status 0 where no answer came. */
async function ask(method, path, body) {
  const headers = {};
  if (token) headers.authorization = `Bearer ${token}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  try {
    const reply = await fetch(`/_windtunnel/${path}`, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    if (reply.status === 401) askForToken();
    return { status: reply.status, content: await reply.json() };
  } catch {
    return { status: 0, content: null };
  }
}

/** Fetch and draw the state, and come back in a second. Whoever asks meanwhile waits for the same answer. */
function look() {
  clearTimeout(timer);
  asking ??= fetchState().finally(() => {
    asking = null;
    if (!paused && !document.hidden && byId("token-form").hidden) timer = setTimeout(look, PERIOD_MS);
  });
  return asking;
}

async function fetchState() {
  const reply = await ask("GET", `live?since=${samples.latest}`);
  if (reply.status === 200) {
    silentSince = null;
    draw(reply.content);
  } else if (reply.status !== 401) {
    silentSince ??= Date.now();
    const why = reply.content?.error?.message ?? `no answer for ${clock((Date.now() - silentSince) / 1000)}`;
    alarm(`The server does not answer: ${why}. The page shows its last state and tries again.`);
    pill("no answer", "bad");
  }
}

function draw(state) {
  if (state.process !== process || state.t0 !== began) {
    if (state.process !== process) samples.clear();
    requests.clear();
    process = state.process;
    began = state.t0;
  }
  samples.add(state.samples);
  alarm("");
  byId("live").hidden = false;
  pill(paused ? "paused" : "live", paused ? "" : "fine");
  write(byId("plan"), state.plan || "without a name");
  document.title = `${state.plan || "plan"} – windtunnel`;
  const now = state.now_s;
  write(byId("clock"), now < 0 ? `starts in ${clock(-now)} · pid ${process}` : `${clock(now)} since the start · pid ${process}`);
  const notice = byId("notice");
  notice.hidden = state.shared === null;
  write(notice, state.shared === null ? "" : `This page shows one process only, and its buttons do nothing: ${state.shared}.`);
  drawTraffic(state, samples);
  faults.draw(state);
  plans.draw(state);
  drawProvider(state);
  requests.draw(state);
}

function alarm(text) {
  const place = byId("alarm");
  place.hidden = !text;
  write(place, text);
}

function pill(text, look) {
  const place = byId("state");
  place.className = `pill ${look}`;
  write(place, text);
}

function askForToken() {
  clearTimeout(timer);
  const form = byId("token-form");
  if (token) write(byId("token-error"), "The server does not take this token.");
  token = null;
  sessionStorage.removeItem(TOKEN);
  byId("live").hidden = true;
  pill("locked", "");
  write(byId("plan"), "not shown");
  if (form.hidden) {
    form.hidden = false;
    byId("token").focus();
  }
}

byId("token-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const field = byId("token");
  const given = field.value.trim();
  await asking;
  if (!/^[\x21-\xff]+$/.test(given)) {
    write(byId("token-error"), "A token has no spaces, and no letters beyond Latin-1.");
    return;
  }
  token = given;
  sessionStorage.setItem(TOKEN, token);
  field.value = "";
  write(byId("token-error"), "");
  byId("token-form").hidden = true;
  await look();
});

byId("pause").addEventListener("click", () => {
  paused = !paused;
  byId("pause").setAttribute("aria-pressed", String(paused));
  pill(paused ? "paused" : "live", paused ? "" : "fine");
  if (paused) clearTimeout(timer);
  else look();
});

document.addEventListener("visibilitychange", () => {
  if (document.hidden) clearTimeout(timer);
  else if (!paused) look();
});

look();
