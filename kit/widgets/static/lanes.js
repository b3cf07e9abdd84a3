// Where lanes stand and marks lie in them: time to place and back, and which mark is at a place.

export const AXIS = 26;
export const ROW = 15;
const PAD = 5;

/**
 * Return the places of `scene` on a canvas of `size` ({width, height}), both as they are when it is asked.
 *
 * `scene` has lanes, shown (the marks), scroll (in pixels) and view(): the stretch of time to show in µs, or null for all.
 */
export function lanesOver(scene, size) {
  /** The stretch of time in sight. */
  function sight() {
    const [low, high] = [scene.lanes?.at("first", 0) ?? 0, scene.lanes?.at("last", 0) ?? 1];
    const given = scene.view();
    if (given) return given;
    const slack = Math.max(high - low, 1) * 0.015;
    return [low - slack, high + slack];
  }

  function plot() {
    const { width, height } = size;
    const left = Math.round(Math.min(170, Math.max(70, width * 0.2)));
    return { left, width: Math.max(width - left - 8, 20), height: height - AXIS };
  }

  function tops() {
    const made = [0];
    for (let i = 0; i < (scene.lanes?.rows ?? 0); i++) made.push(made[i] + scene.lanes.at("levels", i) * ROW + 2 * PAD);
    return made;
  }

  const X = (us) => { const [from, to] = sight(); const p = plot(); return p.left + ((us - from) / (to - from)) * p.width; };
  const T = (x) => { const [from, to] = sight(); const p = plot(); return from + ((x - p.left) / p.width) * (to - from); };

  function boxOf(row, top, p) {
    const lane = scene.shown.column("lane").data[row];
    const count = scene.shown.at("count", row);
    const start = scene.shown.at("start", row);
    const open = scene.shown.at("status", row) === "open" && scene.shown.at("end", row) === null;
    const end = open ? Infinity : (scene.shown.at("end", row) ?? start);
    const x0 = X(start);
    const x1 = open ? p.left + p.width : X(end);
    const y = top[lane] - scene.scroll + PAD + (scene.shown.at("level", row) ?? 0) * ROW;
    return { lane, count, x0, x1, y, point: count === null && !open && scene.shown.at("end", row) === null, open };
  }

  /** The mark at a place of the canvas, or -1: the nearest within reach, before the counts. */
  function hit(x, y) {
    if (!scene.shown) return -1;
    const [p, top] = [plot(), tops()];
    if (x < p.left || y > p.height) return -1;
    let [best, least] = [-1, 8];
    for (let row = 0; row < scene.shown.rows; row++) {
      const box = boxOf(row, top, p);
      if (box.count !== null) {
        if (x >= box.x0 && x < Math.max(box.x1, box.x0 + 1.5) && y >= top[box.lane] - scene.scroll && y < top[box.lane + 1] - scene.scroll && best < 0) best = row;
        continue;
      }
      if (y < box.y - 1 || y > box.y + ROW) continue;
      const away = x < box.x0 ? box.x0 - x : x > box.x1 ? x - box.x1 : 0;
      if (away < least || (away === least && best >= 0 && scene.shown.at("count", best) !== null)) [best, least] = [row, away];
    }
    return best;
  }

  return { sight, plot, tops, X, T, boxOf, hit };
}
