// The figures of the moment, and their curves.

import { Curve } from "./curves.js";
import { byId, count, el, keyed, rate, write } from "./dom.js";

const ARRIVED = 2;
const REFUSED = 3;
const LEFT = 4;
const QUEUED = 6;
const UNLIMITED_SLOTS = 100000;

const curves = {
  arrived: new Curve("Requests", "per second", "good"),
  refused: new Curve("Refused", "per second, status ≥ 400", "bad"),
  queued: new Curve("Queue", "requests waiting for a slot", "queue"),
};
byId("curves").append(...Object.values(curves).map((curve) => curve.element));

/** All engines of a state: everybody's, and one for each plan of one key. */
export function engines(provider) {
  return [provider, ...Object.values(provider.plans)];
}

export const unlimited = (slots) => slots >= UNLIMITED_SLOTS;

export function drawTraffic(state, samples) {
  curves.arrived.draw(samples.rates(ARRIVED));
  curves.refused.draw(samples.rates(REFUSED));
  curves.queued.draw(samples.values(QUEUED));
  const regions = engines(state.provider).flatMap((engine) => Object.values(engine.regions));
  const total = (name) => regions.reduce((sum, region) => sum + region[name], 0);
  const lately = (column) => {
    const value = samples.lately(column);
    return value === null ? "–" : rate(value);
  };
  const slots = total("slots");
  const tiles = [
    ["Requests", lately(ARRIVED), "per second"],
    ["Refused", lately(REFUSED), "per second", samples.lately(REFUSED) > 0],
    ["Clients gone", lately(LEFT), "per second, answer not complete", samples.lately(LEFT) > 0],
    ["In flight", count(total("in_flight")), unlimited(slots) ? "slots busy, no limit" : `of ${count(slots)} slots`],
    ["Queue", count(total("queue_depth")), `waiting, ${count(total("queue"))} at most`, total("queue_depth") > 0],
    ["Connections", count(state.connections), "open, this page's included"],
  ];
  keyed(
    byId("tiles"),
    tiles,
    ([name]) => name,
    ([name]) => el("div", {}, el("dt", {}, name), el("dd", { class: "figure" }), el("dd", { class: "unit" })),
    (tile, [, value, unit, strained]) => {
      const [, figure, below] = tile.children;
      write(figure, value);
      write(below, unit);
      tile.classList.toggle("strained", Boolean(strained));
    },
  );
}
