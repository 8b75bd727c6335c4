// The plan in force with its phases, and the buttons that put another one in force.

import { byId, clock, el, keyed, write } from "./dom.js";

const SURE_FOR_MS = 5000;

/** `ask(method, path, body)` gives {status, content}; `refresh()` fetches the state at once. */
export class Plans {
  constructor(ask, refresh) {
    this.ask = ask;
    this.refresh = refresh;
    this.regions = ["local"];
    byId("put").addEventListener("click", () => this.putOwn());
    byId("load").addEventListener("click", () => this.loadOwn());
  }

  draw(state) {
    this.regions = Object.keys(state.provider.regions);
    drawPhases(state);
    const shared = state.shared !== null;
    for (const id of ["put", "load"]) byId(id).disabled = shared;
    keyed(byId("choices"), choices(state), (one) => one.key, (one) => this.button(one), (button, one) => {
      button.disabled = shared || one.key_hash !== null;
      button.choice = one;
      if (one.key !== "reset") write(button, one.label);
      button.setAttribute("aria-pressed", String(one.in_force));
      button.title = one.title;
    });
  }

  button(one) {
    const button = el("button", { type: "button", class: one.key === "reset" ? "danger" : null }, one.label);
    button.addEventListener("click", () => this.use(button));
    return button;
  }

  async use(button) {
    const one = button.choice;
    if (one.kind === "reset") {
      if (sure(button, one.label)) await this.change("POST", "reset", undefined, "Reset: the time is 0 s again, and all counts are zero.");
    } else if (one.kind === "named") {
      await this.change("POST", "plan/use", { name: one.name }, `Now used: ${one.label}.`);
    } else if (one.kind === "healthy") {
      await this.change("PUT", "plan", healthy(this.regions), `Now used: ${one.label}.`);
    } else {
      const first = await this.ask("GET", "plan/first");
      if (first.status !== 200) return this.showResult(first, "");
      await this.change("PUT", "plan", part(first.content, one.phase), `Now used: ${one.label}.`);
    }
  }

  /** Put the plan in force again, as `edit(plan)` makes it. */
  async changeInForce(edit, done) {
    const now = await this.ask("GET", "plan");
    if (now.status !== 200) return this.showResult(now, "");
    await this.change("PUT", "plan", edit(now.content), done);
  }

  async putOwn() {
    let plan;
    try {
      plan = JSON.parse(byId("plan-text").value);
    } catch (error) {
      return problems([{ path: "", message: `This is not JSON: ${error.message}` }]);
    }
    problems([]);
    const name = plan !== null && typeof plan === "object" ? plan.name || "without a name" : "";
    await this.change("PUT", "plan", plan, `Now used: ${name}.`, problems);
  }

  async loadOwn() {
    const reply = await this.ask("GET", "plan");
    if (reply.status !== 200) return this.showResult(reply, "");
    problems([]);
    byId("plan-text").value = JSON.stringify(reply.content, null, 2);
  }

  async change(method, path, body, done, wrong = null) {
    const reply = await this.ask(method, path, body);
    const found = reply.content?.error;
    if (wrong && found) wrong(found.problems ?? [{ path: found.path ?? "", message: found.message }]);
    this.showResult(reply, done, Boolean(wrong));
    await this.refresh();
  }

  showResult(reply, done, elsewhere = false) {
    const result = byId("plan-result");
    const fine = reply.status === 200;
    result.className = fine ? "fine" : "wrong";
    write(result, fine ? done : elsewhere ? "" : `Not changed: ${reply.content?.error?.message ?? "no answer from the server"}`);
  }
}

/** The first click on a button asks; whether this is the second one. */
function sure(button, label) {
  if (button.dataset.sure) {
    delete button.dataset.sure;
    clearTimeout(button.timer);
    write(button, label);
    return true;
  }
  button.dataset.sure = "asked";
  write(button, "Really reset? It cuts all requests");
  button.timer = setTimeout(() => {
    delete button.dataset.sure;
    write(button, label);
  }, SURE_FOR_MS);
  return false;
}

