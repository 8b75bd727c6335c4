// Regions with their slots, queues and limits; the faults in force.

import { byId, count, duration, el, keyed, plain, settings, write } from "./dom.js";
import { unlimited } from "./traffic.js";

const TRIGGERS = ["rate", "every", "first", "sequence", "ramp"];

export function drawProvider(state) {
  const cards = [state.provider, ...Object.entries(state.provider.plans).map(([plan, one]) => ({ plan, ...one }))]
    .flatMap((engine, i) => Object.entries(engine.regions).map(([name, region]) => ({
      key: `${i ? engine.plan : ""}/${name}`,
      name: i ? `${name}, for key ${engine.key_hash.slice(0, 8)} alone (plan ${engine.plan})` : name,
      ...region,
    })));
  keyed(byId("regions"), cards, (card) => card.key, makeCard, updateCard);
  drawRules(state);
}

function makeCard(card) {
  return el(
    "article",
    { class: "card" },
    el("h3", {}, el("span", {}, card.name), " ", el("span", { class: "pill bad", hidden: true })),
    bar(), // slots
    bar(), // queue
    el("p", { class: "quiet limits-title" }),
    el("div", { class: "limits", tabindex: "0", role: "group", "aria-label": `Limits of ${card.name}` }),
  );
}

function updateCard(element, card) {
  const [title, slots, queue, limitsTitle, limits] = element.children;
  const closed = title.children[1];
  closed.hidden = card.closed_by === null;
  write(closed, card.closed_by === null ? "" : `port closed: ${card.closed_by}`);
  if (unlimited(card.slots)) fill(slots, "Slots busy", 0, `${count(card.in_flight)}, no limit`);
  else if (card.slots === 0) fill(slots, "Slots busy", 1, `${count(card.in_flight)} of 0: the region answers nothing`, "full");
  else {
    const share = card.in_flight / card.slots;
    fill(slots, "Slots busy", share, `${count(card.in_flight)} of ${count(card.slots)}`, share >= 1 ? "full" : "");
  }
  const waiting = card.queue ? card.queue_depth / card.queue : 0;
  const room = card.queue ? `${count(card.queue_depth)} of ${count(card.queue)}` : "no queue";
  fill(queue, "Queue", waiting, room, card.queue_depth > 0 ? "full" : "");
  const named = card.limits.map((limit) => ({ ...limit, key: `${limit.key_hash} ${limit.model}` }));
  named.sort((a, b) => (a.key < b.key ? -1 : 1));
  write(limitsTitle, named.length ? `Limits left, by key and model; the lowest: ${lowest(named)}` : "No rate limit in use");
  limits.hidden = named.length === 0;
  keyed(limits, named, (limit) => limit.key, makeLimit, updateLimit);
}

/** What is left of the limit that is closest to its end: `3 % of requests`. */
function lowest(limits) {
  const shares = limits.flatMap((limit) =>
    ["requests", "tokens"].filter((what) => limit[`most_${what}`]).map((what) => [limit[`remaining_${what}`] / limit[`most_${what}`], what]));
  if (!shares.length) return "only growth is limited";
  const [share, what] = shares.reduce((least, one) => (one[0] < least[0] ? one : least));
  return `${Math.round(share * 100)} % of ${what}`;
}

function makeLimit(limit) {
  const who = `${limit.key_hash.slice(0, 8) || "no key"} · ${limit.model}`;
  const title = `key ${limit.key_hash}, model ${limit.model}`;
  return el("div", { class: "limit", title }, el("span", { class: "name" }, who), el("span", { class: "growth wrong" }), bar(), bar());
}

function updateLimit(element, limit) {
  const [, growth, ...bars] = element.children;
  const wait = limit.growth_wait_s ?? 0;
  write(growth, wait > 0 ? `grows too fast: refused for ${duration(wait)}` : "");
  ["requests", "tokens"].forEach((what, i) => {
    const left = limit[`remaining_${what}`];
    const most = limit[`most_${what}`];
    bars[i].hidden = left === null;
    if (left === null) return;
    const share = Math.max(0, left / most);
    const said = `${left < 0 ? "−" : ""}${count(Math.abs(left))} of ${count(most)}`;
    fill(bars[i], what, share, said, share <= 0.1 ? "full" : "left");
  });
}

