// The timeline drawn on a canvas: lanes, spans, points, counts, the marked stretch and the cursor.

import { fitted, FONT } from "./view.js";
import { addMark } from "./marks.js";
import { AXIS, ROW } from "./lanes.js";
import { ticks, drawAxis } from "./axis.js";

/**
 * Paint all of a timeline and return the first selected mark in sight, or -1.
 *
 * `scene` has lanes, shown, scroll, axis, first (the origin of the axis), hover, selected, window_us (marked), brush (being
 * marked), cursor_us, theme, looks and lookOf(kind); `places` says where lanes and marks are.
 */
export function paintLanes(ctx, width, height, scene, places) {
  const { lanes, shown, scroll, theme, axis } = scene;
  const { X } = places;
  const [p, top] = [places.plot(), places.tops()];
  ctx.font = `12px ${FONT}`;
  ctx.textBaseline = "middle";
  if (!lanes.rows) {
    ctx.fillStyle = theme.muted;
    ctx.fillText("Nothing to show yet.", 14, 22);
    return -1;
  }
  for (let i = 0; i < lanes.rows; i++) {
    const y = top[i] - scroll;
    if (y > p.height || top[i + 1] - scroll < 0) continue;
    if (i % 2 === 0) { ctx.fillStyle = theme.band; ctx.fillRect(0, y, width, top[i + 1] - top[i]); }
  }
  const marked = ticks(ctx, axis, places, theme, scene.first);
  const chosen = shown ? drawShown(ctx, p, top, scene, places) : -1;
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
  const window_us = scene.brush ?? scene.window_us;
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
  const cursor = scene.cursor_us;
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
  drawAxis(ctx, axis, places, theme, marked);
  if (top.at(-1) > p.height) {
    const share = p.height / top.at(-1);
    ctx.fillStyle = theme.line;
    ctx.fillRect(width - 5, scroll * share, 4, p.height * share);
  }
  return chosen;
}

function drawShown(ctx, p, top, scene, places) {
  const { shown, scroll, theme, looks, hover, window_us } = scene;
  const selected = new Set(scene.selected);
  const right = p.left + p.width;
  let most = 1;
  for (let row = 0; row < shown.rows; row++) most = Math.max(most, shown.at("count", row) ?? 0);
  ctx.save();
  ctx.beginPath();
  ctx.rect(p.left, 0, p.width, p.height);
  ctx.clip();
  const stacked = new Map();
  const rings = [];
  let chosen = -1;
  for (let row = 0; row < shown.rows; row++) {
    const box = places.boxOf(row, top, p);
    if (box.x1 < p.left || box.x0 > right || box.y > p.height) continue;
    const look = scene.lookOf(shown.at("kind", row));
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
    if (selected.has(shown.at("id", row))) { rings.push([box, theme.accent, 2.5]); if (chosen < 0) chosen = row; }
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
  return chosen;
}
