// Large graphs, drawn into a bitmap: lines of a pixel, without anti-aliasing. Stroking 50,000 lines takes a browser
// without GPU ten times as long.

function rgba(colour) {
  const value = parseInt(colour.slice(1), 16);
  return (0xff000000 | ((value & 0xff) << 16) | (value & 0xff00) | (value >> 16)) >>> 0;
}

// The hot loop: no arrays or objects are made in it.
function line(pixels, wide, tall, x0, y0, x1, y1, colour) {
  const right = wide - 1;
  const bottom = tall - 1;
  if ((x0 < 0 && x1 < 0) || (y0 < 0 && y1 < 0) || (x0 > right && x1 > right) || (y0 > bottom && y1 > bottom)) return;
  const dx = x1 - x0;
  const dy = y1 - y0;
  let from = 0;
  let to = 1;
  if (x0 < 0 || y0 < 0 || x1 < 0 || y1 < 0 || x0 > right || x1 > right || y0 > bottom || y1 > bottom) {
    // Cut to the canvas (Liang and Barsky 1984), so that the loop below needs no test.
    if (dx > 0) { from = Math.max(from, -x0 / dx); to = Math.min(to, (right - x0) / dx); }
    else if (dx < 0) { from = Math.max(from, (right - x0) / dx); to = Math.min(to, -x0 / dx); }
    if (dy > 0) { from = Math.max(from, -y0 / dy); to = Math.min(to, (bottom - y0) / dy); }
    else if (dy < 0) { from = Math.max(from, (bottom - y0) / dy); to = Math.min(to, -y0 / dy); }
    if (from > to) return;
  }
  const steps = Math.ceil(Math.max(Math.abs(dx), Math.abs(dy)) * (to - from));
  const stepX = steps ? ((to - from) * dx) / steps : 0;
  const stepY = steps ? ((to - from) * dy) / steps : 0;
  let x = x0 + from * dx;
  let y = y0 + from * dy;
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
  const onPath = [];
  for (let e = 0; e < source.length; e++) {
    const a = source[e];
    const b = target[e];
    if (folded[a] || folded[b]) continue;
    if (critical[a] && critical[b] && !back[e]) onPath.push(e);
    else line(pixels, wide, tall, x[a] * kx + tx, y[a] * ky + ty, x[b] * kx + tx, y[b] * ky + ty, plain);
  }
  for (const e of onPath) {
    const x0 = x[source[e]] * kx + tx;
    const y0 = y[source[e]] * ky + ty;
    const x1 = x[target[e]] * kx + tx;
    const y1 = y[target[e]] * ky + ty;
    line(pixels, wide, tall, x0, y0, x1, y1, strong);
    line(pixels, wide, tall, x0 + 1, y0, x1 + 1, y1, strong);
    line(pixels, wide, tall, x0, y0 + 1, x1, y1 + 1, strong);
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
      const left = Math.max(cx - r, 0);
      const right = Math.min(cx + r, wide);
      const below = Math.min(cy + r, tall);
      for (let row = Math.max(cy - r, 0); row < below; row++) {
        for (let at = row * wide + left; at < row * wide + right; at++) pixels[at] = colour;
      }
    }
  }
  ctx.putImageData(image, 0, 0);
}
