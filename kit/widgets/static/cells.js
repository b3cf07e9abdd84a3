// Cells and headers of the table explorer: widths, numbers, JSON, the summary of a column.

import { element } from "./view.js";

/** What a column holds, drawn: bars or shares, and the facts in words. */
export function summaryOf(column, id) {
  const found = column.summary;
  const made = element("div", { class: "kit-grid-summary", id });
  if (!found) return made;
  const [seen, nulls, distinct, form] = ["rows", "nulls", "distinct", "form"].map((part) => found.at(part, 0));
  const about = distinct > 50 ? "≈ " : ""; // an estimate, and of a part where the table is large
  const missing = seen && nulls ? `${percent(nulls / seen)} NULL` : "";
  const [low, high] = [found.at("low", 0), found.at("high", 0)];
  const counts = Array.from(found.list("count"));
  const words = [];
  if (form === "bins") {
    const most = Math.max(...counts, 1);
    const bars = element("div", { class: "kit-grid-bars" });
    for (const value of counts) {
      const bar = element("span", {});
      bar.style.height = `${value ? Math.max(1, Math.round((value / most) * 22)) : 0}px`;
      bars.append(bar);
    }
    made.append(bars);
    words.push(`${low} to ${high}`);
  } else if (form === "values") {
    const there = Math.max(seen - nulls, 1);
    const bars = element("div", { class: "kit-grid-shares" });
    counts.forEach((value, n) => {
      const bar = element("span", { title: `${found.at("label", n)}: ${percent(value / there)}`, text: value / there > 0.12 ? found.at("label", n) : "" });
      bar.style.width = `${(100 * value) / there}%`;
      bars.append(bar);
    });
    made.append(bars);
    words.push(`${about}${count(distinct)} different`);
  } else {
    made.append(element("div", { class: "kit-grid-bars" }));
    words.push(seen && nulls === seen ? "" : `${about}${count(distinct)} different`);
  }
  const told = [...words, missing].filter(Boolean).join(", ");
  made.append(element("div", { class: "kit-grid-facts", text: told, title: told }));
  const top5 = form === "values" ? `. Most: ${counts.map((value, n) => `${found.at("label", n)} ${count(value)}`).join(", ")}` : "";
  made.setAttribute("role", "img");
  made.setAttribute("aria-label", `${form === "bins" ? "histogram, " : ""}${told}${top5}`);
  return made;
}

export function widthOf(column) {
  const known = { number: 110, time: 215, bool: 80, json: 320, blob: 180 }[column.kind];
  return known ?? (/(^|_)(id|trace|parent)$/.test(column.name) ? 278 : 150);
}

export function count(value) {
  return Math.round(value).toLocaleString("en-US");
}

export function percent(share) {
  return share > 0 && share < 0.001 ? "< 0.1%" : `${Number((100 * share).toPrecision(share < 0.1 ? 2 : 3))}%`;
}

/** JSON indented by hand: parsing it would round numbers and reorder keys. */
export function indented(text) {
  let [depth, inString, made] = [0, false, ""];
  const line = () => "\n" + "  ".repeat(Math.min(depth, 60));
  for (let i = 0; i < text.length; i++) {
    const letter = text[i];
    if (inString) {
      made += letter;
      if (letter === "\\") made += text[++i] ?? "";
      else if (letter === '"') inString = false;
    } else if (letter === '"') {
      inString = true;
      made += letter;
    } else if (letter === "{" || letter === "[") {
      const empty = /^\s*[}\]]/.exec(text.slice(i + 1, i + 20));
      if (empty) {
        made += letter + empty[0].trim();
        i += empty[0].length;
      } else {
        depth++;
        made += letter + line();
      }
    } else if (letter === "}" || letter === "]") {
      depth--;
      made += line() + letter;
    } else if (letter === ",") made += letter + line();
    else if (letter === ":") made += ": ";
    else if (!/\s/.test(letter)) made += letter;
  }
  return made;
}

/**
 * Show a text in the cell of a column, undefined for one that has not come. What stays as it was is left alone: a browser lays out
 * anew what is set, and a page has many cells.
 */
export function fill(cell, n, column, text, active) {
  if (cell.dataset.column !== String(n)) {
    cell.dataset.column = String(n);
    cell.setAttribute("aria-colindex", String(n + 1));
  }
  const width = `${column.width}px`;
  if (cell.style.width !== width) cell.style.width = width;
  const name = ["kit-grid-cell", column.kind === "number" && "kit-number", text === null && "kit-grid-null", active && "kit-grid-active"];
  const classes = name.filter(Boolean).join(" ");
  if (cell.className !== classes) cell.className = classes;
  // Text is set as text: a capture may hold markup.
  const told = text === undefined ? "…" : text === null ? "NULL" : text;
  if (cell.textContent !== told) cell.textContent = told;
}

/** From which column to which one can see, where the view begins at `left` and is `width` wide. */
export function inSight(columns, left, width) {
  let [edge, begin, end] = [0, 0, 0];
  for (const column of columns) {
    if (edge + column.width <= left) begin++;
    if (edge < left + width) end++;
    edge += column.width;
  }
  return [begin, end];
}
