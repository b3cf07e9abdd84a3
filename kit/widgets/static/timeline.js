// Lanes over time: spans as bars, points as marks, and columns of counts where there are too many to tell apart.

import { frame, surface, pointer, button, put, duration, element } from "./view.js";
import { addMark } from "./marks.js";
import { AXIS, ROW, lanesOver } from "./lanes.js";
import { stamp } from "./axis.js";
import { paintLanes } from "./timeline-paint.js";

const NAMES_OF_A_LOOK = 4;

export function render({ model, el }) {
  const began = performance.now();
  const view = frame(model, el, "timeline");
  const looks = model.get("looks");
  let shownFor = null;
  let asking = false;
  let again = false;
  let brushing = false;
  let first = 0;
  let chosenRow = -1;

  // What is shown: lanes, marks in them (`shown`), and how far down the lanes are scrolled.
  const scene = { lanes: null, shown: null, scroll: 0, hover: -1, brush: null, looks, lookOf, view: () => model.get("view_us") };
  const canvas = surface(view, model, "Lanes of spans and events over time", paint, () => (scene.lanes?.rows ? tops().at(-1) + AXIS + 1 : Infinity));
  const places = lanesOver(scene, canvas.size);
  const { sight, plot, tops, X, T, hit } = places;
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
      scene.lanes = await view.source.ask("lanes");
    } catch (error) {
      return view.warn(error.message);
    }
    canvas.fit();
    await fill();
    return undefined;
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
        scene.shown = await view.source.ask("window", params);
        shownFor = params;
      } catch (error) {
        view.warn(error.message);
        break;
      }
      scene.hover = -1;
      dress();
      canvas.now();
      if (!first) first = performance.now() - began;
    } while (again);
    asking = false;
    tell();
  }

  function dress() {
    clear.disabled = !model.get("window_us");
    if (!scene.shown) return;
    const kinds = scene.shown.column("kind");
    const used = new Set();
    for (let i = 0; i < scene.shown.rows; i++) used.add(kinds.at(i) ?? "unknown");
    const alike = new Map();
    for (const kind of [...used].sort()) {
      const look = lookOf(kind);
      const key = `${look.raw} ${look.marker}`;
      if (!alike.has(key)) alike.set(key, { look, names: [] });
      alike.get(key).names.push(kind);
    }
    legend.replaceChildren(...[...alike.values()].map(({ look, names }) => {
      const icon = element("canvas", { width: 28, height: 28, style: "width:14px;height:14px", "aria-hidden": "true" });
      const ctx = icon.getContext("2d");
      ctx.fillStyle = look.colour;
      ctx.beginPath();
      addMark(ctx, look.marker, 14, 14, 9);
      ctx.fill();
      const more = names.length - NAMES_OF_A_LOOK;
      const text = names.slice(0, NAMES_OF_A_LOOK).join(", ") + (more > 0 ? ` and ${more} more` : "");
      return element("span", { title: names.join(", ") }, icon, text);
    }));
  }

  function lookOf(kind) {
    const found = looks.kinds[kind] ?? looks.marks[kind] ?? looks.marks[looks.groups[kind]] ?? series(kind) ?? looks.kinds.unknown;
    return { colour: view.theme().colour(found[0]), raw: found[0], marker: found[1] };
  }
  const given = new Map();
  function series(kind) {
    if (!kind || kind === "unknown") return null;
    if (!given.has(kind)) given.set(kind, looks.series[given.size % looks.series.length]);
    return given.get(kind);
  }

  function paint(ctx, width, height) {
    if (!scene.lanes) return;
    scene.scroll = Math.max(0, Math.min(scene.scroll, tops().at(-1) - plot().height));
    const [selected, theme] = [model.get("selected") ?? [], view.theme()];
    const traits = { selected, theme, axis: model.get("axis"), window_us: model.get("window_us"), cursor_us: model.get("cursor_us"), first: origin() };
    chosenRow = paintLanes(ctx, width, height, { ...scene, ...traits }, places);
  }

  /** Where the lanes begin, which is 0 of a clock that is not UTC. */
  const origin = () => scene.lanes?.at("first", 0) ?? 0;
  const told = (us) => stamp(us, model.get("axis"), origin());

  // Acting

  function zoom(factor, at = null) {
    if (!scene.lanes?.rows) return;
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
    for (let row = 0; scene.shown && row < scene.shown.rows; row++) if (scene.shown.at("count", row) !== null) return true;
    return false;
  };

  function choose(row, x) {
    if (row >= 0 && scene.shown.at("count", row) !== null) {
      zoom(4, scene.shown.at("start", row));
      return;
    }
    const id = row >= 0 ? scene.shown.at("id", row) : null;
    put(model, "selected", id ? [id] : []);
    put(model, "cursor_us", row >= 0 ? scene.shown.at("start", row) : x === undefined ? null : T(x));
    canvas.redraw();
    tell();
  }

  function tell() {
    if (!scene.shown) return;
    const row = scene.hover >= 0 ? scene.hover : chosenRow;
    const window_us = model.get("window_us");
    if (row < 0) {
      view.say(window_us ? `Marked: ${duration(window_us[1] - window_us[0])} from ${told(window_us[0])}` : `${duration(sight()[1] - sight()[0])} in sight`);
      return;
    }
    const count = scene.shown.at("count", row);
    const lane = scene.lanes.at("name", scene.shown.column("lane").data[row]);
    const [start, end] = [scene.shown.at("start", row), scene.shown.at("end", row)];
    view.say([
      count === null ? (scene.shown.at("name", row) ?? scene.shown.at("kind", row)) : `${count.toLocaleString("en")} × ${scene.shown.at("kind", row) ?? "event"}`,
      lane, scene.shown.at("id", row), told(start), end === null ? null : duration(end - start), scene.shown.at("status", row),
      scene.shown.at("critical", row) && count === null ? "on the critical path" : null,
    ].filter(Boolean).join(" · "));
  }

  function walk(by) {
    const rows = [];
    for (let row = 0; scene.shown && row < scene.shown.rows; row++) if (scene.shown.at("count", row) === null) rows.push(row);
    rows.sort((a, b) => scene.shown.at("start", a) - scene.shown.at("start", b) || a - b);
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
      const lane = scene.shown.column("lane").data[chosenRow];
      if (top[lane] < scene.scroll) scene.scroll = top[lane];
      if (top[lane + 1] > scene.scroll + p.height) scene.scroll = top[lane + 1] - p.height;
    }
  }

  pointer(view, canvas.canvas, {
    drag: (from, here) => {
      if (!scene.lanes) return;
      if (from.kind === undefined) Object.assign(from, { kind: brushing || from.event.shiftKey ? "brush" : "pan", sight: [...sight()], scroll: scene.scroll, at: T(from.x) });
      if (from.kind === "brush") {
        const to = T(here.x);
        scene.brush = from.at < to ? [from.at, to] : [to, from.at];
        canvas.redraw();
      } else {
        const shift = ((from.x - here.x) / plot().width) * (from.sight[1] - from.sight[0]);
        scene.scroll = from.scroll + from.y - here.y;
        look([from.sight[0] + shift, from.sight[1] + shift]);
      }
    },
    end: (from) => {
      if (from.kind === "brush" && scene.brush) { put(model, "window_us", scene.brush); }
      scene.brush = null;
      canvas.redraw();
      tell();
    },
    click: ({ x, y }) => choose(hit(x, y), x),
    hover: ({ x, y }) => {
      const row = hit(x, y);
      canvas.canvas.style.cursor = row >= 0 ? "pointer" : brushing ? "crosshair" : "grab";
      if (row === scene.hover) return;
      scene.hover = row;
      canvas.redraw();
      tell();
    },
    leave: () => { scene.hover = -1; canvas.redraw(); tell(); },
    double: ({ x }) => zoom(2.5, T(x)),
    wheel: ({ x }, factor, event) => {
      if (event.shiftKey) { scene.scroll += event.deltaY; canvas.redraw(); }
      else zoom(factor, T(x));
    },
  });

  view.listen(canvas.canvas, "keydown", (event) => {
    if (!scene.lanes || event.ctrlKey || event.metaKey || event.altKey) return;
    const [from, to] = sight();
    const shift = (part) => look([from + (to - from) * part, to + (to - from) * part]);
    const acts = {
      ArrowLeft: () => shift(-0.2), ArrowRight: () => shift(0.2),
      ArrowUp: () => { scene.scroll -= 40; canvas.redraw(); }, ArrowDown: () => { scene.scroll += 40; canvas.redraw(); },
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
    hit: (x, y) => { const row = hit(x, y); return row < 0 ? null : scene.shown.at("id", row); },
    place: (id) => {
      const [p, top] = [plot(), tops()];
      for (let row = 0; row < scene.shown.rows; row++) if (scene.shown.at("id", row) === id) {
        const box = places.boxOf(row, top, p);
        return { x: box.point ? box.x0 : (Math.max(box.x0, p.left) + Math.min(box.x1, p.left + p.width)) / 2, y: box.y + ROW / 2 };
      }
      return null;
    },
    ready: () => scene.shown !== null, theme: () => view.theme(), first: () => first, times: canvas.times, sight, rows: () => scene.shown?.rows ?? 0, counts: hasCounts, zoom, plot,
  };
  return view.close;
}

export default { render };
