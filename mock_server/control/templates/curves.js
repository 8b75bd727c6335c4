// Curves over the last minutes, as inline SVG.

import { count, el, rate, svg, write } from "./dom.js";

const WIDTH = 600;
const HEIGHT = 90;
const SECONDS = 300;
const FEW_SECONDS = 60;
const STEPS = [1, 2, 5];

/** The samples of the last minutes, as far as they are known. */
export class Samples {
  constructor() {
    this.clear();
  }

  clear() {
    this.list = [];
  }

  get latest() {
    return this.list.length ? this.list[this.list.length - 1][0] : 0;
  }

  add(samples) {
    this.list = this.list.concat(samples.filter(([number]) => number > this.latest)).slice(-SECONDS - 1);
  }

  /** Events a second between neighbouring samples, of the counter in column `column`: [seconds ago, rate]. */
  rates(column) {
    const end = this.list.length ? this.list[this.list.length - 1][1] : 0;
    return this.list.slice(1).map((sample, i) => {
      const before = this.list[i];
      return [end - sample[1], (sample[column] - before[column]) / Math.max(0.001, sample[1] - before[1])];
    });
  }

  /** The values of the moment in column `column`: [seconds ago, value]. */
  values(column) {
    const end = this.list.length ? this.list[this.list.length - 1][1] : 0;
    return this.list.map((sample) => [end - sample[1], sample[column]]);
  }

  /** The mean rate of the last `seconds` seconds; null before there is any. */
  lately(column, seconds = 3) {
    const rates = this.rates(column).slice(-seconds);
    return rates.length ? rates.reduce((sum, [, value]) => sum + value, 0) / rates.length : null;
  }
}

/** A curve with its title, its unit and the largest value on its scale. */
export class Curve {
  constructor(title, unit, look) {
    this.title = title;
    this.unit = unit;
    this.top = el("span", { class: "top" });
    this.area = svg("path", { class: `area ${look}` });
    this.line = svg("path", { class: `line ${look}`, "vector-effect": "non-scaling-stroke" });
    this.picture = svg(
      "svg",
      { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": title },
      svg("line", { class: "base", x1: 0, x2: WIDTH, y1: HEIGHT - 0.5, y2: HEIGHT - 0.5 }),
      svg("line", { class: "base", x1: 0, x2: WIDTH, y1: 0.5, y2: 0.5 }),
      this.area,
      this.line,
    );
    this.begin = el("span");
    this.element = el(
      "figure",
      {},
      el("figcaption", {}, el("b", {}, title), " ", el("span", { class: "unit" }, unit)),
      el("div", { class: "plot" }, this.top, this.picture),
      el("div", { class: "ends" }, this.begin, el("span", {}, "now")),
    );
  }

  draw(points) {
    const most = ceiling(Math.max(0, ...points.map(([, value]) => value)));
    const few = points.length === 0 || points[0][0] < FEW_SECONDS - 1;
    const seconds = few ? FEW_SECONDS : SECONDS;
    write(this.begin, few ? "1 min ago" : "5 min ago");
    const x = (ago) => (WIDTH * (1 - ago / seconds)).toFixed(1);
    const y = (value) => (HEIGHT * (1 - value / most)).toFixed(1);
    const shown = points.filter(([ago]) => ago <= seconds);
    const way = shown.map(([ago, value]) => `${x(ago)} ${y(value)}`).join("L");
    this.line.setAttribute("d", way && `M${way}`);
    this.area.setAttribute("d", way && `M${x(shown[0][0])} ${HEIGHT}L${way}L${x(shown[shown.length - 1][0])} ${HEIGHT}Z`);
    write(this.top, count(most));
    const last = shown.length ? shown[shown.length - 1][1] : 0;
    this.picture.setAttribute("aria-label", `${this.title}: now ${rate(last)} ${this.unit}, scale to ${count(most)}`);
  }
}

/** The next round number (1, 2 or 5 times a power of ten), 5 at least. */
export function ceiling(value) {
  if (value <= 5) return 5;
  const power = 10 ** Math.floor(Math.log10(value));
  return [...STEPS, 10].map((step) => step * power).find((round) => round >= value * 0.9999);
}
