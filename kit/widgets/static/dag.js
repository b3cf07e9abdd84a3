// The DAG: nodes in layers, causes above effects. Layout and search come from Python, drawing and hit test are here.

import { frame, surface, pointer, button, element, put, fitted, FONT } from "./view.js";
import { addMark } from "./marks.js";
import { bitmap } from "./raster.js";

const MARGIN = 26;
const WIDEST = 150;
const TALLEST = 62;
const BOXES_FROM = 72;
const NAMED_FROM = 44;
const RASTER_FROM = 4000;

/** The graph as typed arrays, with what drawing and walking need. */
export function graphOf(nodes, edges, bends) {
  const n = nodes.rows;
  const x = nodes.column("x").data;
  const y = nodes.column("y").data;
  const source = edges.column("source").data;
  const target = edges.column("target").data;
  let rowsOf = null;
  // Which nodes lie in which layer, from left to right; made when the pointer first moves over them.
  const rows = () => {
    if (rowsOf) return rowsOf;
    rowsOf = new Map();
    for (let i = 0; i < n; i++) {
      const layer = Math.round(y[i]);
      if (!rowsOf.has(layer)) rowsOf.set(layer, []);
      rowsOf.get(layer).push(i);
    }
    for (const row of rowsOf.values()) row.sort((a, b) => x[a] - x[b]);
    return rowsOf;
  };
  const bendStart = new Uint32Array(edges.rows + 1);
  const bendEdge = bends.column("edge").data;
  for (let i = 0; i < bends.rows; i++) bendStart[bendEdge[i] + 1]++;
  for (let i = 0; i < edges.rows; i++) bendStart[i + 1] += bendStart[i];
  let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
  for (let i = 0; i < n; i++) {
    if (x[i] < left) left = x[i];
    if (x[i] > right) right = x[i];
    if (y[i] < top) top = y[i];
    if (y[i] > bottom) bottom = y[i];
  }
  const byRow = new Map();
  const ids = { at: (row) => nodes.at("id", row) };
  const find = (id) => {
    if (!byRow.size) for (let i = 0; i < n; i++) byRow.set(ids.at(i), i);
    return byRow.get(id) ?? -1;
  };
  return {
    n, x, y, source, target, rows, nodes, edges, find, id: ids.at,
    bendStart, bendX: bends.column("x").data, bendY: bends.column("y").data,
    box: n ? { left, right, top, bottom } : { left: 0, right: 0, top: 0, bottom: 0 },
    mark: nodes.column("mark"), critical: nodes.column("critical").data, ts: nodes.column("ts"),
    label: nodes.column("label"), why: edges.column("why"), back: edges.column("back").data, guessed: edges.column("guessed").data,
  };
}

/** Which nodes are folded away: those all of whose causes are collapsed or folded. Rings never fold. */
export function foldedBy(graph, collapsed) {
  const folded = new Uint8Array(graph.n);
  if (!collapsed.length) return { folded, count: 0 };
  const shut = new Uint8Array(graph.n);
  for (const id of collapsed) if (graph.find(id) >= 0) shut[graph.find(id)] = 1;
  const order = Array.from({ length: graph.edges.rows }, (_, e) => e)
    .filter((e) => !graph.back[e] && graph.y[graph.target[e]] > graph.y[graph.source[e]])
    .sort((a, b) => graph.y[graph.target[a]] - graph.y[graph.target[b]]);
  let count = 0;
  for (let at = 0; at < order.length;) {
    // All edges into one layer: their sources are decided already.
    const layer = graph.y[graph.target[order[at]]];
    const open = new Map();
    for (; at < order.length && graph.y[graph.target[order[at]]] === layer; at++) {
      const [from, to] = [graph.source[order[at]], graph.target[order[at]]];
      open.set(to, (open.get(to) ?? false) || !(shut[from] || folded[from]));
    }
    for (const [node, seen] of open) if (!seen) { folded[node] = 1; count++; }
  }
  return { folded, count };
}

