// One event written out. All of it is text from captures: set as text, never as HTML.

import { frame, element } from "./view.js";

export function render({ model, el }) {
  const view = frame(model, el, "detail");
  const box = element("div", { class: "kit-scroll", tabindex: "0", role: "region", "aria-label": model.get("title") || "Event", style: `max-height:${model.get("height")}px` });
  view.body.append(box);
  let turn = 0;

  async function load() {
    const mine = ++turn;
    const id = (model.get("selected") ?? [])[0];
    if (!id) { box.replaceChildren(); return view.say("Nothing selected."); }
    let found;
    try { found = await view.source.ask("detail", { id }); } catch (error) { return view.warn(error.message); }
    if (mine !== turn) return undefined;
    const rows = found.where("id", id);
    if (!rows.length) { box.replaceChildren(); return view.say(`${id} is not here.`); }
    const table = element("table");
    for (const name of found.names) {
      const value = rows[0][name];
      if (value === null || value === "" || value === "[]" || value === "{}") continue;
      table.append(element("tr", {}, element("th", { scope: "row", text: name.replaceAll("_", " ") }), element("td", {}, element("pre", { text: shown(found.column(name).kind, value) }))));
    }
    box.replaceChildren(table);
    return view.say(id);
  }

  function shown(kind, value) {
    if (kind === "us") return new Date(value / 1000).toISOString().replace("T", " ").replace("Z", "");
    if (typeof value === "string" && /^[[{]/.test(value)) {
      try { return JSON.stringify(JSON.parse(value), null, 2); } catch { return value; }
    }
    return String(value);
  }

  view.on("selected", load);
  view.on("revision", load);
  load();
  view.root.kitView = { ready: () => true, text: () => box.textContent };
  return view.close;
}

export default { render };
