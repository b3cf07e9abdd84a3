// A relation as a grid: rows are drawn for the place that is scrolled to, and fetched a page at a time.
//
// The place is a number of the front end's own, not a pixel: 5 million rows are taller than a browser can scroll. The
// scroll bar stands for the whole table, the wheel and the keys move by rows.

import { button, element, frame, put } from "./view.js";
import { count, fill, inSight, indented, summaryOf, widthOf } from "./cells.js";

const ROW = 24;
const TALLEST = 8e6;
const BLINK_MS = 80;
const AHEAD = 20; // rows beside those that are looked at
const KEPT_ROWS = 2400;
const MOST_ROWS = 1000; // in one question: the kernel gives no more at once

export function render({ model, el }) {
  const view = frame(model, el, "table");
  const { source } = view;
  let columns = [];
  let [shown, total] = [0, 0];
  let version = 0; // of filters and order: an answer for another one is dropped
  let top = 0; // the row at the upper edge, with a fraction
  let active = { row: 0, column: 0 };
  let held = new Map(); // of each row that is here its frame, where in it, and from which column to which
  let before = 0; // the row at the upper edge when it was last asked
  let asking = null; // the question for a page that is out, and whether somebody looks at it
  const times = []; // from asking for a page to its rows being drawn, in ms

  // Parts

  const grid = element("div", { class: "kit-grid", role: "grid", tabindex: "0", "aria-multiselectable": "true" });
  const sizer = element("div", { class: "kit-grid-sizer" });
  const stay = element("div", { class: "kit-grid-stay", role: "presentation" });
  const head = element("div", { class: "kit-grid-head", role: "row", "aria-rowindex": "1" });
  const rows = element("div", { class: "kit-grid-rows", role: "rowgroup" });
  const detail = element("div", { class: "kit-grid-detail", role: "region", "aria-label": "Whole cell", hidden: "" });
  const chips = element("div", { class: "kit-legend kit-grid-chips" });
  stay.append(element("div", { role: "rowgroup" }, head), rows);
  sizer.append(stay);
  grid.append(sizer);
  view.body.append(chips, grid, detail);
  const name = () => grid.setAttribute("aria-label", model.get("title") || "table");
  view.on("title", name);
  name();
  const tools = source.live ? filterTools() : null;

  // Data

  /** Ask about what is shown. The state goes along: a changed trait may reach the kernel after the question. */
  const ask = (what, params) =>
    source.ask(what, {
      ...params,
      state: Object.fromEntries(["filters", "where", "sort", "window_us"].map((trait) => [trait, model.get(trait)])),
    });

  const failed = (error) => view.say(error.message);

  async function begin() {
    try {
      const found = await source.ask("columns");
      columns = Array.from({ length: found.rows }, (_, row) => ({ ...found.row(row), width: 140, summary: null }));
      for (const column of columns) column.width = widthOf(column);
      tools?.columns(columns);
      drawHead();
      await renew(true);
    } catch (error) { failed(error); }
  }

  /** Ask anew after filters, order or data have changed. */
  async function renew(first) {
    const mine = ++version;
    held = new Map();
    asking = null;
    drawChips();
    drawHead();
    const big = total > 200000 || first;
    const slow = setTimeout(() => view.say(big ? "Preparing the order of the rows: this is done once." : "…"), 300);
    grid.setAttribute("aria-busy", "true");
    try {
      const shape = await ask("shape");
      if (mine !== version) return;
      [shown, total] = [shape.at("shown", 0), shape.at("total", 0)];
    } catch (error) {
      if (mine !== version) return;
      // It may have been broken off for a state that was on its way: this one is wanted still.
      if (/broken off/.test(error.message)) setTimeout(() => mine === version && renew(), 50);
      else failed(error);
      return;
    } finally {
      clearTimeout(slow);
      if (mine === version) grid.setAttribute("aria-busy", "false");
    }
    grid.setAttribute("aria-rowcount", String(shown + 1));
    grid.setAttribute("aria-colcount", String(columns.length));
    active.row = Math.min(active.row, Math.max(shown - 1, 0));
    fit();
    tell();
    follow();
    summarise(mine);
  }

  function tell() {
    const part = shown === total ? `${count(total)} rows` : `${count(shown)} of ${count(total)} rows`;
    const chosen = model.get("selected").length;
    view.say(`${part}${chosen ? `, ${count(chosen)} selected` : ""}. Row ${shown ? count(Math.floor(top) + 1) : 0}`);
  }

  /** The question for the rows from one to another that are missing, or have not all of some columns; null for none. */
  function missing(from, to, [begin, end]) {
    const there = (row) => held.has(row) && held.get(row).begin <= begin && held.get(row).end >= end;
    let [first, last] = [Math.max(from, 0), Math.min(to, shown - 1)];
    while (first <= last && there(first)) first++;
    while (first <= last && there(last)) last--;
    return first <= last ? { first, count: Math.min(last - first + 1, MOST_ROWS), columns: [begin, end] } : null;
  }

  const sight = () => (source.live ? inSight(columns, grid.scrollLeft, grid.clientWidth) : [0, columns.length]);

  /**
   * Ask for what is looked at and missing, else for other columns of it, else for what lies beside it. One question at a time, so that the last wish is never
   * behind a queue of old ones; and just the rows that are looked at, since each question is a way to the kernel and back.
   * Only a question for what lies beside is overtaken: the kernel breaks it off for one that somebody waits for.
   */
  async function fetch() {
    if (asking?.looked || !shown) return;
    const [from, to] = [Math.floor(top), Math.min(Math.floor(top) + lines(), shown - 1)];
    const [looked, every] = [missing(from, to, sight()), [0, columns.length]];
    const up = from < before && before - from < AHEAD; // who scrolls up goes on up, anybody else reads on
    const beside = up ? [from - AHEAD, from - 1] : [to + 1, to + AHEAD];
    const wanted = looked ?? (asking ? null : (missing(from, to, every) ?? missing(...beside, every)));
    before = from;
    if (!wanted) return;
    const [begun, mine] = [performance.now(), { looked: looked !== null, version }];
    asking = mine;
    try {
      const found = await ask("page", { ...wanted, ahead: !mine.looked });
      if (mine.version !== version || !found.rows) return;
      const [first, [begin, end]] = source.live ? [wanted.first, wanted.columns] : [0, every]; // a file has one page
      for (let at = 0; at < found.rows; at++) held.set(first + at, { page: found, at, begin, end });
      for (const row of source.live ? held.keys() : []) {
        if (held.size <= KEPT_ROWS) break;
        held.delete(row);
      }
      draw();
      if (looked) times.push(performance.now() - begun);
    } catch (error) {
      if (mine.version === version && mine.looked) failed(error);
      return;
    } finally { if (asking === mine) asking = null; }
    fetch();
  }

  async function summarise(mine) {
    if (!source.live) return;
    const of = JSON.stringify(["filters", "where", "window_us", "revision"].map((trait) => model.get(trait)));
    for (const column of columns.filter((one) => one.summaryOf !== of)) { // another order is no other summary
      // Rows that are looked at go before summaries.
      while (asking) await new Promise((go) => setTimeout(go, 30));
      if (mine !== version) return;
      try {
        const found = await ask("summary", { column: column.name });
        if (mine !== version) return;
        [column.summary, column.summaryOf] = [found, of];
      } catch (error) {
        column.summary = null;
      }
      drawSummary(column);
    }
  }

  // Drawing

  const lines = () => Math.max(1, Math.floor((grid.clientHeight - head.offsetHeight) / ROW));
  const last = () => Math.max(0, shown - lines());
  let late; // the timer of a drawing with rows that have not come
  let ours = -1; // the scroll position that we set, whose event is no wish of the reader's

  function fit() {
    grid.style.height = `${model.get("height")}px`;
    const width = columns.reduce((sum, column) => sum + column.width, 0);
    sizer.style.width = `${width}px`;
    sizer.style.height = `${Math.min(TALLEST, shown * ROW) + head.offsetHeight + (grid.offsetHeight - grid.clientHeight)}px`;
    go(top);
  }

  /** Bring a row to the upper edge. */
  function go(row) {
    top = Math.min(Math.max(row, 0), last());
    const room = grid.scrollHeight - grid.clientHeight;
    ours = last() ? Math.round((top / last()) * room) : 0;
    grid.scrollTop = ours;
    look();
    tell();
  }

  /** Ask for what is missing and draw; where rows are on their way, wait a blink for them instead of drawing twice. */
  function look() {
    fetch();
    rows.dataset.waiting = String(Boolean(asking?.looked));
    if (asking?.looked) late ||= setTimeout(draw, BLINK_MS);
    else draw();
  }

  function draw() {
    late = clearTimeout(late);
    const from = Math.floor(top);
    const many = Math.min(lines() + 1, Math.max(shown - from, 0));
    while (rows.children.length < many) rows.append(element("div", { role: "row" }));
    while (rows.children.length > many) rows.lastChild.remove();
    const chosen = new Set(model.get("selected"));
    for (let i = 0; i < many; i++) drawRow(rows.children[i], from + i, chosen);
    rows.dataset.drawn = String(1 + Number(rows.dataset.drawn ?? 0));
    rows.dataset.waiting = String([...rows.children].some((line) => line.classList.contains("kit-grid-waiting")));
    for (const cell of head.children) {
      cell.classList.toggle("kit-grid-active", active.row < 0 && Number(cell.dataset.column) === active.column);
    }
    const id = active.row < 0 ? head.children[active.column]?.id : document.getElementById(cellId(active.row, active.column))?.id;
    if (id) grid.setAttribute("aria-activedescendant", id);
    else grid.removeAttribute("aria-activedescendant");
  }

  const base = `kit-grid-${Math.random().toString(36).slice(2)}`;
  const cellId = (row, column) => `${base}-${row}-${column}`;

  const textOf = (here, n) => (here && here.begin <= n && n < here.end ? here.page.at(`c${n}`, here.at) : undefined);

  function drawRow(line, row, chosen) {
    const here = held.get(row);
    const key = here?.page.at("k", here.at) ?? null;
    line.className = `kit-grid-row${here ? "" : " kit-grid-waiting"}${row % 2 ? " kit-grid-odd" : ""}`;
    line.setAttribute("aria-rowindex", String(row + 2));
    line.setAttribute("aria-selected", String(key !== null && chosen.has(key)));
    line.dataset.row = String(row);
    while (line.children.length < columns.length) line.append(element("div", { role: "gridcell" }));
    while (line.children.length > columns.length) line.lastChild.remove();
    columns.forEach((column, n) => {
      line.children[n].id = cellId(row, n);
      fill(line.children[n], n, column, textOf(here, n), row === active.row && n === active.column);
    });
  }

  function drawHead() {
    const sort = new Map(model.get("sort").map(([column, way]) => [column, way]));
    head.replaceChildren(...columns.map((column, n) => {
      const way = sort.get(column.name);
      const mark = way === "asc" ? " ▲" : way === "desc" ? " ▼" : "";
      const cell = element("div", {
        role: "columnheader", id: `${base}-head-${n}`, class: `kit-grid-cell kit-grid-label${column.kind === "number" ? " kit-number" : ""}`,
        "aria-label": `${column.name}, ${column.sql}`, "aria-describedby": `${base}-summary-${n}`,
        "aria-colindex": String(n + 1), "aria-sort": way === "asc" ? "ascending" : way === "desc" ? "descending" : "none",
        title: `${column.name} ${column.sql}`,
      });
      cell.dataset.column = String(n);
      cell.style.width = `${column.width}px`;
      cell.append(
        element("div", { class: "kit-grid-name" }, element("b", { text: column.name + mark })),
        element("div", { class: "kit-grid-type", text: column.sql.length > 24 ? column.sql.slice(0, 23) + "…" : column.sql }),
        ...(source.live ? [summaryOf(column, `${base}-summary-${n}`)] : []),
      );
      return cell;
    }));
  }

  /** Put a summary in its place; the header around it stays, so that a click on it is not lost. */
  function drawSummary(column) {
    const n = columns.indexOf(column);
    head.children[n]?.querySelector(".kit-grid-summary")?.replaceWith(summaryOf(column, `${base}-summary-${n}`));
  }

  // What a reader does

  function sortBy(n, add) {
    if (!source.live) return view.say("A page cannot sort: open it in a notebook.");
    const { name: column } = columns[n];
    const way = model.get("sort").find(([other]) => other === column)?.[1];
    const next = way === undefined ? "asc" : way === "asc" ? "desc" : null;
    const others = add ? model.get("sort").filter(([other]) => other !== column) : [];
    put(model, "sort", next ? [...others, [column, next]] : others);
  }

  function choose(row, add) {
    const here = held.get(row);
    if (!here) return;
    const key = here.page.at("k", here.at);
    const before = model.get("selected");
    const others = before.filter((other) => other !== key);
    const had = others.length < before.length;
    const after = add ? (had ? others : [key, ...others]) : had && before.length === 1 ? [] : [key];
    chosenHere = after[0] ?? null;
    put(model, "selected", after);
    const us = here.page.at("us", here.at);
    if (after[0] === key && us !== null) put(model, "cursor_us", us);
  }

  let chosenHere = null;

  /** Go to the row that another view has chosen. */
  async function follow() {
    const [id] = model.get("selected");
    draw();
    tell();
    if (!source.live || !id || id === chosenHere || !model.get("key")) return;
    chosenHere = id;
    await goTo(id);
  }

  async function goTo(id) {
    const mine = version;
    try {
      const place = (await ask("place", { key: id })).at("place", 0);
      if (mine !== version) return;
      if (place < 0) return view.say(`${id} is not among the rows shown.`);
      move(place, active.column, true);
    } catch (error) {
      failed(error);
    }
  }

  function move(row, column, centre) {
    active = { row: Math.min(Math.max(row, source.live ? -1 : 0), shown - 1), column: Math.min(Math.max(column, 0), columns.length - 1) };
    const many = lines();
    if (active.row >= 0 && centre) go(active.row - Math.floor(many / 2));
    else if (active.row >= 0 && active.row < Math.ceil(top)) go(active.row);
    else if (active.row >= Math.floor(top) + many) go(active.row - many + 1);
    const left = columns.slice(0, active.column).reduce((sum, one) => sum + one.width, 0);
    const right = left + (columns[active.column]?.width ?? 0);
    if (left < grid.scrollLeft) grid.scrollLeft = left;
    else if (right > grid.scrollLeft + grid.clientWidth) grid.scrollLeft = right - grid.clientWidth;
    draw();
    fetch();
  }

  async function open(row, n) {
    const here = held.get(row);
    if (!here) return;
    let text = textOf(here, n);
    if (source.live && text !== null) {
      try {
        text = (await source.ask("cell", { row: here.page.at("r", here.at), column: columns[n].name })).at("text", 0);
      } catch (error) {
        return failed(error);
      }
    }
    const close = element("button", { type: "button", class: "kit-button", text: "Close", "aria-label": "Close the cell" });
    close.addEventListener("click", shut);
    detail.replaceChildren(
      element("div", { class: "kit-head" }, element("b", { class: "kit-title", text: `${columns[n].name}, row ${count(row + 1)}` }), close),
      element("pre", { text: text === null ? "NULL" : columns[n].kind === "json" ? indented(text) : text, tabindex: "0" }),
    );
    detail.hidden = false;
    close.focus();
  }

  function shut() {
    detail.hidden = true;
    grid.focus();
  }

  view.listen(detail, "keydown", (event) => {
    if (event.key === "Escape") shut();
    event.stopPropagation();
  });

  const KEYS = {
    ArrowDown: () => move(active.row + 1, active.column),
    ArrowUp: () => move(active.row - 1, active.column),
    ArrowRight: () => move(active.row, active.column + 1),
    ArrowLeft: () => move(active.row, active.column - 1),
    PageDown: () => move(Math.min(Math.max(active.row, 0) + lines(), shown - 1), active.column),
    PageUp: () => move(Math.max(active.row - lines(), 0), active.column),
    Home: (event) => move(event.ctrlKey || event.metaKey ? 0 : active.row, event.ctrlKey || event.metaKey ? active.column : 0),
    End: (event) => (event.ctrlKey || event.metaKey ? move(shown - 1, active.column) : move(active.row, columns.length - 1)),
    Enter: (event) => (active.row < 0 ? sortBy(active.column, event.shiftKey) : open(active.row, active.column)),
    " ": (event) => (active.row < 0 ? sortBy(active.column, event.shiftKey) : choose(active.row, event.ctrlKey || event.shiftKey)),
    s: (event) => sortBy(active.column, event.shiftKey),
    f: () => tools?.focus(columns[active.column].name),
    Escape: () => put(model, "selected", []),
  };

  view.listen(grid, "keydown", (event) => {
    const act = KEYS[event.key];
    if (!act || event.altKey || !columns.length) return;
    event.preventDefault();
    event.stopPropagation(); // a notebook has keys of its own
    act(event);
  });

  view.listen(grid, "scroll", () => {
    if (Math.abs(grid.scrollTop - ours) < 1) return void fetch(); // to the side, where other columns come in sight
    const room = grid.scrollHeight - grid.clientHeight;
    ours = grid.scrollTop;
    top = room > 0 ? (grid.scrollTop / room) * last() : 0;
    look();
    tell();
  });

  view.listen(grid, "wheel", (event) => {
    if (event.ctrlKey || event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) return;
    const step = event.deltaMode === 1 ? event.deltaY : event.deltaMode === 2 ? event.deltaY * lines() : event.deltaY / ROW;
    const next = Math.min(Math.max(top + step, 0), last());
    if (next === top) return; // at an end the page scrolls on
    event.preventDefault();
    go(next);
  }, { passive: false });

  view.listen(grid, "click", (event) => {
    const cell = event.target.closest("[data-column]");
    if (!cell) return;
    const n = Number(cell.dataset.column);
    if (cell.getAttribute("role") === "columnheader") {
      active = { row: -1, column: n };
      return sortBy(n, event.shiftKey);
    }
    const row = Number(cell.parentElement.dataset.row);
    active = { row, column: n };
    choose(row, event.ctrlKey || event.metaKey || event.shiftKey);
    draw();
  });
  view.listen(grid, "dblclick", (event) => {
    const cell = event.target.closest("[role=gridcell]");
    if (cell) open(Number(cell.parentElement.dataset.row), Number(cell.dataset.column));
  });

  function filterTools() {
    const column = element("select", { class: "kit-input", "aria-label": "Column to filter" });
    const operator = element("select", { class: "kit-input", "aria-label": "How to compare" });
    const value = element("input", { class: "kit-input", type: "text", "aria-label": "Value to compare with", placeholder: "value" });
    const find = element("input", { class: "kit-input", type: "text", "aria-label": "Go to a row by number or key", placeholder: "row or key" });
    for (const one of [column, operator]) one.style.width = "auto";
    value.style.width = find.style.width = "130px";
    operator.append(...model.get("operators").map((text) => element("option", { value: text, text })));
    operator.value = "contains";
    view.tools.append(column, operator, value);
    const apply = () => {
      if (!column.value) return;
      const none = operator.value.endsWith("null");
      const filter = none ? [column.value, operator.value] : [column.value, operator.value, value.value];
      put(model, "filters", [...model.get("filters"), filter]);
      grid.focus();
    };
    button(view, "Add the filter", "Filter", apply);
    view.tools.append(find);
    const jump = () => {
      const text = find.value.trim();
      const number = Number(text.replace(/[, ]/g, ""));
      if (text && Number.isInteger(number) && number > 0) move(number - 1, active.column, true);
      else if (text) goTo(text);
      grid.focus();
    };
    button(view, "Go to the row", "Go", jump);
    for (const [input, act] of [[value, apply], [find, jump]]) {
      view.listen(input, "keydown", (event) => {
        event.stopPropagation();
        if (event.key === "Enter") act();
      });
    }
    return {
      columns: (all) => column.replaceChildren(...all.map((one) => element("option", { value: one.name, text: one.name }))),
      focus: (chosen) => {
        column.value = chosen;
        value.focus();
      },
    };
  }

  function drawChips() {
    const chip = (text, remove) => {
      const made = element("button", { type: "button", class: "kit-button", text: `${text} ✕`, "aria-label": `Remove the filter ${text}` });
      made.addEventListener("click", () => {
        remove();
        grid.focus();
      });
      return made;
    };
    const filters = model.get("filters");
    const made = filters.map((item, n) => chip(item.join(" "), () => put(model, "filters", filters.filter((_, i) => i !== n))));
    if (model.get("where")) made.push(chip(model.get("where"), () => put(model, "where", "")));
    if (model.get("window_us")) made.push(chip("brushed time", () => put(model, "window_us", null)));
    if (source.live) chips.replaceChildren(...made);
    chips.hidden = !made.length;
  }

  for (const trait of ["sort", "filters", "where", "window_us"]) view.on(trait, () => {
    [top, active] = [0, { ...active, row: Math.min(active.row, 0) }];
    renew();
  });
  view.on("revision", () => renew());
  view.on("selected", follow);
  view.on("height", fit);
  const resize = new ResizeObserver(() => columns.length && fit());
  resize.observe(view.body);
  view.ends(() => resize.disconnect());
  begin();
  view.root.kitView = { ready: () => shown > 0 && rows.dataset.waiting === "false", times, go };
  return view.close;
}

export default { render };
