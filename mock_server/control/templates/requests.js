// The table of the last requests. It holds still while somebody looks at it.

import { byId, count, duration, el, keyed, write } from "./dom.js";

const UNDER_WAY = 10;
const TITLES = ["Arrived", "API", "Model", "Key", "Call, attempt", "Status", "Faults", "Queued", "First byte", "Total", "Ending", "Script"];
const ENDINGS = {
  end: "complete",
  close: "closed (FIN)",
  abort: "aborted (RST)",
  left: "client left",
  cut: "cut: server ended",
};
const STATES = { identified: "on its way", queued: "queued", granted: "starting", running: "in progress" };
const FILTERS = [
  ["all", "All", () => true],
  ["way", "Under way", (one) => one.ended_s === null],
  ["over", "Over", (one) => one.ended_s !== null],
  ["faults", "With faults", (one) => one.faults.length > 0],
  ["refused", "Refused", (one) => one.status >= 400],
];

export class Requests {
  /** `ask(method, path)` gives {status, content}. */
  constructor(ask) {
    this.ask = ask;
    this.filter = "all";
    this.open = new Set();
    this.inside = false;
    this.newest = [];
    this.table();
    this.filters();
  }

  table() {
    const head = el("thead", {}, el("tr", {}, ...TITLES.map((title) => el("th", { scope: "col" }, title))));
    this.body = el("tbody");
    this.none = el("p", { class: "quiet" }, "None yet.");
    const scroll = el("div", { class: "scroll tall", tabindex: "0", role: "group", "aria-label": "Last requests" },
      el("table", { class: "requests" }, head, this.body));
    byId("requests").append(scroll, this.none);
    scroll.addEventListener("pointerenter", (event) => this.look(event.pointerType === "mouse"));
    scroll.addEventListener("pointerleave", () => this.look(false));
  }

  filters() {
    for (const [name, label] of FILTERS) {
      const button = el("button", { type: "button", "aria-pressed": String(name === this.filter) }, label);
      button.addEventListener("click", () => {
        this.filter = name;
        for (const other of byId("filters").children) other.setAttribute("aria-pressed", String(other === button));
        this.show();
      });
      byId("filters").append(button);
    }
  }

  look(inside) {
    this.inside = inside;
    if (!this.held) this.show();
  }

  get held() {
    return this.inside || this.open.size > 0 || this.body.querySelector(":focus-visible") !== null;
  }

  /** Forget what was opened: the server has begun anew. */
  clear() {
    this.open.clear();
    this.newest = [];
    this.body.replaceChildren();
  }

  draw(state) {
    this.now = state.now_s;
    this.newest = state.requests;
    if (!this.held) return this.show();
    const known = new Set([...this.body.children].map((row) => row.dataset.key));
    const more = this.chosen().filter((one) => !known.has(one.served_id)).length;
    write(byId("held"), `Paused while you look${more ? `: ${count(more)} newer` : ""}.`);
    const still = new Map(this.newest.map((one) => [one.served_id, one]));
    for (const row of this.body.querySelectorAll("tr.request")) {
      const one = still.get(row.dataset.key);
      if (one) this.update(row, one);
    }
    this.readScripts((one) => one.ended_s === null);
  }

  chosen() {
    const test = FILTERS.find(([name]) => name === this.filter)[2];
    const wanted = this.newest.filter(test);
    const way = wanted.filter((one) => one.ended_s === null);
    const over = wanted.filter((one) => one.ended_s !== null).slice(0, 100);
    return [...way.slice(0, this.filter === "way" ? 100 : UNDER_WAY), ...over];
  }

  show() {
    const chosen = this.chosen();
    this.none.hidden = chosen.length > 0;
    write(this.none, this.newest.length ? "None of this kind." : "None yet.");
    const way = this.newest.filter((one) => one.ended_s === null).length;
    const cut = this.filter === "all" && way > UNDER_WAY ? `, ${UNDER_WAY} of them shown` : "";
    write(byId("held"), `Under way: ${way >= 100 ? "100 or more" : count(way)}${cut}; below them the ones that ended last.`);
    this.open = new Set(chosen.map((one) => one.served_id).filter((id) => this.open.has(id)));
    const rows = chosen.flatMap((one) => (this.open.has(one.served_id) ? [one, { detail: one }] : [one]));
    const key = (one) => (one.detail ? `${one.detail.served_id} script` : one.served_id);
    keyed(this.body, rows, key, (one) => (one.detail ? this.detail(one.detail) : this.make(one)), (row, one) => {
      if (!one.detail) this.update(row, one);
    });
  }

