// The page of an HTML file: the front ends over data that is in the file, linked with each other.

import { Frame } from "./columns.js";
import { element } from "./view.js";
import { render as dag } from "./dag.js";
import { render as timeline } from "./timeline.js";
import { render as listing } from "./listing.js";
import { render as detail } from "./detail.js";
import { render as table } from "./table.js";

const FRONTS = { dag, timeline, listing, detail, table };
const SHARED = ["selected", "cursor_us", "window_us"];

/** What a front end takes for a model of Jupyter: traits and listeners. */
class Model {
  constructor(traits, ask) {
    this.traits = traits;
    this.heard = new Map();
    this.embedded = ask;
    this.changed = new Set();
  }
  get(name) { return this.traits[name]; }
  set(name, value) {
    if (JSON.stringify(this.traits[name]) === JSON.stringify(value)) return;
    this.traits[name] = value;
    for (const f of [...(this.heard.get(`change:${name}`) ?? [])]) f();
  }
  save_changes() {}
  on(event, f) {
    if (!this.heard.has(event)) this.heard.set(event, new Set());
    this.heard.get(event).add(f);
  }
  off(event, f) { this.heard.get(event)?.delete(f); }
}

async function start() {
  const state = JSON.parse(document.getElementById("kit-state").textContent);
  const packed = Uint8Array.from(atob(document.getElementById("kit-data").textContent), (char) => char.charCodeAt(0));
  const bytes = await new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"))).arrayBuffer();
  const frames = new Map();
  const open = (number) => {
    if (!frames.has(number)) {
      const { header, places } = state.tables[number];
      frames.set(number, new Frame(header, places.map(([offset, length]) => new DataView(bytes, offset, length))));
    }
    return frames.get(number);
  };
  const main = document.getElementById("kit-page");
  document.getElementById("kit-wait").remove();
  const box = element("div", { id: "kit-views" });
  main.append(box);
  const models = [];
  const slots = [];
  for (const part of state.views) {
    let tables = part.tables;
    const model = new Model({ ...part.traits, looks: state.looks, revision: 0 }, (name, params) => {
      if (name === "search") return found(open(tables.nodes), params.text);
      if (tables[name] === undefined) throw new Error(`${name} is not in this file`);
      return open(tables[name]);
    });
    model.turn = (next) => {
      tables = next.tables;
      for (const [name, value] of Object.entries(next.traits)) if (!["theme", "height", ...SHARED].includes(name)) model.set(name, value);
      for (const name of SHARED) model.set(name, next.traits[name]);
      model.set("revision", model.get("revision") + 1);
    };
    const slot = element("div", { class: `kit-slot-${part.front}` });
    slot.hidden = part.hidden;
    box.append(slot);
    slots.push(slot);
    models.push(model);
  }
  const shared = models.filter((_, i) => state.views[i].front !== "listing" || state.views[i].traits.selects);
  for (const name of SHARED) {
    for (const model of shared) model.on(`change:${name}`, () => shared.forEach((other) => other.set(name, model.get(name))));
  }
  models.forEach((model, i) => {
    if (state.views[i].front !== "listing" || state.views[i].traits.selects) return;
    model.on("change:chosen", () => {
      const key = model.get("chosen");
      const group = state.groups[key];
      if (!key) return;
      models.forEach((other, j) => { if (j !== i && other.get("chosen") && !state.views[j].traits.selects) other.set("chosen", ""); });
      told.textContent = group ? "" : `${key} is listed, but what it holds is not in this file.`;
      for (const [place, part] of Object.entries(group ?? {})) {
        slots[place].hidden = part.hidden;
        models[place].turn(part);
      }
    });
  });
  const told = element("p", { role: "status" });
  main.append(told, element("ul", { id: "kit-notes" }, ...state.notes.map((text) => element("li", { text }))));
  state.views.forEach((part, i) => FRONTS[part.front]({ model: models[i], el: slots[i] }));
  const opened = models.find((model, i) => state.views[i].front === "listing" && !state.views[i].traits.selects && model.get("chosen"));
  for (const [place, part] of Object.entries(state.groups[opened?.get("chosen")] ?? {})) {
    slots[place].hidden = part.hidden;
    models[place].turn(part);
  }
  document.documentElement.dataset.kitReady = "true";
}

/** Search without a kernel: a text in id, type, neuron or finding. */
function found(nodes, text) {
  if (/[=<>()]|\b(like|ilike|in|is|not|between)\b/i.test(text)) throw new Error("A condition in SQL needs a kernel; in this file a text is looked for in id, type, neuron and finding.");
  const rows = [];
  const wanted = text.trim().toLowerCase();
  for (let row = 0; wanted && row < nodes.rows; row++) {
    if (["id", "type", "neuron", "finding"].some((name) => String(nodes.at(name, row) ?? "").toLowerCase().includes(wanted))) rows.push(row);
  }
  const data = Uint32Array.from(rows);
  return { rows: rows.length, column: () => ({ data }) };
}

export default start;
