// Large graphs, drawn into a bitmap: lines of a pixel, without anti-aliasing. Stroking 50,000 lines takes a browser
// without GPU ten times as long.

function rgba(colour) {
  const value = parseInt(colour.slice(1), 16);
  return (0xff000000 | ((value & 0xff) << 16) | (value & 0xff00) | (value >> 16)) >>> 0;
}

function line(pixels, wide, tall, x0, y0, x1, y1, colour) {
  // Cut to the canvas first (Liang and Barsky 1984), so that the loop below needs no test.
  let [from, to] = [0, 1];
  const [dx, dy] = [x1 - x0, y1 - y0];
  for (const [slope, room] of [[-dx, x0], [dx, wide - 1 - x0], [-dy, y0], [dy, tall - 1 - y0]]) {
    if (slope === 0) { if (room < 0) return; continue; }
    const where = room / slope;
    if (slope < 0) { if (where > from) from = where; } else if (where < to) to = where;
  }
  if (from > to) return;
  let x = x0 + from * dx;
  let y = y0 + from * dy;
  const steps = Math.ceil(Math.max(Math.abs(dx), Math.abs(dy)) * (to - from));
  const [stepX, stepY] = steps ? [((to - from) * dx) / steps, ((to - from) * dy) / steps] : [0, 0];
  for (let i = 0; i <= steps; i++) {
    pixels[(y | 0) * wide + (x | 0)] = colour;
    x += stepX;
    y += stepY;
  }
}

/** Draw a graph with its nodes as squares; `inside(node)` says which are not faint, or is null for all. */
export function bitmap(ctx, { graph, at, folded, buckets, colours, theme, inside, radius }) {
  const { width: wide, height: tall } = ctx.canvas;
  const scale = ctx.getTransform().a;
  const image = ctx.createImageData(wide, tall);
  const pixels = new Uint32Array(image.data.buffer);
  pixels.fill(rgba(theme.paper));
  const [kx, ky, tx, ty] = [at.kx * scale, at.ky * scale, at.tx * scale, at.ty * scale];
  const plain = rgba(theme.line);
  const strong = rgba(theme.ink);
  const { x, y, source, target, critical, back } = graph;
  for (const pass of [0, 1]) {
    for (let e = 0; e < source.length; e++) {
      const [a, b] = [source[e], target[e]];
      const path = critical[a] && critical[b] && !back[e] ? 1 : 0;
      if (path !== pass || folded[a] || folded[b]) continue;
      const [x0, y0, x1, y1] = [x[a] * kx + tx, y[a] * ky + ty, x[b] * kx + tx, y[b] * ky + ty];
      line(pixels, wide, tall, x0, y0, x1, y1, path ? strong : plain);
      if (path) {
        line(pixels, wide, tall, x0 + 1, y0, x1 + 1, y1, strong);
        line(pixels, wide, tall, x0, y0 + 1, x1, y1 + 1, strong);
      }
    }
  }
  const r = Math.max(1, Math.round(radius * scale * 0.8));
  for (const { mark, rows } of buckets) {
    const full = rgba(colours.get(mark).colour);
    const faint = rgba(theme.tint(colours.get(mark).colour, 0.3));
    for (const node of rows) {
      const cx = (x[node] * kx + tx) | 0;
      const cy = (y[node] * ky + ty) | 0;
      if (cx < -r || cy < -r || cx >= wide + r || cy >= tall + r) continue;
      const colour = inside === null || inside(node) ? full : faint;
      const [left, right] = [Math.max(cx - r, 0), Math.min(cx + r, wide)];
      for (let row = Math.max(cy - r, 0); row < Math.min(cy + r, tall); row++) pixels.fill(colour, row * wide + left, row * wide + right);
    }
  }
  ctx.putImageData(image, 0, 0);
}