  make(one) {
    const cells = TITLES.map((title) => el("td", { "data-title": title }));
    const button = el("button", { type: "button", class: "open", "aria-expanded": "false" }, "show");
    button.addEventListener("click", () => this.toggle(one.served_id, button));
    cells[cells.length - 1].append(button);
    const row = el("tr", { class: "request" }, ...cells);
    row.addEventListener("click", (event) => {
      if (!event.target.closest("button") && !String(getSelection())) this.toggle(one.served_id, button);
    });
    return row;
  }

  update(row, one) {
    const over = one.ended_s !== null;
    const since = (then) => (then === null || then === undefined ? null : Math.max(0, then - one.arrived_s));
    const texts = [
      `${duration(Math.max(0, this.now - one.arrived_s))} ago`,
      one.stream ? `${one.api}, stream` : one.api,
      one.model || "–",
      one.key_hash ? one.key_hash.slice(0, 8) : "–",
      `${one.call_id} · ${one.attempt}`,
      one.status === null ? "none" : String(one.status),
      one.faults.join(", ") || "–",
      queuedFor(one, this.now),
      duration(since(one.first_byte_s)),
      over ? duration(since(one.last_byte_s ?? one.ended_s)) : "–",
      [ENDINGS[one.ending] ?? one.ending, over ? null : STATES[one.state] ?? one.state].filter(Boolean).join("; ") || "–",
    ];
    texts.forEach((text, i) => write(row.children[i], text));
    row.children[2].title = one.model;
    row.children[10].title = texts[10];
    row.children[4].title = `call ${one.call_id}, attempt ${one.attempt} (from 0), answer ${one.served_id}`;
    row.classList.toggle("failed", one.status >= 400 || (over && one.status === null));
    row.classList.toggle("faulty", one.faults.length > 0);
    row.classList.toggle("way", !over);
  }

  toggle(id, button) {
    const opened = !this.open.has(id);
    if (opened) this.open.add(id);
    else this.open.delete(id);
    button.setAttribute("aria-expanded", String(opened));
    write(button, opened ? "hide" : "show");
    const row = button.closest("tr");
    if (!opened) {
      row.nextElementSibling?.remove();
      return;
    }
    const one = this.newest.find((other) => other.served_id === id) ?? { served_id: id };
    row.after(this.detail(one));
  }

  detail(one) {
    this.read(one.served_id);
    return detail(one);
  }

  readScripts(test) {
    for (const one of this.newest) if (this.open.has(one.served_id) && test(one)) this.read(one.served_id);
  }

  async read(id) {
    const reply = await this.ask("GET", `recent/${encodeURIComponent(id)}`);
    const place = [...this.body.children].find((row) => row.dataset.key === `${id} script`)?.querySelector("p");
    if (!place) return;
    if (reply.status === 404) write(place, "No longer remembered.");
    else if (reply.status === 200) write(place, reply.content.script ?? "No script yet: the request has not been decided on.");
  }
}

function queuedFor(one, now) {
  if (one.started_s !== null) return duration(Math.max(0, one.started_s - one.arrived_s));
  return one.state === "queued" ? `${duration(now - one.arrived_s)} so far` : "–";
}

function detail(one) {
  const facts = one.api === undefined ? "" : [
    `answer ${one.served_id}`,
    `region ${one.region}`,
    one.plan ? `plan ${one.plan}` : "",
    `${count(one.tokens_sent)} of ${count(one.tokens_planned)} tokens sent`,
    `${count(one.bytes_sent)} bytes`,
    `${count(one.queue_depth)} queued before it`,
    one.idempotent_replay ? "repeats an earlier answer (Idempotency-Key)" : "",
  ].filter(Boolean).join(" · ");
  const row = el("tr", { class: "detail" }, el("td", { colspan: TITLES.length }, el("p", { class: "script" }, "…"), el("div", { class: "quiet" }, facts)));
  row.dataset.key = `${one.served_id} script`;
  return row;
}
