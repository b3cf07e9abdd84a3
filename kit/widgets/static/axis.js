// The axis of a timeline: steps between ticks, their labels, and a time as text. `axis` is UTC, "logical clock" or another clock.

import { fitted, FONT } from "./view.js";

const STEPS = [1, 2, 5];
const DAY = [1e6, 2e6, 5e6, 10e6, 15e6, 30e6, 60e6, 120e6, 300e6, 600e6, 900e6, 1800e6, 3600e6, 7200e6, 14400e6, 21600e6, 43200e6, 86400e6];

/** A step between ticks, in µs, of at least `least`. */
export function stepOf(least) {
  if (least > 0.5e6 && least <= DAY.at(-1)) return DAY.find((step) => step >= least) ?? DAY.at(-1);
  const ten = 10 ** Math.floor(Math.log10(least));
  return (STEPS.find((step) => step * ten >= least) ?? 10) * ten;
}

/** Draw a line at each tick and return the ticks with their labels: {made: [{us, text}], step}. */
export function ticks(ctx, axis, places, theme, first) {
  const [from, to] = places.sight();
  const p = places.plot();
  const step = stepOf(((to - from) / p.width) * 110);
  const utc = axis === "UTC";
  const origin = utc || logical(axis) ? 0 : first;
  const made = [];
  ctx.fillStyle = theme.faint;
  for (let i = Math.ceil((from - origin) / step); origin + i * step <= to; i++) {
    const us = origin + i * step;
    made.push({ us, text: label(us, step, origin, axis) });
    ctx.fillRect(places.X(us), 0, 1, p.height);
  }
  return { made, step };
}

function label(us, step, origin, axis) {
  if (axis !== "UTC") return `${Number(((us - origin) / 1e6).toPrecision(10))}${logical(axis) ? "" : " s"}`;
  const text = new Date(us / 1000).toISOString();
  if (step >= 86400e6) return text.slice(0, 10);
  if (step >= 60e6) return text.slice(11, 16);
  const micros = String(Math.round(((us % 1e6) + 1e6) % 1e6)).padStart(6, "0").slice(0, step >= 1e6 ? 0 : step >= 1e3 ? 3 : 6);
  return text.slice(11, 19) + (micros ? `.${micros}` : "");
}

/** Whether times are numbers of a logical clock, which have no unit; they come times 1e6, as if they were seconds. */
const logical = (axis) => axis === "logical clock";

/** Draw the axis under the lanes: labels where there is room, and at its left what it counts. */
export function drawAxis(ctx, axis, places, theme, { made, step }) {
  const p = places.plot();
  ctx.fillStyle = theme.line;
  ctx.fillRect(p.left, p.height, p.width, 1);
  ctx.fillStyle = theme.muted;
  ctx.font = `11px ${FONT}`;
  let last = -Infinity;
  for (const { us, text } of made) {
    const x = places.X(us);
    const wide = ctx.measureText(text).width;
    const left = Math.max(p.left, Math.min(x - wide / 2, p.left + p.width - wide));
    if (left < last + 8) continue;
    ctx.fillText(text, left, p.height + 13);
    last = left + wide;
  }
  const name = axis === "UTC" && step < 86400e6 ? new Date(places.sight()[0] / 1000).toISOString().slice(0, 10) + " UTC" : axis;
  ctx.textAlign = "right";
  ctx.fillText(fitted(ctx, name, p.left - 12), p.left - 8, p.height + 13);
  ctx.textAlign = "left";
}

/** A time in microseconds as text. */
export function stamp(us, axis, first) {
  if (logical(axis)) return `clock ${Math.round(us / 1e6)}`;
  if (axis !== "UTC") return `${((us - first) / 1e6).toFixed(6)} s on ${axis}`;
  return new Date(us / 1000).toISOString().replace("T", " ").replace("Z", "");
}