function problems(list) {
  byId("problems").replaceChildren(
    ...(list.length ? [el("p", { class: "wrong" }, "This plan is not used, because:"), el("ul", { class: "wrong" }, ...list.map(item))] : []),
  );
}

function item({ path, message, found }) {
  const where = path ? [el("code", {}, path), ": "] : [];
  return el("li", {}, ...where, message, found === undefined || message.includes("found ") ? "" : ` (found ${found})`);
}

/** A provider with every default, in the regions that have a port. */
function healthy(regions) {
  return { name: "healthy", provider: { regions: Object.fromEntries(regions.map((name) => [name, {}])) } };
}

/** A plan, or one phase of it that does not end. */
function part(plan, phase) {
  if (phase === null) return plan;
  return { ...plan, name: held(plan.name, phase), phases: plan.phases.filter((one) => one.name === phase) };
}

const held = (plan, phase) => `${plan || "first plan"}, only ${phase}`;

function choices(state) {
  const first = state.first_plan;
  const name = first.name || "first plan";
  const one = (kind, label, title, more = {}) => ({ key: kind, kind, label, title, in_force: false, key_hash: null, ...more });
  const list = [];
  if (!(first.name === "healthy" && !first.phases.length)) {
    list.push(one("healthy", "Healthy", "All defaults of the provider, no fault", { in_force: state.plan === "healthy" }));
  }
  list.push(one("first", `${name} (start plan)`, "The plan that the server started with; its phases count from the start", { phase: null, in_force: first.in_force || state.plan === first.name }));
  for (const phase of first.phases) {
    const label = `${name}: only ${phase}`;
    list.push(one("phase", label, `The phase ${phase} of that plan, until you choose another plan`, { key: `phase ${phase}`, phase, in_force: state.plan === held(first.name, phase) }));
  }
  for (const plan of state.plans) {
    const whose = plan.key_hash === null ? "" : ` (key ${plan.key_hash.slice(0, 8)} alone)`;
    const title = plan.key_hash === null ? "A named plan" : "Already used for one key";
    list.push(one("named", plan.name + whose, title, { key: `named ${plan.name}`, name: plan.name, key_hash: plan.key_hash, in_force: plan.in_force }));
  }
  list.push(one("reset", "Reset", "Start again: time, slots, queue, limits, stored objects and records; it cuts all requests"));
  return list;
}

// ---- phases

function drawPhases(state) {
  const place = byId("phases");
  const { phases, phase_index: at, end_s: end } = state.provider;
  if (!place.firstElementChild) place.append(el("p", { class: "phase" }), el("ol", { class: "strip" }));
  const [said, strip] = place.children;
  strip.hidden = !phases.length;
  if (!phases.length) return write(said, "This plan has one phase without end.");
  const now = state.now_s;
  const ends = phases.map((_, i) => (i + 1 < phases.length ? phases[i + 1].start_s : end));
  const left = ends[at] - now;
  const next = at + 1 < phases.length ? `, then ${phases[at + 1].name}` : "";
  const last = at + 1 === phases.length;
  const time = now < phases[0].start_s ? `starts in ${clock(phases[0].start_s - now)}` : left > 0 ? `${clock(left)} left${next}` : "its time is over; it goes on without end";
  write(said, `Phase ${at + 1} of ${phases.length}: ${phases[at].name} – ${last && left > 0 ? `${clock(left)} left, then it goes on without end` : time}`);
  keyed(strip, phases, (phase) => phase.name, (phase) => el("li", {}, el("i"), el("span", {}, phase.name), el("span", { class: "quiet" })), (li, phase) => {
    const i = phases.indexOf(phase);
    const length = ends[i] - phase.start_s;
    const done = Math.min(1, Math.max(0, (now - phase.start_s) / length));
    li.style.flexGrow = String(length);
    li.classList.toggle("now", i === at);
    if (i === at) li.setAttribute("aria-current", "step");
    else li.removeAttribute("aria-current");
    li.firstElementChild.style.width = `${(100 * done).toFixed(1)}%`;
    write(li.lastElementChild, clock(length));
  });
}
