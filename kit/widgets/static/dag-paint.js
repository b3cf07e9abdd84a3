// The DAG drawn on a canvas: edges, nodes, and rings around what is found, pointed at or selected.

import { fitted, FONT } from "./view.js";
import { addMark } from "./marks.js";
import { bitmap } from "./raster.js";
import { MARGIN, WIDEST } from "./camera.js";
import { named } from "./graph.js";

const NAMED_FROM = 44;
const RASTER_FROM = 4000;

/**
 * Paint all of a DAG.
 *
 * `scene` has graph, folded, buckets (nodes by mark), colours (of marks), looks, theme, found, hover, selected, collapsed and
 * window_us; nodes outside the window are faint. `camera` says where nodes are.
 */
export function paintGraph(ctx, width, height, scene, camera) {
  const { graph, folded, buckets, colours, theme, window_us } = scene;
  if (!graph) return;
  if (!graph.n) {
    ctx.fillStyle = theme.muted;
    ctx.font = `13px ${FONT}`;
    ctx.fillText("Nothing to draw.", MARGIN, MARGIN);
    return;
  }
  const inside = (node) => {
    if (!window_us) return true;
    const ts = graph.ts.at(node);
    return ts !== null && ts >= window_us[0] && ts <= window_us[1];
  };
  if (graph.n + graph.edges.rows > RASTER_FROM && !camera.boxed()) {
    bitmap(ctx, { graph, at: camera.at, folded, buckets, colours, theme, inside: window_us ? inside : null, radius: camera.radius() });
  } else {
    drawEdges(ctx, width, height, scene, camera);
    drawNodes(ctx, width, height, scene, camera, inside);
  }
  drawMarked(ctx, scene, camera);
}

