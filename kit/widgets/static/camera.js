// The camera of a DAG view: which place of the canvas a node has, and which node is at a place.

export const MARGIN = 26;
export const WIDEST = 150;
const TALLEST = 62;
const BOXES_FROM = 72;

/**
 * Return a camera over `scene` ({graph, folded}) for a canvas of `size` ({width, height}), both as they are when it is asked.
 *
 * `at` is the affine map from the layout to the canvas: x * kx + tx, y * ky + ty.
 */
export function cameraOver(scene, size) {
  const at = { kx: 1, ky: 1, tx: 0, ty: 0 };

  function fit() {
    if (!scene.graph) return;
    const { width, height } = size;
    const { left, right, top, bottom } = scene.graph.box;
    at.kx = Math.min((width - 2 * MARGIN) / Math.max(right - left + 0.6, 0.6), WIDEST * 0.9);
    at.ky = Math.min((height - 2 * MARGIN) / Math.max(bottom - top + 0.2, 0.5), TALLEST);
    at.tx = width / 2 - ((left + right) / 2) * at.kx;
    at.ty = height / 2 - ((top + bottom) / 2) * at.ky;
  }
  const px = (node) => scene.graph.x[node] * at.kx + at.tx;
  const py = (node) => scene.graph.y[node] * at.ky + at.ty;

  function zoom(factor, x = size.width / 2, y = size.height / 2) {
    if (!scene.graph) return;
    const kx = Math.min(Math.max(at.kx * factor, 0.005), WIDEST);
    const ky = Math.min(Math.max(at.ky * factor, 0.05), TALLEST);
    at.tx = x - ((x - at.tx) * kx) / at.kx;
    at.ty = y - ((y - at.ty) * ky) / at.ky;
    at.kx = kx;
    at.ky = ky;
  }

  function reveal(node) {
    if (node < 0) return;
    const [x, y] = [px(node), py(node)];
    const { width, height } = size;
    if (x < MARGIN || x > width - MARGIN) at.tx += width / 2 - x;
    if (y < MARGIN || y > height - MARGIN) at.ty += height / 2 - y;
  }

  const radius = () => Math.min(Math.max(Math.min(at.kx, at.ky) * 0.3, 1), 7);
  const boxed = () => at.kx >= BOXES_FROM && at.ky >= 34;
  const half = () => (boxed() ? { x: Math.min(at.kx * 0.46, 70), y: Math.min(at.ky * 0.33, 17) } : { x: radius(), y: radius() });

  /** The node at a place of the canvas, or -1: the nearest within reach. */
  function hit(x, y) {
    if (!scene.graph) return -1;
    const [wx, wy] = [(x - at.tx) / at.kx, (y - at.ty) / at.ky];
    const { x: wide, y: tall } = half();
    const [reachX, reachY] = [Math.max(wide, 7) / at.kx, Math.max(tall, 7) / at.ky];
    let [best, least] = [-1, Infinity];
    for (let layer = Math.ceil(wy - reachY); layer <= Math.floor(wy + reachY); layer++) {
      const row = scene.graph.rows().get(layer);
      if (!row) continue;
      let [low, high] = [0, row.length];
      while (low < high) {
        const middle = (low + high) >> 1;
        if (scene.graph.x[row[middle]] < wx - reachX) low = middle + 1;
        else high = middle;
      }
      for (; low < row.length && scene.graph.x[row[low]] <= wx + reachX; low++) {
        if (scene.folded[row[low]]) continue;
        const away = Math.hypot((scene.graph.x[row[low]] - wx) * at.kx, (scene.graph.y[row[low]] - wy) * at.ky);
        if (away < least) [best, least] = [row[low], away];
      }
    }
    return best;
  }

  return { at, fit, px, py, zoom, reveal, radius, boxed, half, hit };
}
