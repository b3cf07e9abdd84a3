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
        ctx.fillStyle = colour;
        ctx.beginPath();
        addMark(ctx, marker, x - size.x + 9, y - (size.y > 12 ? 6 : 0), 3.6);
        ctx.fill();
        const room = 2 * size.x - 21;
        ctx.textBaseline = "middle";
        ctx.fillStyle = theme.ink;
        ctx.font = `600 11px ${FONT}`;
        ctx.fillText(fitted(ctx, named(graph, node), room), x - size.x + 16, y - (size.y > 12 ? 6 : 0));
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
          ctx.fillText(fitted(ctx, named(graph, node), at.kx - 2 * r - 8), x + r + 4, y);
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