export function render({ model, el }) {
  const began = performance.now();
  const view = frame(model, el, "dag");
  const looks = model.get("looks");
  let graph = null;
  let [folded, foldedCount] = [new Uint8Array(0), 0];
  let found = new Uint8Array(0);
  let foundRows = [];
  let hover = -1;
  let first = 0;
  const at = { kx: 1, ky: 1, tx: 0, ty: 0 };
  let colours = new Map();
  let buckets = [];

  const canvas = surface(view, model, "Graph of causes and effects", paint);
  const help = "Drag to pan. Wheel (after a click, or with Ctrl) or + and - to zoom, 0 to fit. Arrow up: cause, down: effect, left and right: neighbours. C: collapse. P: critical path. N: next match. Escape: nothing selected.";
  canvas.canvas.setAttribute("aria-description", help);
  canvas.canvas.title = "";
  const legend = element("div", { class: "kit-legend", "aria-label": "Legend" });
  view.body.after(legend);

  const search = element("input", { class: "kit-input", type: "search", placeholder: "id, type or SQL condition", "aria-label": "Search by id, text or SQL condition" });
  view.tools.append(search);
  view.listen(search, "keydown", (event) => {
    if (event.key === "Enter") {
      put(model, "query", search.value);
      if (search.value === model.get("query")) step(1);
    }
  });
  view.listen(search, "input", () => { if (!search.value) put(model, "query", ""); });
  button(view, "Zoom in", "+", () => zoom(1.4));
  button(view, "Zoom out", "−", () => zoom(1 / 1.4));
  button(view, "Fit all", "Fit", () => { fit(); canvas.redraw(); });
  const critical = button(view, "Next node of the critical path", "Path", () => walkPath());
  const fold = button(view, "Collapse or expand what follows from the selected node", "Fold", () => toggle());
  const follow = button(view, "Show delegated traces", "Follow", () => put(model, "follow", !model.get("follow")));

  async function load() {
    try {
      const [nodes, edges, bends] = await Promise.all(["nodes", "edges", "bends"].map((name) => view.source.ask(name)));
      graph = graphOf(nodes, edges, bends);
    } catch (error) {
      view.warn(error.message);
      return;
    }
    hover = -1;
    refold();
    dress();
    fit();
    canvas.now();
    if (!first) first = performance.now() - began;
    await lookUp();
    tell();
  }

  function refold() {
    if (!graph) return;
    ({ folded, count: foldedCount } = foldedBy(graph, model.get("collapsed") ?? []));
    buckets = [];
    const words = graph.mark.data;
    const counts = graph.mark.words.map(() => 0);
    for (let i = 0; i < graph.n; i++) if (!folded[i]) counts[words[i]]++;
    const lists = counts.map((count) => new Uint32Array(count));
    const filled = counts.map(() => 0);
    for (let i = 0; i < graph.n; i++) if (!folded[i]) lists[words[i]][filled[words[i]]++] = i;
    lists.forEach((rows, word) => { if (rows.length) buckets.push({ mark: graph.mark.words[word], rows }); });
  }

  function dress() {
    const theme = view.theme();
    colours = new Map(Object.entries(looks.marks).map(([name, [colour, marker]]) => [name, { colour: theme.colour(colour), marker }]));
    follow.hidden = !model.get("followable");
    follow.setAttribute("aria-pressed", String(Boolean(model.get("follow"))));
    if (!graph) return;
    critical.disabled = !graph.critical.some(Boolean);
    legend.replaceChildren(...buckets.map(({ mark, rows }) => {
      const icon = element("canvas", { width: 28, height: 28, style: "width:14px;height:14px", "aria-hidden": "true" });
      const ctx = icon.getContext("2d");
      ctx.fillStyle = colours.get(mark).colour;
      ctx.beginPath();
      addMark(ctx, colours.get(mark).marker, 14, 14, 9);
      ctx.fill();
      return element("span", {}, icon, `${mark} ${rows.length.toLocaleString("en")}`);
    }), ...(graph.critical.some(Boolean) ? [element("span", {}, element("b", { text: "━", "aria-hidden": "true" }), "critical path")] : []));
  }

  // Where things are

  function fit() {
    if (!graph) return;
    const { width, height } = canvas.size;
    const { left, right, top, bottom } = graph.box;
    at.kx = Math.min((width - 2 * MARGIN) / Math.max(right - left + 0.6, 0.6), WIDEST * 0.9);
    at.ky = Math.min((height - 2 * MARGIN) / Math.max(bottom - top + 0.2, 0.5), TALLEST);
    at.tx = width / 2 - ((left + right) / 2) * at.kx;
    at.ty = height / 2 - ((top + bottom) / 2) * at.ky;
  }
  const px = (node) => graph.x[node] * at.kx + at.tx;
  const py = (node) => graph.y[node] * at.ky + at.ty;

  function zoom(factor, x = canvas.size.width / 2, y = canvas.size.height / 2) {
    if (!graph) return;
    const kx = Math.min(Math.max(at.kx * factor, 0.005), WIDEST);
    const ky = Math.min(Math.max(at.ky * factor, 0.05), TALLEST);
    at.tx = x - ((x - at.tx) * kx) / at.kx;
    at.ty = y - ((y - at.ty) * ky) / at.ky;
    at.kx = kx;
    at.ky = ky;
    canvas.redraw();
  }

  function reveal(node) {
    if (node < 0) return;
    const [x, y] = [px(node), py(node)];
    const { width, height } = canvas.size;
    if (x < MARGIN || x > width - MARGIN) at.tx += width / 2 - x;
    if (y < MARGIN || y > height - MARGIN) at.ty += height / 2 - y;
  }

  const radius = () => Math.min(Math.max(Math.min(at.kx, at.ky) * 0.3, 1), 7);
  const boxed = () => at.kx >= BOXES_FROM && at.ky >= 34;
  const half = () => (boxed() ? { x: Math.min(at.kx * 0.46, 70), y: Math.min(at.ky * 0.33, 17) } : { x: radius(), y: radius() });

  /** The node at a place of the canvas, or -1: the nearest within reach. */
  function hit(x, y) {
    if (!graph) return -1;
    const [wx, wy] = [(x - at.tx) / at.kx, (y - at.ty) / at.ky];
    const size = half();
    const [reachX, reachY] = [Math.max(size.x, 7) / at.kx, Math.max(size.y, 7) / at.ky];
    let [best, least] = [-1, Infinity];
    for (let layer = Math.ceil(wy - reachY); layer <= Math.floor(wy + reachY); layer++) {
      const row = graph.rows().get(layer);
      if (!row) continue;
      let [low, high] = [0, row.length];
      while (low < high) {
        const middle = (low + high) >> 1;
        if (graph.x[row[middle]] < wx - reachX) low = middle + 1;
        else high = middle;
      }
      for (; low < row.length && graph.x[row[low]] <= wx + reachX; low++) {
        if (folded[row[low]]) continue;
        const away = Math.hypot((graph.x[row[low]] - wx) * at.kx, (graph.y[row[low]] - wy) * at.ky);
        if (away < least) [best, least] = [row[low], away];
      }
    }
    return best;
  }

  // Drawing

  function paint(ctx, width, height) {
    if (!graph) return;
    if (!graph.n) {
      ctx.fillStyle = view.theme().muted;
      ctx.font = `13px ${FONT}`;
      ctx.fillText("Nothing to draw.", MARGIN, MARGIN);
      return;
    }
    const window_us = model.get("window_us");
    const inside = (node) => {
      if (!window_us) return true;
      const ts = graph.ts.at(node);
      return ts !== null && ts >= window_us[0] && ts <= window_us[1];
    };
    if (graph.n + graph.edges.rows > RASTER_FROM && !boxed()) {
      bitmap(ctx, { graph, at, folded, buckets, colours, theme: view.theme(), inside: window_us ? inside : null, radius: radius() });
    } else {
      drawEdges(ctx, width, height);
      drawNodes(ctx, width, height, inside);
    }
    drawMarked(ctx);
  }

  function drawEdges(ctx, width, height) {
    const theme = view.theme();
    const size = half();
    const groups = new Map();
    for (let e = 0; e < graph.edges.rows; e++) {
      const [a, b] = [graph.source[e], graph.target[e]];
      if (folded[a] || folded[b]) continue;
      const key = graph.critical[a] && graph.critical[b] && !graph.back[e] ? "critical" : `${graph.why.at(e)}${graph.guessed[e] ? "?" : ""}`;
      if (!groups.has(key)) groups.set(key, []);
      groups.get(key).push(e);
    }
    for (const [key, list] of groups) {
      const path = key === "critical";
      const why = key.replace("?", "");
      ctx.strokeStyle = path ? theme.ink : theme.muted;
      ctx.lineWidth = path ? 2.6 : 1.1;
      ctx.setLineDash(path ? [] : (looks.dashes[why] ?? looks.other_dash).map((part) => part * 1.2));
      ctx.beginPath();
      const heads = [];
      for (const e of list) {
        const points = [[px(graph.source[e]), py(graph.source[e])]];
        for (let i = graph.bendStart[e]; i < graph.bendStart[e + 1]; i++) points.push([graph.bendX[i] * at.kx + at.tx, graph.bendY[i] * at.ky + at.ty]);
        points.push([px(graph.target[e]), py(graph.target[e])]);
        const [low, high] = [Math.min(...points.map((p) => p[0])), Math.max(...points.map((p) => p[0]))];
        if (high < 0 || low > width || Math.max(points[0][1], points.at(-1)[1]) < 0 || Math.min(points[0][1], points.at(-1)[1]) > height) continue;
        if (graph.source[e] === graph.target[e]) {
          ctx.moveTo(points[0][0] + size.x + 12, points[0][1]);
          ctx.arc(points[0][0] + size.x + 6, points[0][1], 6, 0, 2 * Math.PI);
          continue;
        }
        const up = points.at(-1)[1] < points[0][1];
        points[0][1] += up ? -size.y : size.y;
        const end = points.at(-1);
        end[1] += up ? size.y + 1 : -size.y - 1;
        ctx.moveTo(...points[0]);
        for (let i = 1; i < points.length; i++) {
          const [x0, y0] = points[i - 1];
          const [x1, y1] = points[i];
          const middle = (y0 + y1) / 2;
          ctx.bezierCurveTo(x0, middle, x1, middle, x1, y1);
        }
        heads.push([end[0], end[1], up]);
      }
      ctx.stroke();
      ctx.setLineDash([]);
      if (Math.min(at.kx, at.ky) > 14) {
        ctx.fillStyle = ctx.strokeStyle;
        ctx.beginPath();
        for (const [x, y, up] of heads) {
          const turn = up ? 1 : -1;
          ctx.moveTo(x, y);
          ctx.lineTo(x - 3.5, y + 6 * turn);
          ctx.lineTo(x + 3.5, y + 6 * turn);
        }
        ctx.fill();
      }
    }
  }

  function drawNodes(ctx, width, height, inside) {
    const theme = view.theme();
    const size = half();
    const box = boxed();
    const r = radius();
    for (const { mark, rows } of buckets) {
      const { colour, marker } = colours.get(mark);
      for (const node of rows) {
        const [x, y] = [px(node), py(node)];
        if (x < -WIDEST || x > width + WIDEST || y < -40 || y > height + 40) continue;
        const label = graph.label.at(node);
        const look = looks.findings[label];
        const odd = look && !["root", "attached", "cross_trace"].includes(label);
        const finding = graph.nodes.at("finding", node);
        ctx.globalAlpha = inside(node) ? 1 : 0.25;
        if (box) {
          ctx.fillStyle = theme.tint(looks.marks[mark][0], 0.14);
          ctx.strokeStyle = finding ? theme.colour(looks.findings.cycle[0]) : odd ? theme.colour(look[0]) : colour;
          ctx.lineWidth = graph.critical[node] ? 2.6 : 1.2;
          if (graph.critical[node] && !finding) ctx.strokeStyle = theme.ink;
          ctx.setLineDash(odd ? look[2] : []);
          ctx.beginPath();
          ctx.roundRect(x - size.x, y - size.y, 2 * size.x, 2 * size.y, 4);
          ctx.fill();
          ctx.stroke();
          ctx.setLineDash([]);
          ctx.fillStyle = colour;
          ctx.beginPath();
          addMark(ctx, marker, x - size.x + 9, y - (size.y > 12 ? 6 : 0), 3.6);
          ctx.fill();
          const room = 2 * size.x - 21;
          ctx.textBaseline = "middle";
          ctx.fillStyle = theme.ink;
          ctx.font = `600 11px ${FONT}`;
          ctx.fillText(fitted(ctx, named(node), room), x - size.x + 16, y - (size.y > 12 ? 6 : 0));
          if (size.y > 12) {
            ctx.fillStyle = theme.muted;
            ctx.font = `10.5px ${FONT}`;
            const id = graph.id(node).slice(-5);
            ctx.fillText(fitted(ctx, [graph.nodes.at("neuron", node)?.replace(/^did:(sync|web):/, ""), id].filter(Boolean).join(" "), room + 8), x - size.x + 8, y + 7);
          }
        } else {
          ctx.fillStyle = colour;
          ctx.beginPath();
          addMark(ctx, marker, x, y, r);
          ctx.fill();
          if (r > 3 && (odd || finding || graph.critical[node])) {
            ctx.strokeStyle = finding || odd ? theme.colour((look ?? looks.findings.cycle)[0]) : theme.ink;
            ctx.lineWidth = 1.6;
            ctx.stroke();
          }
          if (at.kx >= NAMED_FROM && at.ky >= 30) {
            ctx.fillStyle = theme.muted;
            ctx.font = `10px ${FONT}`;
            ctx.textBaseline = "middle";
            ctx.fillText(fitted(ctx, named(node), at.kx - 2 * r - 8), x + r + 4, y);
          }
        }
        if (finding) {
          ctx.fillStyle = theme.colour(looks.findings.cycle[0]);
          ctx.font = `700 ${box ? 12 : 10}px ${FONT}`;
          ctx.textBaseline = "middle";
          ctx.fillText("!", x + size.x + 2, y - size.y + 2);
        }
      }
    }
    ctx.globalAlpha = 1;
    for (const id of model.get("collapsed") ?? []) {
      const node = graph.find(id);
      if (node < 0 || folded[node]) continue;
      ctx.fillStyle = theme.ink;
      ctx.font = `600 11px ${FONT}`;
      ctx.textAlign = "center";
      ctx.fillText("▾ folded", px(node), py(node) + size.y + 9);
      ctx.textAlign = "left";
    }
  }

  function named(node) {
    const type = graph.nodes.at("type", node);
    if (!type) return (graph.label.at(node) ?? "unknown").replaceAll("_", " ");
    const kind = graph.nodes.at("body_kind", node);
    return kind ? `${type} ${kind.split(".").pop()}` : type;
  }

  function drawMarked(ctx) {
    const theme = view.theme();
    const size = half();
    const ring = (node, colour, width, gap) => {
      ctx.strokeStyle = colour;
      ctx.lineWidth = width;
      ctx.beginPath();
      ctx.roundRect(px(node) - size.x - gap, py(node) - size.y - gap, 2 * (size.x + gap), 2 * (size.y + gap), boxed() ? 7 : size.y + gap);
      ctx.stroke();
    };
    for (const node of foundRows.slice(0, 2000)) if (!folded[node]) ring(node, theme.colour("#D08007"), 2, 4);
    if (hover >= 0) ring(hover, theme.ink, 1.5, 3);
    for (const id of model.get("selected") ?? []) {
      const node = graph.find(id);
      if (node >= 0 && !folded[node]) { ring(node, theme.paper, 5, 4); ring(node, theme.accent, 2.5, 4); }
    }
  }

  // Acting

  const chosen = () => (graph ? graph.find((model.get("selected") ?? [])[0]) : -1);

  function choose(node) {
    put(model, "selected", node < 0 ? [] : [graph.id(node)]);
    if (node >= 0 && graph.ts.at(node) !== null) put(model, "cursor_us", graph.ts.at(node));
    reveal(node);
    canvas.redraw();
    tell();
  }

  function joined(node, from, to) {
    const list = [];
    for (let e = 0; e < graph.edges.rows; e++) if (from[e] === node && !folded[to[e]]) list.push(to[e]);
    return list;
  }

  function tell() {
    if (!graph) return;
    const node = hover >= 0 ? hover : chosen();
    if (node < 0) {
      const texts = [];
      if (model.get("query")) texts.push(`${foundRows.length.toLocaleString("en")} found for ${model.get("query")}`);
      if (foldedCount) texts.push(`${foldedCount.toLocaleString("en")} folded away`);
      return view.say(texts.join("; ") || "Nothing selected.");
    }
    const causes = joined(node, graph.target, graph.source).length;
    const effects = joined(node, graph.source, graph.target).length;
    const ts = graph.ts.at(node);
    view.say([
      named(node), graph.nodes.at("neuron", node), graph.id(node),
      ts === null ? null : new Date(ts / 1000).toISOString().replace("T", " ").replace("Z", ""),
      `${causes} ${causes === 1 ? "cause" : "causes"}, ${effects} ${effects === 1 ? "effect" : "effects"}`,
      graph.critical[node] ? "on the critical path" : null,
      ["root", "attached"].includes(graph.label.at(node)) ? null : graph.label.at(node)?.replaceAll("_", " "),
      graph.nodes.at("finding", node),
    ].filter(Boolean).join(" · "));
  }

  function walkPath() {
    if (!graph) return;
    const path = [];
    for (let i = 0; i < graph.n; i++) if (graph.critical[i] && !folded[i]) path.push(i);
    path.sort((a, b) => graph.y[a] - graph.y[b] || a - b);
    if (path.length) choose(path[(path.indexOf(chosen()) + 1) % path.length]);
  }

  function step(by) {
    if (!foundRows.length) return;
    const place = foundRows.indexOf(chosen());
    choose(foundRows[(place + by + foundRows.length) % foundRows.length]);
  }

  async function lookUp() {
    const text = model.get("query") ?? "";
    if (search.value !== text) search.value = text;
    foundRows = [];
    if (text && graph) {
      try {
        foundRows = Array.from((await view.source.ask("search", { text })).column("row").data);
        view.warn("");
      } catch (error) {
        view.warn(error.message);
      }
    }
    canvas.redraw();
    tell();
  }

  function toggle() {
    const node = chosen();
    if (node < 0) return view.say("Select a node first: then what follows from it can be folded away.");
    const id = graph.id(node);
    const now = model.get("collapsed") ?? [];
    put(model, "collapsed", now.includes(id) ? now.filter((other) => other !== id) : [...now, id]);
    return undefined;
  }

  pointer(view, canvas.canvas, {
    start: () => ({}),
    drag: (from, here) => {
      if (from.tx === undefined) { from.tx = at.tx; from.ty = at.ty; }
      at.tx = from.tx + here.x - from.x;
      at.ty = from.ty + here.y - from.y;
      canvas.redraw();
    },
    click: ({ x, y }) => choose(hit(x, y)),
    hover: ({ x, y }) => {
      const node = hit(x, y);
      canvas.canvas.style.cursor = node >= 0 ? "pointer" : "grab";
      if (node === hover) return;
      hover = node;
      canvas.redraw();
      tell();
    },
    leave: () => { hover = -1; canvas.redraw(); tell(); },
    double: ({ x, y }) => zoom(1.8, x, y),
    wheel: ({ x, y }, factor) => zoom(factor, x, y),
  });

  view.listen(canvas.canvas, "keydown", (event) => {
    if (!graph || event.ctrlKey || event.metaKey || event.altKey) return;
    const node = chosen();
    const beside = (by) => {
      const row = graph.rows().get(Math.round(graph.y[node])).filter((other) => !folded[other]);
      return row[Math.min(Math.max(row.indexOf(node) + by, 0), row.length - 1)];
    };
    const start = () => { for (let i = 0; i < graph.n; i++) if (!folded[i]) return i; return -1; };
    const acts = {
      ArrowUp: () => choose(node < 0 ? start() : (joined(node, graph.target, graph.source)[0] ?? node)),
      ArrowDown: () => choose(node < 0 ? start() : (joined(node, graph.source, graph.target)[0] ?? node)),
      ArrowLeft: () => choose(node < 0 ? start() : beside(-1)),
      ArrowRight: () => choose(node < 0 ? start() : beside(1)),
      "+": () => zoom(1.4), "=": () => zoom(1.4), "-": () => zoom(1 / 1.4),
      0: () => { fit(); canvas.redraw(); },
      c: () => toggle(), p: () => walkPath(), n: () => step(1), N: () => step(-1),
      "/": () => search.focus(),
      Escape: () => choose(-1),
    };
    if (!acts[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    acts[event.key]();
  });

  view.on("selected", () => { if (graph) { reveal(chosen()); canvas.redraw(); tell(); } });
  view.on("window_us", () => canvas.redraw());
  view.on("collapsed", () => { refold(); dress(); canvas.redraw(); tell(); });
  view.on("query", lookUp);
  view.on("follow", dress);
  view.on("followable", dress);
  view.on("revision", load);
  view.themed(() => { dress(); });
  dress();
  load();

  view.root.kitView = {
    hit: (x, y) => { const node = hit(x, y); return node < 0 ? null : graph.id(node); },
    place: (id) => { const node = graph.find(id); return node < 0 || folded[node] ? null : { x: px(node), y: py(node) }; },
    ready: () => graph !== null, theme: () => view.theme(), first: () => first, times: canvas.times, zoom,
    found: () => foundRows.map((row) => graph.id(row)), folded: () => foldedCount,
  };
  return view.close;
}

export default { render };