function bar() {
  return el(
    "div",
    { class: "bar" },
    el("span", { class: "name" }),
    el("span", { class: "value" }),
    el("span", { class: "track", "aria-hidden": "true" }, el("i")),
  );
}

function fill(line, name, share, said, look = "") {
  const [label, value, track] = line.children;
  write(label, name);
  write(value, said);
  track.firstElementChild.style.width = `${(100 * Math.min(1, Math.max(0, share))).toFixed(1)}%`;
  track.className = `track ${look}`;
}

// ---- rules

function drawRules(state) {
  const provider = state.provider;
  const rules = provider.rules.map((rule) => ({ ...rule, whose: "" }));
  for (const [name, scoped] of Object.entries(provider.plans)) {
    rules.push(...scoped.rules.map((rule) => ({ ...rule, whose: `key ${scoped.key_hash.slice(0, 8)} alone (plan ${name})` })));
  }
  const asked = [provider, ...Object.values(provider.plans)].reduce((sum, one) => sum + one.acted_as_asked, 0);
  const place = byId("rules");
  if (!place.firstElementChild) {
    place.append(el("p", { class: "quiet" }), rulesTable(), el("p", { class: "quiet" }));
  }
  const [none, table, header] = place.children;
  none.hidden = rules.length > 0;
  write(none, "None. Only slots, queue and limits of the provider decide.");
  table.hidden = rules.length === 0;
  keyed(table.querySelector("tbody"), rules, (rule) => `${rule.whose} ${rule.id}`, makeRule, (row, rule) => {
    const texts = [faultsOf(rule), matchOf(rule), triggerOf(rule), acted(rule), rule.id];
    texts.forEach((text, i) => write(row.children[i], text));
  });
  header.hidden = asked === 0;
  write(header, `Faults that requests asked for (by header or model name) acted ${count(asked)} times.`);
}

function rulesTable() {
  const titles = ["Fault", "For whom", "When", "Acted", "Rule"];
  const head = el("thead", {}, el("tr", {}, ...titles.map((title) => el("th", { scope: "col" }, title))));
  return el("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Active faults" },
    el("table", { class: "rules" }, head, el("tbody")));
}

function makeRule() {
  const cells = ["Fault", "For whom", "When", "Acted", "Rule"].map((title, i) =>
    el("td", { "data-title": title, class: i === 3 ? "number" : i === 4 ? "quiet" : null }));
  return el("tr", {}, ...cells);
}

function faultsOf(rule) {
  const given = rule.with && Object.keys(rule.with).length ? ` (${settings(rule.with)})` : "";
  return `${rule.fault ?? "sequence"}${given}`;
}

function matchOf(rule) {
  const match = settings(rule.match ?? {}) || "every request";
  return rule.whose ? `${match}; ${rule.whose}` : match;
}

function triggerOf(rule) {
  const per = rule.per === "rule" ? " matching requests" : "";
  const parts = TRIGGERS.filter((name) => rule[name] !== undefined && rule[name] !== null).map((name) => {
    const value = rule[name];
    if (name === "rate") return `${percent(value)} of attempts`;
    if (name === "every") return per ? `every ${nth(value)} matching request` : `every ${nth(value)} call`;
    if (name === "first") return per ? `the first ${value}${per}` : `the first ${value} attempts of a call`;
    if (name === "ramp") return `from ${percent(value.from)} of attempts to ${percent(value.to)} ${value.over ? `in ${value.over}` : "in this phase"}`;
    return `${per ? "one request after the other" : "one attempt after the other"}: ${value.map(entryOf).join(", ")}`;
  });
  if (rule.burst) parts.push(`only ${rule.burst.for} of every ${rule.burst.every}`);
  if (rule.charge) parts.push("charged");
  if (rule.holds_slot) parts.push("holds the slot");
  return parts.join("; ") || "always";
}

const percent = (share) => `${+(share * 100).toPrecision(3)} %`;

function entryOf(entry) {
  if (typeof entry === "string") return entry;
  return Object.keys(entry.with ?? {}).length ? `${entry.fault} ${plain(entry.with)}` : entry.fault;
}

function nth(number) {
  const end = number % 100 > 10 && number % 100 < 14 ? 0 : number % 10;
  return `${number}${["th", "st", "nd", "rd"][end] ?? "th"}`;
}

function acted(rule) {
  return ["refuse", "blackhole"].includes(rule.fault) ? "see port" : `${count(rule.acted)}×`;
}