function drawEdges(ctx, width, height, scene, camera) {
  const { graph, folded, looks, theme } = scene;
  const { at, px, py } = camera;
  const size = camera.half();
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

function drawNodes(ctx, width, height, scene, camera, inside) {
  const { graph, folded, looks, theme, buckets, colours } = scene;
  const { at, px, py } = camera;
  const size = camera.half();
  const box = camera.boxed();
  const r = camera.radius();
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
        writeBox(ctx, { graph, node, x, y, size, colour, marker, theme });
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
          writeUnder(ctx, { graph, node, x, y: y + r + 9, wide: at.kx, two: at.ky >= 44, theme });
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
  for (const id of scene.collapsed) {
    const node = graph.find(id);
    if (node < 0 || folded[node]) continue;
    ctx.fillStyle = theme.ink;
    ctx.font = `600 11px ${FONT}`;
    ctx.textAlign = "center";
    ctx.fillText("▾ folded", px(node), py(node) + size.y + 9);
    ctx.textAlign = "left";
  }
}

/** The mark, the name and the sender of a node in its box. */
function writeBox(ctx, { graph, node, x, y, size, colour, marker, theme }) {
  const { lines, px: tall, beside } = lettering(ctx, named(graph, node), 2 * size.x, size.y > 12);
  const [upper, lower] = size.y > 12 ? [y - 6, y + 7] : [y, y];
  const left = x - size.x + (beside ? 16 : 4);
  ctx.fillStyle = colour;
  ctx.beginPath();
  addMark(ctx, marker, x - size.x + 9, beside ? upper : lower, 3.6);
  ctx.fill();
  ctx.textBaseline = "middle";
  ctx.fillStyle = theme.ink;
  ctx.font = `600 ${tall}px ${FONT}`;
  ctx.fillText(lines[0], left, upper);
  if (lines.length > 1) ctx.fillText(lines[1], x - size.x + 16, lower);
  else if (size.y > 12) {
    ctx.fillStyle = theme.muted;
    ctx.font = `${beside ? 10.5 : 9.5}px ${FONT}`;
    ctx.fillText(whose(ctx, graph, node, 2 * size.x - (beside ? 13 : 20)), x - size.x + (beside ? 8 : 16), lower);
  }
}

/** The name of a node below its mark, on a ground of its own: edges leave there. */
function writeUnder(ctx, { graph, node, x, y, wide, two, theme }) {
  const name = named(graph, node);
  const { lines, px } = broken(ctx, name, [wide - 1, two ? wide - 1 : 0], [10, 9, 8.5], 400) ?? cut(ctx, name, wide - 1, 9, 400);
  ctx.font = `${px}px ${FONT}`;
  ctx.textBaseline = "middle";
  ctx.textAlign = "center";
  ctx.strokeStyle = theme.paper;
  ctx.lineWidth = 3;
  ctx.fillStyle = theme.ink;
  lines.forEach((line, i) => ctx.strokeText(line, x, y + 11 * i));
  lines.forEach((line, i) => ctx.fillText(line, x, y + 11 * i));
  ctx.textAlign = "left";
}

/**
 * How the name of a node is lettered in a box of `wide` pixels: `lines`, `px` of the letters, and whether the mark of its kind
 * stands `beside` the first line. In a narrow box the mark goes to the second line, then the letters get smaller, then the name
 * breaks where it has a seam; letters are left out last.
 */
function lettering(ctx, name, wide, two) {
  const whole = broken(ctx, name, [wide - 21, 0], [11], 600);
  if (whole) return { ...whole, beside: true };
  if (!two) return { ...cut(ctx, name, wide - 21, 9, 600), beside: true };
  return { ...(broken(ctx, name, [wide - 7, wide - 20], [11, 10, 9], 600) ?? cut(ctx, name, wide - 7, 9, 600)), beside: false };
}

/** A name in the largest of `sizes` in which it fits whole: on one line of rooms[0] pixels, or broken at a seam; null where it does not. */
function broken(ctx, name, rooms, sizes, weight) {
  const fits = (line, px, room) => {
    ctx.font = `${weight} ${px}px ${FONT}`;
    return ctx.measureText(line).width <= room;
  };
  for (const px of sizes) if (fits(name, px, rooms[0])) return { lines: [name], px };
  const seams = [...name.matchAll(/[_ ]/g)].map((found) => found.index + 1);
  const seam = seams.sort((a, b) => Math.abs(a - name.length / 2) - Math.abs(b - name.length / 2))[0];
  if (!seam || !rooms[1]) return null;
  const lines = [name.slice(0, seam - 1), name.slice(seam)];
  const px = sizes.find((size) => lines.every((line, i) => fits(line, size, rooms[i])));
  return px ? { lines, px } : null;
}

function cut(ctx, name, room, px, weight) {
  ctx.font = `${weight} ${px}px ${FONT}`;
  return { lines: [fitted(ctx, name, room)], px };
}

/** Who sent a node and the end of its id, in `room` pixels of the font that is set: the id only where there is room for both. */
function whose(ctx, graph, node, room) {
  const who = graph.nodes.at("neuron", node)?.replace(/^did:(sync|web):/, "");
  const id = graph.id(node).slice(-5);
  const both = who ? `${who} ${id}` : id;
  return ctx.measureText(both).width <= room ? both : fitted(ctx, who ?? id, room);
}

function drawMarked(ctx, scene, camera) {
  const { graph, folded, theme } = scene;
  const { px, py } = camera;
  const size = camera.half();
  const ring = (node, colour, width, gap) => {
    ctx.strokeStyle = colour;
    ctx.lineWidth = width;
    ctx.beginPath();
    ctx.roundRect(px(node) - size.x - gap, py(node) - size.y - gap, 2 * (size.x + gap), 2 * (size.y + gap), camera.boxed() ? 7 : size.y + gap);
    ctx.stroke();
  };
  for (const node of scene.found.slice(0, 2000)) if (!folded[node]) ring(node, theme.colour("#D08007"), 2, 4);
  if (scene.hover >= 0) ring(scene.hover, theme.ink, 1.5, 3);
  for (const id of scene.selected) {
    const node = graph.find(id);
    if (node >= 0 && !folded[node]) { ring(node, theme.paper, 5, 4); ring(node, theme.accent, 2.5, 4); }
  }
}
