// A button for each common fault: one click, and every request meets it until another button is clicked.

import { byId, el, keyed } from "./dom.js";

const OWN = "live page: ";
/** The beginning of the ids of the rules that these buttons add. */

const FAULTS = [
  ["429", "429 rate limit", "Every request is refused with 429; Retry-After is 2 s", [{ fault: "rate_limit_requests", with: { retry_after: "2s" } }]],
  ["500", "500 server error", "Every request is answered with 500", [{ fault: "server_error" }]],
  ["503", "503 overloaded", "Every request is answered with 503, overloaded", [{ fault: "overloaded" }]],
  ["slow", "Slow first token", "The headers come at once, the first content 8 s late", [{ fault: "slow_first_token", with: { seconds: "8s" } }]],
  ["stall", "Stall", "Each answer begins, and then nothing comes for 60 s", [{ fault: "stall", with: { after_chunks: 3, seconds: "60s" } }]],
  ["cut", "Cut", "Each answer begins, and then the connection ends", [
    { fault: "cut", with: { after_chunks: 3 }, match: { stream: true } },
    { fault: "incomplete_chunked", match: { stream: false } },
  ]],
  ["json", "Malformed JSON", "Each answer has JSON that does not parse; of a stream, one event", [{ fault: "malformed_json", with: { after_chunks: 3 } }]],
];
const OFF = { key: "off", label: "Off", title: "Without the fault of these buttons; the plan's own faults stay", rules: [] };
const BUTTONS = [...FAULTS.map(([key, label, title, rules]) => ({ key, label, title, rules })), OFF];

/** `plans` puts a plan in force and shows what came of it. */
export class Faults {
  constructor(plans) {
    this.plans = plans;
  }

  draw(state) {
    const rule = state.provider.rules.find((one) => one.id.startsWith(OWN));
    const active = rule ? rule.id.slice(OWN.length).split(" ")[0] : "off";
    keyed(byId("faults"), BUTTONS, (one) => one.key, (one) => this.button(one), (button, one) => {
      button.disabled = state.shared !== null;
      button.setAttribute("aria-pressed", String(one.key === active));
      if (one.key !== "off") button.classList.toggle("active-fault", one.key === active);
    });
  }

  button(one) {
    const button = el("button", { type: "button", title: one.title }, one.label);
    button.addEventListener("click", () => this.use(one));
    return button;
  }

  /** The plan in force stays as it is, but for the rules of these buttons. They come first. */
  async use(one) {
    const done = one === OFF ? "The fault of the buttons is off." : `Active for every request: ${one.label}.`;
    await this.plans.changeInForce((plan) => {
      const rules = (plan.rules ?? []).filter((rule) => !rule.id?.startsWith(OWN));
      const own = one.rules.map((rule, i) => ({ ...rule, id: `${OWN}${one.key}${i ? ` ${i}` : ""}` }));
      return { ...plan, rules: [...own, ...rules] };
    }, done);
  }
}
