// Lanes over time: spans as bars, points as marks, and columns of counts where there are too many to tell apart.

import { frame, surface, pointer, button, put, fitted, duration, element, FONT } from "./view.js";
import { addMark } from "./marks.js";

const AXIS = 26;
const ROW = 15;
const PAD = 5;
const STEPS = [1, 2, 5];
const DAY = [1e6, 2e6, 5e6, 10e6, 15e6, 30e6, 60e6, 120e6, 300e6, 600e6, 900e6, 1800e6, 3600e6, 7200e6, 14400e6, 21600e6, 43200e6, 86400e6];

/** A step between ticks, in µs, of at least `least`. */
export function stepOf(least) {
  if (least > 0.5e6 && least <= DAY.at(-1)) return DAY.find((step) => step >= least) ?? DAY.at(-1);
  const ten = 10 ** Math.floor(Math.log10(least));
  return (STEPS.find((step) => step * ten >= least) ?? 10) * ten;
}

export function render({ model, el }) {
  const began = performance.now();
  const view = frame(model, el, "timeline");
  const looks = model.get("looks");
  let lanes = null;
  let shown = null;
  let shownFor = null;
  let asking = false;
  let again = false;
  let scroll = 0;
  let hover = -1;
  let brushing = false;
  let brush = null;
  let first = 0;
  let chosenRow = -1;

  const canvas = surface(view, model, "Lanes of spans and events over time", paint, () => (lanes?.rows ? tops().at(-1) + AXIS + 1 : Infinity));
  canvas.canvas.setAttribute("aria-description",
    "Arrow left and right: move in time, up and down: scroll the lanes. + and - zoom, 0 shows all. Comma and full stop: previous and next event. B: mark what is in sight. Escape: nothing marked or selected. Drag to pan, with Shift to mark a stretch.");
  const legend = element("div", { class: "kit-legend", "aria-label": "Legend" });
  view.body.after(legend);
  button(view, "Zoom in", "+", () => zoom(1.6));
  button(view, "Zoom out", "−", () => zoom(1 / 1.6));
  button(view, "Show all", "Fit", () => put(model, "view_us", null));
  const brusher = button(view, "Mark a stretch of time by dragging", "Brush", () => {
    brushing = !brushing;
    brusher.setAttribute("aria-pressed", String(brushing));
  });
  brusher.setAttribute("aria-pressed", "false");
  const clear = button(view, "Clear the marked stretch", "Clear", () => put(model, "window_us", null));

  async function load() {
    try {
      lanes = await view.source.ask("lanes");
    } catch (error) {
      return view.warn(error.message);
    }
    canvas.fit();
    await fill();
    return undefined;
  }

  /** The stretch of time in sight. */
  function sight() {
    const [low, high] = [lanes?.at("first", 0) ?? 0, lanes?.at("last", 0) ?? 1];
    const given = model.get("view_us");
    if (given) return given;
    const slack = Math.max(high - low, 1) * 0.015;
    return [low - slack, high + slack];
  }

  async function fill() {
    if (asking) { again = true; return; }
    asking = true;
    do {
      again = false;
      const [from, to] = sight();
      const margin = (to - from) * 0.5;
      const params = { from: from - margin, to: to + margin, buckets: Math.min(2000, Math.round(plot().width / 1.5)) };
      try {
        shown = await view.source.ask("window", params);
        shownFor = params;
      } catch (error) {
        view.warn(error.message);
        break;
      }
      hover = -1;
      dress();
      canvas.now();
      if (!first) first = performance.now() - began;
    } while (again);
    asking = false;
    tell();
  }

  function dress() {
    clear.disabled = !model.get("window_us");
    if (!shown) return;
    const kinds = shown.column("kind");
    const used = new Set();
    for (let i = 0; i < shown.rows; i++) used.add(kinds.at(i) ?? "unknown");
    legend.replaceChildren(...[...used].sort().slice(0, 16).map((kind) => {
      const icon = element("canvas", { width: 28, height: 28, style: "width:14px;height:14px", "aria-hidden": "true" });
      const ctx = icon.getContext("2d");
      const look = lookOf(kind);
      ctx.fillStyle = look.colour;
      ctx.beginPath();
      addMark(ctx, look.marker, 14, 14, 9);
      ctx.fill();
      return element("span", {}, icon, kind);
    }));
  }

  function lookOf(kind) {
    const found = looks.kinds[kind] ?? looks.marks[looks.groups[kind]] ?? looks.marks[kind] ?? series(kind) ?? looks.kinds.unknown;
    return { colour: view.theme().colour(found[0]), raw: found[0], marker: found[1] };
  }
  const given = new Map();
  function series(kind) {
    if (!kind || kind === "unknown") return null;
    if (!given.has(kind)) given.set(kind, looks.series[given.size % looks.series.length]);
    return given.get(kind);
  }

  // Where things are

  function plot() {
    const { width, height } = canvas.size;
    const left = Math.round(Math.min(170, Math.max(70, width * 0.2)));
    return { left, width: Math.max(width - left - 8, 20), height: height - AXIS };
  }

  function tops() {
    const made = [0];
    for (let i = 0; i < (lanes?.rows ?? 0); i++) made.push(made[i] + lanes.at("levels", i) * ROW + 2 * PAD);
    return made;
  }

  const X = (us) => { const [from, to] = sight(); const p = plot(); return p.left + ((us - from) / (to - from)) * p.width; };
  const T = (x) => { const [from, to] = sight(); const p = plot(); return from + ((x - p.left) / p.width) * (to - from); };

  function boxOf(row, top, p) {
    const lane = shown.column("lane").data[row];
    const count = shown.at("count", row);
    const start = shown.at("start", row);
    const open = shown.at("status", row) === "open" && shown.at("end", row) === null;
    const end = open ? Infinity : (shown.at("end", row) ?? start);
    const x0 = X(start);
    const x1 = open ? p.left + p.width : X(end);
    const y = top[lane] - scroll + PAD + (shown.at("level", row) ?? 0) * ROW;
    return { lane, count, x0, x1, y, point: count === null && !open && shown.at("end", row) === null, open };
  }

  function hit(x, y) {
    if (!shown) return -1;
    const [p, top] = [plot(), tops()];
    if (x < p.left || y > p.height) return -1;
    let [best, least] = [-1, 8];
    for (let row = 0; row < shown.rows; row++) {
      const box = boxOf(row, top, p);
      if (box.count !== null) {
        if (x >= box.x0 && x < Math.max(box.x1, box.x0 + 1.5) && y >= top[box.lane] - scroll && y < top[box.lane + 1] - scroll && best < 0) best = row;
        continue;
      }
      if (y < box.y - 1 || y > box.y + ROW) continue;
      const away = x < box.x0 ? box.x0 - x : x > box.x1 ? x - box.x1 : 0;
      if (away < least || (away === least && best >= 0 && shown.at("count", best) !== null)) [best, least] = [row, away];
    }
    return best;
  }

  // Drawing

  function paint(ctx, width, height) {
    if (!lanes) return;
    const theme = view.theme();
    const [p, top] = [plot(), tops()];
    scroll = Math.max(0, Math.min(scroll, top.at(-1) - p.height));
    ctx.font = `12px ${FONT}`;
    ctx.textBaseline = "middle";
    if (!lanes.rows) {
      ctx.fillStyle = theme.muted;
      ctx.fillText("Nothing to show yet.", 14, 22);
      return;
    }
    for (let i = 0; i < lanes.rows; i++) {
      const y = top[i] - scroll;
      if (y > p.height || top[i + 1] - scroll < 0) continue;
      if (i % 2 === 0) { ctx.fillStyle = theme.band; ctx.fillRect(0, y, width, top[i + 1] - top[i]); }
    }
    const axis = ticks(ctx, p, theme);
    if (shown) drawShown(ctx, p, top, theme);
    for (let i = 0; i < lanes.rows; i++) {
      const middle = (top[i] + top[i + 1]) / 2 - scroll;
      if (middle < -ROW || middle > p.height + ROW) continue;
      ctx.fillStyle = i % 2 === 0 ? theme.tint(theme.ink, 0.04) : theme.paper;
      ctx.fillRect(0, top[i] - scroll, p.left - 1, top[i + 1] - top[i]);
      ctx.fillStyle = theme.ink;
      ctx.font = `12px ${FONT}`;
      ctx.textAlign = "right";
      ctx.fillText(fitted(ctx, lanes.at("name", i), p.left - 16), p.left - 8, middle);
      ctx.textAlign = "left";
    }
    const window_us = brush ?? model.get("window_us");
    if (window_us) {
      const [a, b] = [Math.max(X(window_us[0]), p.left), Math.min(X(window_us[1]), p.left + p.width)];
      if (b >= a) {
        ctx.globalAlpha = 0.16;
        ctx.fillStyle = theme.accent;
        ctx.fillRect(a, 0, Math.max(b - a, 1), p.height);
        ctx.globalAlpha = 1;
        ctx.fillRect(a, 0, 1.5, p.height);
        ctx.fillRect(b - 1.5, 0, 1.5, p.height);
      }
    }
    const cursor = model.get("cursor_us");
    if (cursor !== null && cursor !== undefined) {
      const x = X(cursor);
      if (x >= p.left && x <= p.left + p.width) {
        ctx.strokeStyle = theme.ink;
        ctx.lineWidth = 1;
        ctx.setLineDash([3, 3]);
        ctx.beginPath();
        ctx.moveTo(x, 0);
        ctx.lineTo(x, p.height);
        ctx.stroke();
        ctx.setLineDash([]);
      }
    }
    ctx.fillStyle = theme.paper;
    ctx.fillRect(0, p.height, width, AXIS);
    drawAxis(ctx, p, theme, axis);
    if (top.at(-1) > p.height) {
      const share = p.height / top.at(-1);
      ctx.fillStyle = theme.line;
      ctx.fillRect(width - 5, scroll * share, 4, p.height * share);
    }
  }

  function drawShown(ctx, p, top, theme) {
    const selected = new Set(model.get("selected") ?? []);
    const window_us = model.get("window_us");
    const right = p.left + p.width;
    let most = 1;
    for (let row = 0; row < shown.rows; row++) most = Math.max(most, shown.at("count", row) ?? 0);
    ctx.save();
    ctx.beginPath();
    ctx.rect(p.left, 0, p.width, p.height);
    ctx.clip();
    const stacked = new Map();
    const rings = [];
    chosenRow = -1;
    for (let row = 0; row < shown.rows; row++) {
      const box = boxOf(row, top, p);
      if (box.x1 < p.left || box.x0 > right || box.y > p.height) continue;
      const look = lookOf(shown.at("kind", row));
      if (box.count !== null) {
        const tall = top[box.lane + 1] - top[box.lane] - 4;
        const key = `${box.lane}:${box.x0.toFixed(1)}`;
        const part = Math.max((Math.log1p(box.count) / Math.log1p(most)) * tall * 0.6, 1.5);
        const under = stacked.get(key) ?? 0;
        stacked.set(key, under + part);
        ctx.fillStyle = look.colour;
        ctx.fillRect(box.x0, Math.max(top[box.lane + 1] - scroll - 2 - under - part, top[box.lane] - scroll + 2), Math.max(box.x1 - box.x0, 1), part);
        continue;
      }
      const [start, end] = [shown.at("start", row), shown.at("end", row) ?? shown.at("start", row)];
      ctx.globalAlpha = window_us && (start > window_us[1] || (!box.open && end < window_us[0])) ? 0.3 : 1;
      if (box.point) {
        ctx.fillStyle = look.colour;
        ctx.beginPath();
        addMark(ctx, look.marker, box.x0, box.y + ROW / 2, 4.2);
        ctx.fill();
      } else {
        const bad = ["failed", "error", "denied", "stopped", "damaged"].includes(shown.at("status", row));
        const wide = Math.max(box.x1 - box.x0, 2);
        ctx.fillStyle = theme.tint(look.raw, theme.dark ? 0.5 : 0.35);
        ctx.strokeStyle = bad ? theme.colour(looks.statuses.failed[0]) : look.colour;
        ctx.lineWidth = bad ? 1.8 : 1;
        ctx.fillRect(box.x0, box.y + 1, wide, ROW - 4);
        ctx.strokeRect(box.x0 + 0.5, box.y + 1.5, Math.max(wide - 1, 1), ROW - 5);
        if (shown.at("critical", row)) {
          ctx.fillStyle = theme.ink;
          ctx.fillRect(box.x0, box.y + ROW - 4, wide, 2.6);
        }
        if (bad) {
          ctx.fillStyle = theme.colour(looks.statuses.failed[0]);
          ctx.beginPath();
          addMark(ctx, "X", Math.min(box.x1, right - 5), box.y + ROW / 2 - 1, 4.5);
          ctx.fill();
        }
        const seen = [Math.max(box.x0, p.left), Math.min(box.x1, right)];
        const name = shown.at("name", row);
        if (name && seen[1] - seen[0] > 30) {
          ctx.fillStyle = theme.ink;
          ctx.font = `10.5px ${FONT}`;
          ctx.fillText(fitted(ctx, name, seen[1] - seen[0] - (bad ? 16 : 8)), seen[0] + 4, box.y + ROW / 2 - 0.5);
        }
      }
      if (selected.has(shown.at("id", row))) { rings.push([box, theme.accent, 2.5]); if (chosenRow < 0) chosenRow = row; }
      if (row === hover) rings.push([box, theme.ink, 1.2]);
    }
    ctx.globalAlpha = 1;
    for (const [box, colour, wide] of rings) {
      ctx.strokeStyle = colour;
      ctx.lineWidth = wide;
      if (box.point) { ctx.beginPath(); ctx.arc(box.x0, box.y + ROW / 2, 8, 0, 2 * Math.PI); ctx.stroke(); }
      else ctx.strokeRect(box.x0 - 1.5, box.y - 0.5, Math.max(box.x1 - box.x0, 2) + 3, ROW - 1);
    }
    ctx.restore();
  }

  function ticks(ctx, p, theme) {
    const [from, to] = sight();
    const step = stepOf(((to - from) / p.width) * 110);
    const utc = model.get("axis") === "UTC";
    const origin = utc || logical() ? 0 : (lanes.at("first", 0) ?? 0);
    const made = [];
    ctx.fillStyle = theme.faint;
    for (let i = Math.ceil((from - origin) / step); origin + i * step <= to; i++) {
      const us = origin + i * step;
      made.push({ us, text: label(us, step, origin, utc) });
      ctx.fillRect(X(us), 0, 1, p.height);
    }
    return { made, step };
  }

  function label(us, step, origin, utc) {
    if (!utc) return `${Number(((us - origin) / 1e6).toPrecision(10))}${logical() ? "" : " s"}`;
    const text = new Date(us / 1000).toISOString();
    if (step >= 86400e6) return text.slice(0, 10);
    if (step >= 60e6) return text.slice(11, 16);
    const micros = String(Math.round(((us % 1e6) + 1e6) % 1e6)).padStart(6, "0").slice(0, step >= 1e6 ? 0 : step >= 1e3 ? 3 : 6);
    return text.slice(11, 19) + (micros ? `.${micros}` : "");
  }

  /** Whether times are numbers of a logical clock, which have no unit; they come times 1e6, as if they were seconds. */
  const logical = () => model.get("axis") === "logical clock";

  function drawAxis(ctx, p, theme, { made, step }) {
    ctx.fillStyle = theme.line;
    ctx.fillRect(p.left, p.height, p.width, 1);
    ctx.fillStyle = theme.muted;
    ctx.font = `11px ${FONT}`;
    let last = -Infinity;
    for (const { us, text } of made) {
      const x = X(us);
      const wide = ctx.measureText(text).width;
      const left = Math.max(p.left, Math.min(x - wide / 2, p.left + p.width - wide));
      if (left < last + 8) continue;
      ctx.fillText(text, left, p.height + 13);
      last = left + wide;
    }
    const axis = model.get("axis");
    const name = axis === "UTC" && step < 86400e6 ? new Date(sight()[0] / 1000).toISOString().slice(0, 10) + " UTC" : axis;
    ctx.textAlign = "right";
    ctx.fillText(fitted(ctx, name, p.left - 12), p.left - 8, p.height + 13);
    ctx.textAlign = "left";
  }

  // Acting

  function zoom(factor, at = null) {
    if (!lanes?.rows) return;
    const [from, to] = sight();
    const middle = at ?? (from + to) / 2;
    const least = 20;
    const wide = Math.max((to - from) / factor, least);
    const share = (middle - from) / (to - from);
    look([middle - wide * share, middle + wide * (1 - share)]);
  }

  function look(range) {
    put(model, "view_us", range);
    moved();
  }

  function moved() {
    canvas.redraw();
    const [from, to] = sight();
    const inside = shownFor && from >= shownFor.from && to <= shownFor.to;
    const coarse = shownFor && (shownFor.to - shownFor.from) / (to - from) > 3.2 && hasCounts();
    if (view.source.live && (!inside || coarse)) fill();
  }

  const hasCounts = () => {
    for (let row = 0; shown && row < shown.rows; row++) if (shown.at("count", row) !== null) return true;
    return false;
  };

  function choose(row, x) {
    if (row >= 0 && shown.at("count", row) !== null) {
      zoom(4, shown.at("start", row));
      return;
    }
    const id = row >= 0 ? shown.at("id", row) : null;
    put(model, "selected", id ? [id] : []);
    put(model, "cursor_us", row >= 0 ? shown.at("start", row) : x === undefined ? null : T(x));
    canvas.redraw();
    tell();
  }

  function tell() {
    if (!shown) return;
    const row = hover >= 0 ? hover : chosenRow;
    const window_us = model.get("window_us");
    if (row < 0) {
      view.say(window_us ? `Marked: ${duration(window_us[1] - window_us[0])} from ${stamp(window_us[0])}` : `${duration(sight()[1] - sight()[0])} in sight`);
      return;
    }
    const count = shown.at("count", row);
    const lane = lanes.at("name", shown.column("lane").data[row]);
    const [start, end] = [shown.at("start", row), shown.at("end", row)];
    view.say([
      count === null ? (shown.at("name", row) ?? shown.at("kind", row)) : `${count.toLocaleString("en")} × ${shown.at("kind", row) ?? "event"}`,
      lane, shown.at("id", row), stamp(start), end === null ? null : duration(end - start), shown.at("status", row),
      shown.at("critical", row) && count === null ? "on the critical path" : null,
    ].filter(Boolean).join(" · "));
  }

  function stamp(us) {
    if (logical()) return `clock ${Math.round(us / 1e6)}`;
    if (model.get("axis") !== "UTC") return `${((us - (lanes.at("first", 0) ?? 0)) / 1e6).toFixed(6)} s on ${model.get("axis")}`;
    return new Date(us / 1000).toISOString().replace("T", " ").replace("Z", "");
  }

  function walk(by) {
    const rows = [];
    for (let row = 0; shown && row < shown.rows; row++) if (shown.at("count", row) === null) rows.push(row);
    rows.sort((a, b) => shown.at("start", a) - shown.at("start", b) || a - b);
    if (!rows.length) return;
    const at = rows.indexOf(chosenRow);
    const next = rows[at < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(Math.max(at + by, 0), rows.length - 1)];
    choose(next);
    reveal();
  }

  function reveal() {
    const cursor = model.get("cursor_us");
    const [from, to] = sight();
    if (cursor !== null && cursor !== undefined && model.get("view_us") && (cursor < from || cursor > to)) look([cursor - (to - from) / 2, cursor + (to - from) / 2]);
    const [top, p] = [tops(), plot()];
    if (chosenRow >= 0) {
      const lane = shown.column("lane").data[chosenRow];
      if (top[lane] < scroll) scroll = top[lane];
      if (top[lane + 1] > scroll + p.height) scroll = top[lane + 1] - p.height;
    }
  }

  pointer(view, canvas.canvas, {
    drag: (from, here) => {
      if (!lanes) return;
      if (from.kind === undefined) Object.assign(from, { kind: brushing || from.event.shiftKey ? "brush" : "pan", sight: [...sight()], scroll, at: T(from.x) });
      if (from.kind === "brush") {
        const to = T(here.x);
        brush = from.at < to ? [from.at, to] : [to, from.at];
        canvas.redraw();
      } else {
        const shift = ((from.x - here.x) / plot().width) * (from.sight[1] - from.sight[0]);
        scroll = from.scroll + from.y - here.y;
        look([from.sight[0] + shift, from.sight[1] + shift]);
      }
    },
    end: (from) => {
      if (from.kind === "brush" && brush) { put(model, "window_us", brush); }
      brush = null;
      canvas.redraw();
      tell();
    },
    click: ({ x, y }) => choose(hit(x, y), x),
    hover: ({ x, y }) => {
      const row = hit(x, y);
      canvas.canvas.style.cursor = row >= 0 ? "pointer" : brushing ? "crosshair" : "grab";
      if (row === hover) return;
      hover = row;
      canvas.redraw();
      tell();
    },
    leave: () => { hover = -1; canvas.redraw(); tell(); },
    double: ({ x }) => zoom(2.5, T(x)),
    wheel: ({ x }, factor, event) => {
      if (event.shiftKey) { scroll += event.deltaY; canvas.redraw(); }
      else zoom(factor, T(x));
    },
  });

  view.listen(canvas.canvas, "keydown", (event) => {
    if (!lanes || event.ctrlKey || event.metaKey || event.altKey) return;
    const [from, to] = sight();
    const shift = (part) => look([from + (to - from) * part, to + (to - from) * part]);
    const acts = {
      ArrowLeft: () => shift(-0.2), ArrowRight: () => shift(0.2),
      ArrowUp: () => { scroll -= 40; canvas.redraw(); }, ArrowDown: () => { scroll += 40; canvas.redraw(); },
      "+": () => zoom(1.6), "=": () => zoom(1.6), "-": () => zoom(1 / 1.6), 0: () => put(model, "view_us", null),
      ",": () => walk(-1), ".": () => walk(1), b: () => put(model, "window_us", sight()),
      Escape: () => { put(model, "window_us", null); choose(-1); },
    };
    if (!acts[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    acts[event.key]();
  });

  view.on("selected", () => { canvas.now(); reveal(); canvas.redraw(); tell(); });
  view.on("cursor_us", () => canvas.redraw());
  view.on("window_us", () => { dress(); canvas.redraw(); tell(); });
  view.on("view_us", moved);
  view.on("axis", () => canvas.redraw());
  view.on("revision", load);
  view.themed(dress);
  dress();
  load();

  view.root.kitView = {
    hit: (x, y) => { const row = hit(x, y); return row < 0 ? null : shown.at("id", row); },
    place: (id) => {
      const [p, top] = [plot(), tops()];
      for (let row = 0; row < shown.rows; row++) if (shown.at("id", row) === id) {
        const box = boxOf(row, top, p);
        return { x: box.point ? box.x0 : (Math.max(box.x0, p.left) + Math.min(box.x1, p.left + p.width)) / 2, y: box.y + ROW / 2 };
      }
      return null;
    },
    ready: () => shown !== null, theme: () => view.theme(), first: () => first, times: canvas.times, sight, rows: () => shown?.rows ?? 0, counts: hasCounts, zoom, plot,
  };
  return view.close;
}

export default { render };
