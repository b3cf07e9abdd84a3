// The DAG: nodes in layers, causes above effects. Layout and search come from Python; here are its tools, keys and clicks.

import { frame, surface, pointer, button, element, put } from "./view.js";
import { addMark } from "./marks.js";
import { graphOf, foldedBy, named } from "./graph.js";
import { cameraOver } from "./camera.js";
import { paintGraph } from "./dag-paint.js";

export function render({ model, el }) {
  const began = performance.now();
  const view = frame(model, el, "dag");
  const looks = model.get("looks");
  const scene = { graph: null, folded: new Uint8Array(0), foldedCount: 0, buckets: [], colours: new Map(), found: [], hover: -1, looks };
  let first = 0;

  const canvas = surface(view, model, "Graph of causes and effects", paint);
  const camera = cameraOver(scene, canvas.size);
  const { at, hit } = camera;
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
  button(view, "Fit all", "Fit", () => { camera.fit(); canvas.redraw(); });
  const critical = button(view, "Next node of the critical path", "Path", () => walkPath());
  const fold = button(view, "Collapse or expand what follows from the selected node", "Fold", () => toggle());
  const follow = button(view, "Show delegated traces", "Follow", () => put(model, "follow", !model.get("follow")));

  async function load() {
    try {
      const [nodes, edges, bends] = await Promise.all(["nodes", "edges", "bends"].map((name) => view.source.ask(name)));
      scene.graph = graphOf(nodes, edges, bends);
    } catch (error) {
      view.warn(error.message);
      return;
    }
    scene.hover = -1;
    refold();
    dress();
    camera.fit();
    canvas.now();
    if (!first) first = performance.now() - began;
    await lookUp();
    tell();
  }

  function refold() {
    if (!scene.graph) return;
    ({ folded: scene.folded, count: scene.foldedCount } = foldedBy(scene.graph, model.get("collapsed") ?? []));
    scene.buckets = [];
    const words = scene.graph.mark.data;
    const counts = scene.graph.mark.words.map(() => 0);
    for (let i = 0; i < scene.graph.n; i++) if (!scene.folded[i]) counts[words[i]]++;
    const lists = counts.map((count) => new Uint32Array(count));
    const filled = counts.map(() => 0);
    for (let i = 0; i < scene.graph.n; i++) if (!scene.folded[i]) lists[words[i]][filled[words[i]]++] = i;
    lists.forEach((rows, word) => { if (rows.length) scene.buckets.push({ mark: scene.graph.mark.words[word], rows }); });
  }

  function dress() {
    const theme = view.theme();
    scene.colours = new Map(Object.entries(looks.marks).map(([name, [colour, marker]]) => [name, { colour: theme.colour(colour), marker }]));
    follow.hidden = !model.get("followable");
    follow.setAttribute("aria-pressed", String(Boolean(model.get("follow"))));
    if (!scene.graph) return;
    critical.disabled = !scene.graph.critical.some(Boolean);
    legend.replaceChildren(...scene.buckets.map(({ mark, rows }) => {
      const icon = element("canvas", { width: 28, height: 28, style: "width:14px;height:14px", "aria-hidden": "true" });
      const ctx = icon.getContext("2d");
      ctx.fillStyle = scene.colours.get(mark).colour;
      ctx.beginPath();
      addMark(ctx, scene.colours.get(mark).marker, 14, 14, 9);
      ctx.fill();
      return element("span", {}, icon, `${mark} ${rows.length.toLocaleString("en")}`);
    }), ...(scene.graph.critical.some(Boolean) ? [element("span", {}, element("b", { text: "━", "aria-hidden": "true" }), "critical path")] : []));
  }

  function paint(ctx, width, height) {
    const traits = { selected: model.get("selected") ?? [], collapsed: model.get("collapsed") ?? [], window_us: model.get("window_us") };
    paintGraph(ctx, width, height, { ...scene, ...traits, theme: view.theme() }, camera);
  }

  // Acting

  function zoom(factor, x, y) {
    camera.zoom(factor, x, y);
    canvas.redraw();
  }

  const chosen = () => (scene.graph ? scene.graph.find((model.get("selected") ?? [])[0]) : -1);

  function choose(node) {
    put(model, "selected", node < 0 ? [] : [scene.graph.id(node)]);
    if (node >= 0 && scene.graph.ts.at(node) !== null) put(model, "cursor_us", scene.graph.ts.at(node));
    camera.reveal(node);
    canvas.redraw();
    tell();
  }

  function joined(node, from, to) {
    const list = [];
    for (let e = 0; e < scene.graph.edges.rows; e++) if (from[e] === node && !scene.folded[to[e]]) list.push(to[e]);
    return list;
  }

  function tell() {
    if (!scene.graph) return;
    const node = scene.hover >= 0 ? scene.hover : chosen();
    if (node < 0) {
      const texts = [];
      if (model.get("query")) texts.push(`${scene.found.length.toLocaleString("en")} found for ${model.get("query")}`);
      if (scene.foldedCount) texts.push(`${scene.foldedCount.toLocaleString("en")} folded away`);
      return view.say(texts.join("; ") || "Nothing selected.");
    }
    const causes = joined(node, scene.graph.target, scene.graph.source).length;
    const effects = joined(node, scene.graph.source, scene.graph.target).length;
    const ts = scene.graph.ts.at(node);
    view.say([
      named(scene.graph, node), scene.graph.nodes.at("neuron", node), scene.graph.id(node),
      ts === null ? null : new Date(ts / 1000).toISOString().replace("T", " ").replace("Z", ""),
      `${causes} ${causes === 1 ? "cause" : "causes"}, ${effects} ${effects === 1 ? "effect" : "effects"}`,
      scene.graph.critical[node] ? "on the critical path" : null,
      ["root", "attached"].includes(scene.graph.label.at(node)) ? null : scene.graph.label.at(node)?.replaceAll("_", " "),
      scene.graph.nodes.at("finding", node),
    ].filter(Boolean).join(" · "));
  }

  function walkPath() {
    if (!scene.graph) return;
    const path = [];
    for (let i = 0; i < scene.graph.n; i++) if (scene.graph.critical[i] && !scene.folded[i]) path.push(i);
    path.sort((a, b) => scene.graph.y[a] - scene.graph.y[b] || a - b);
    if (path.length) choose(path[(path.indexOf(chosen()) + 1) % path.length]);
  }

  function step(by) {
    if (!scene.found.length) return;
    const place = scene.found.indexOf(chosen());
    choose(scene.found[(place + by + scene.found.length) % scene.found.length]);
  }

  async function lookUp() {
    const text = model.get("query") ?? "";
    if (search.value !== text) search.value = text;
    scene.found = [];
    if (text && scene.graph) {
      try {
        scene.found = Array.from((await view.source.ask("search", { text })).column("row").data);
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
    const id = scene.graph.id(node);
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
      if (node === scene.hover) return;
      scene.hover = node;
      canvas.redraw();
      tell();
    },
    leave: () => { scene.hover = -1; canvas.redraw(); tell(); },
    double: ({ x, y }) => zoom(1.8, x, y),
    wheel: ({ x, y }, factor) => zoom(factor, x, y),
  });

  view.listen(canvas.canvas, "keydown", (event) => {
    if (!scene.graph || event.ctrlKey || event.metaKey || event.altKey) return;
    const node = chosen();
    const beside = (by) => {
      const row = scene.graph.rows().get(Math.round(scene.graph.y[node])).filter((other) => !scene.folded[other]);
      return row[Math.min(Math.max(row.indexOf(node) + by, 0), row.length - 1)];
    };
    const start = () => { for (let i = 0; i < scene.graph.n; i++) if (!scene.folded[i]) return i; return -1; };
    const acts = {
      ArrowUp: () => choose(node < 0 ? start() : (joined(node, scene.graph.target, scene.graph.source)[0] ?? node)),
      ArrowDown: () => choose(node < 0 ? start() : (joined(node, scene.graph.source, scene.graph.target)[0] ?? node)),
      ArrowLeft: () => choose(node < 0 ? start() : beside(-1)),
      ArrowRight: () => choose(node < 0 ? start() : beside(1)),
      "+": () => zoom(1.4), "=": () => zoom(1.4), "-": () => zoom(1 / 1.4),
      0: () => { camera.fit(); canvas.redraw(); },
      c: () => toggle(), p: () => walkPath(), n: () => step(1), N: () => step(-1),
      "/": () => search.focus(),
      Escape: () => choose(-1),
    };
    if (!acts[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    acts[event.key]();
  });

  view.on("selected", () => { if (scene.graph) { camera.reveal(chosen()); canvas.redraw(); tell(); } });
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
    hit: (x, y) => { const node = hit(x, y); return node < 0 ? null : scene.graph.id(node); },
    place: (id) => { const node = scene.graph.find(id); return node < 0 || scene.folded[node] ? null : { x: camera.px(node), y: camera.py(node) }; },
    ready: () => scene.graph !== null, theme: () => view.theme(), first: () => first, times: canvas.times, zoom,
    found: () => scene.found.map((row) => scene.graph.id(row)), folded: () => scene.foldedCount,
  };
  return view.close;
}

export default { render };
