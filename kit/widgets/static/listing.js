// Rows to choose from: a list that scrolls without end, with keys, a filter, and only the rows in sight in the page.

import { frame, element, put, duration } from "./view.js";

const ROW = 24;

function cell(frame_, name, row) {
  const value = frame_.at(name, row);
  if (value === null) return "";
  const kind = frame_.column(name).kind;
  if (kind === "us") return new Date(value / 1000).toISOString().replace("T", " ").replace(/\.?0*Z$/, "");
  if (name.endsWith("_ms") && typeof value === "number") return duration(value * 1000);
  if (typeof value === "number") return Number.isInteger(value) ? value.toLocaleString("en") : String(Number(value.toPrecision(5)));
  return value;
}

export function render({ model, el }) {
  const view = frame(model, el, "listing");
  let rows = null;
  let kept = [];
  let at = -1;
  const filter = element("input", { class: "kit-input", type: "search", placeholder: "filter", "aria-label": `Filter ${model.get("title") || "rows"}` });
  view.tools.append(filter);
  const box = element("div", { class: "kit-scroll", style: `max-height:${model.get("height")}px` });
  const table = element("table", { role: "grid", tabindex: "0", "aria-label": model.get("title") || "rows" });
  const head = element("thead");
  const body = element("tbody");
  table.append(head, body);
  box.append(table);
  view.body.append(box);

  async function load() {
    try { rows = await view.source.ask("rows"); } catch (error) { return view.warn(error.message); }
    head.replaceChildren(element("tr", { role: "row" }, ...rows.names.map((name) => element("th", { scope: "col", class: isNumber(name) ? "kit-number" : null, text: name.replace(/_ms$/, "").replaceAll("_", " ") }))));
    sift();
    if (at > 2) { box.scrollTop = (at - 2) * ROW; draw(); }
    return undefined;
  }
  const isNumber = (name) => !["text", "code", "us"].includes(rows.column(name).kind);

  function sift() {
    if (!rows) return;
    const text = filter.value.trim().toLowerCase();
    kept = [];
    for (let row = 0; row < rows.rows; row++) {
      if (!text || rows.names.some((name) => String(cell(rows, name, row)).toLowerCase().includes(text))) kept.push(row);
    }
    at = kept.findIndex((row) => rows.at(model.get("key"), row) === model.get("chosen"));
    table.setAttribute("aria-rowcount", String(kept.length + 1));
    view.say(text ? `${kept.length.toLocaleString("en")} of ${rows.rows.toLocaleString("en")} rows` : `${rows.rows.toLocaleString("en")} rows`);
    draw();
  }

  function draw() {
    if (!rows) return;
    const high = model.get("height");
    const first = Math.max(0, Math.floor(box.scrollTop / ROW) - 5);
    const last = Math.min(kept.length, Math.ceil((box.scrollTop + high) / ROW) + 5);
    const made = [spacer(first * ROW)];
    for (let i = first; i < last; i++) {
      const line = element("tr", { role: "row", "aria-rowindex": i + 2, "aria-selected": String(i === at), "data-row": i, style: `height:${ROW}px` });
      for (const name of rows.names) {
        const text = cell(rows, name, kept[i]);
        line.append(element("td", { class: isNumber(name) ? "kit-number" : null, style: "white-space:nowrap;max-width:260px;overflow:hidden;text-overflow:ellipsis", title: text, text }));
      }
      made.push(line);
    }
    made.push(spacer((kept.length - last) * ROW));
    body.replaceChildren(...made);
  }
  const spacer = (tall) => element("tr", { "aria-hidden": "true", style: `height:${tall}px` });

  function choose(place) {
    if (place < 0 || place >= kept.length) return;
    at = place;
    const key = rows.at(model.get("key"), kept[at]) ?? "";
    put(model, "chosen", String(key));
    if (model.get("selects")) put(model, "selected", ids(key));
    const top = at * ROW;
    if (top < box.scrollTop) box.scrollTop = top;
    if (top + 2 * ROW > box.scrollTop + box.clientHeight) box.scrollTop = top + 2 * ROW - box.clientHeight;
    draw();
  }
  function ids(key) {
    try {
      const list = JSON.parse(key);
      if (Array.isArray(list)) return list.map(String);
    } catch { /* a single id */ }
    return key ? [String(key)] : [];
  }

  view.listen(box, "scroll", () => requestAnimationFrame(draw), { passive: true });
  view.listen(body, "click", (event) => {
    const line = event.target.closest("tr[data-row]");
    if (line) choose(Number(line.dataset.row));
  });
  view.listen(table, "keydown", (event) => {
    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -kept.length, End: kept.length }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    choose(Math.min(Math.max(at + by, 0), kept.length - 1));
  });
  view.listen(filter, "input", sift);
  view.on("chosen", () => {
    sift();
    if (at >= 0 && (at * ROW < box.scrollTop || (at + 2) * ROW > box.scrollTop + box.clientHeight)) {
      box.scrollTop = Math.max(0, at * ROW - 2 * ROW);
      draw();
    }
  });
  view.on("revision", load);
  load();
  view.root.kitView = { ready: () => rows !== null, rows: () => kept.length };
  return view.close;
}

export default { render };
