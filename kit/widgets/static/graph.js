// The graph of a DAG view: its columns as typed arrays, and which nodes are folded away.

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

/** What a node is called: its type and, for a record, the last part of its kind. */
export function named(graph, node) {
  const type = graph.nodes.at("type", node);
  if (!type) return (graph.label.at(node) ?? "unknown").replaceAll("_", " ");
  const kind = graph.nodes.at("body_kind", node);
  return kind ? `${type} ${kind.split(".").pop()}` : type;
}
