// What all front ends share: frame, title, tools, status line, theme, canvas, message when the kernel is gone, clean-up.

import { connect } from "./source.js";
import { themeOf } from "./theme.js";

export function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name === "text") made.textContent = value;
    else if (value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/**
 * Build the frame of a view in `el`.
 *
 * Returns {root, tools, body, source, say, listen, on, theme, themed, close}: `tools` takes buttons, `body` the content;
 * `listen(target, event, f)` and `on(trait, f)` end with `close()`, which render() gives to anywidget.
 */
export function frame(model, el, kind) {
  const root = element("div", { class: `kit-view kit-${kind}`, role: "group" });
  const title = element("span", { class: "kit-title" });
  const tools = element("span", { class: "kit-tools", role: "toolbar" });
  const body = element("div", { class: "kit-body" });
  const status = element("div", { class: "kit-status", role: "status", "aria-live": "polite" });
  const notice = element("div", { class: "kit-notice" });
  root.append(element("div", { class: "kit-head" }, title, tools), body, status, notice);
  el.append(root);
  const ends = [];
  const listen = (target, event, f, options) => {
    target.addEventListener(event, f, options);
    ends.push(() => target.removeEventListener(event, f, options));
  };
  const on = (trait, f) => {
    const event = trait.includes(":") || trait === "destroy" ? trait : `change:${trait}`;
    model.on(event, f);
    ends.push(() => model.off(event, f));
  };
  const warn = (text) => {
    notice.textContent = [text, model.get("notice")].filter(Boolean).join(" ");
    notice.hidden = !notice.textContent;
  };
  const source = connect(model, (seconds) =>
    warn(seconds ? "The kernel is busy: the view fills in as soon as it answers." : ""),
  );
  ends.push(() => source.close());
  const gone = () => {
    root.classList.add("kit-gone");
    warn("The kernel behind this view is gone: run its cell again.");
  };
  on("destroy", gone);
  model.on("comm_live_update", alive);
  ends.push(() => model.off("comm_live_update", alive));
  function alive() {
    // anywidget passes a proxy; where it hides comm_live, the event itself tells enough.
    if (model.comm_live !== true) gone();
  }
  let theme = null;
  const themed = [];
  const dress = () => {
    root.dataset.theme = model.get("theme") ?? "auto";
    theme = themeOf(root);
    for (const f of themed) f();
  };
  const name = () => {
    title.textContent = model.get("title");
    root.setAttribute("aria-label", model.get("title") || kind);
    tools.setAttribute("aria-label", `${model.get("title") || kind}: tools`);
  };
  on("title", name);
  on("theme", dress);
  on("notice", () => warn(""));
  name();
  warn("");
  dress();
  // Jupyter puts a view into the page after it was made: before that no colour is known.
  const appear = new ResizeObserver(() => {
    if (!root.isConnected) return;
    appear.disconnect();
    dress();
  });
  appear.observe(root);
  ends.push(() => appear.disconnect());
  // JupyterLab changes its theme by an attribute of the body.
  const watch = new MutationObserver(dress);
  for (const node of [document.documentElement, document.body]) {
    watch.observe(node, { attributes: true, attributeFilter: ["class", "data-jp-theme-light", "data-theme"] });
  }
  ends.push(() => watch.disconnect());
  listen(matchMedia("(prefers-color-scheme: dark)"), "change", dress);
  return {
    root, tools, body, source, listen, on, dress,
    theme: () => theme,
    themed: (f) => themed.push(f),
    say: (text) => {
      if (status.textContent !== text) status.textContent = text;
    },
    warn,
    ends: (f) => ends.push(f),
    close: () => {
      for (const end of ends.splice(0)) end();
      root.remove();
    },
  };
}

/** Set a trait and send it, if it is another value. */
export function put(model, name, value) {
  if (JSON.stringify(model.get(name)) === JSON.stringify(value)) return;
  model.set(name, value);
  model.save_changes();
}

export function button(view, label, text, act) {
  const made = element("button", { type: "button", class: "kit-button", "aria-label": label, title: label, text });
  view.listen(made, "click", act);
  view.tools.append(made);
  return made;
}

/**
 * Put a canvas into a view that is painted at most once a frame: `paint(ctx, width, height)` in CSS pixels.
 *
 * It is as high as the trait `height`, or as `needed()`, if that is less.
 * Returns {canvas, redraw, size, fit, now, times}: `times` holds what each of the last paints took, in ms.
 */
export function surface(view, model, label, paint, needed = () => Infinity) {
  const canvas = element("canvas", { class: "kit-canvas", tabindex: "0", role: "application", "aria-label": label });
  view.body.append(canvas);
  const ctx = canvas.getContext("2d", { alpha: false });
  const times = [];
  let waiting = 0;
  const size = { width: 0, height: 0 };
  const fit = () => {
    const box = view.body.getBoundingClientRect();
    const scale = window.devicePixelRatio || 1;
    size.width = Math.max(Math.floor(box.width), 40);
    size.height = Math.round(Math.min(model.get("height") ?? 360, Math.max(needed(), 70)));
    canvas.style.height = `${size.height}px`;
    const [wide, tall] = [Math.round(size.width * scale), Math.round(size.height * scale)];
    if (canvas.width !== wide || canvas.height !== tall) {
      canvas.width = wide;
      canvas.height = tall;
    }
    redraw();
  };
  const draw = () => {
    waiting = 0;
    const begin = performance.now();
    const scale = canvas.width / size.width;
    ctx.setTransform(scale, 0, 0, scale, 0, 0);
    ctx.fillStyle = view.theme().paper;
    ctx.fillRect(0, 0, size.width, size.height);
    paint(ctx, size.width, size.height);
    times.push(performance.now() - begin);
    if (times.length > 240) times.shift();
    canvas.dataset.painted = String(1 + Number(canvas.dataset.painted ?? 0));
  };
  function redraw() {
    if (!waiting) waiting = requestAnimationFrame(draw);
  }
  const resize = new ResizeObserver(fit);
  resize.observe(view.body);
  view.ends(() => {
    resize.disconnect();
    cancelAnimationFrame(waiting);
  });
  view.themed(redraw);
  view.on("height", fit);
  fit();
  return { canvas, redraw, size, times, fit, now: draw };
}

/** Call `f` with pointer moves as drags: {start, move, end, click}; a click is a press that moved under 4 px. */
export function pointer(view, canvas, f) {
  let from = null;
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top, event };
  };
  view.listen(canvas, "pointerdown", (event) => {
    if (event.button !== 0) return;
    canvas.focus({ preventScroll: true });
    from = { ...place(event), far: false };
    try { canvas.setPointerCapture(event.pointerId); } catch { /* a synthetic event has no pointer to capture */ }
    f.start?.(from);
  });
  view.listen(canvas, "pointermove", (event) => {
    const here = place(event);
    if (!from) return f.hover?.(here);
    if (Math.hypot(here.x - from.x, here.y - from.y) >= 4) from.far = true;
    if (from.far) f.drag?.(from, here);
  });
  const done = (event) => {
    if (!from) return;
    const begun = from;
    from = null;
    if (begun.far) f.end?.(begun, place(event));
    else f.click?.(place(event));
  };
  view.listen(canvas, "pointerup", done);
  view.listen(canvas, "pointercancel", () => { from = null; });
  view.listen(canvas, "pointerleave", () => { if (!from) f.leave?.(); });
  view.listen(canvas, "dblclick", (event) => f.double?.(place(event)));
  view.listen(canvas, "wheel", (event) => {
    // A page must scroll over a view: the wheel zooms only with a modifier, or once the view has the focus.
    if (!(event.ctrlKey || event.metaKey || document.activeElement === canvas)) return;
    event.preventDefault();
    const step = event.deltaMode === 1 ? event.deltaY * 16 : event.deltaY;
    f.wheel?.(place(event), Math.exp(-Math.max(-200, Math.min(200, step)) / 300), event);
  }, { passive: false });
}

export const UNITS = [[1, "µs"], [1e3, "ms"], [1e6, "s"], [60e6, "min"], [3600e6, "h"], [86400e6, "d"]];

/** A duration in microseconds as text, three digits. */
export function duration(us) {
  const [unit, name] = UNITS.findLast(([size]) => Math.abs(us) >= size) ?? UNITS[0];
  return `${Number((us / unit).toPrecision(3))} ${name}`;
}

/** Text cut to a width in the current font, with an ellipsis. */
export function fitted(ctx, text, width) {
  if (width < 8) return "";
  if (ctx.measureText(text).width <= width) return text;
  let [low, high] = [0, text.length];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (ctx.measureText(text.slice(0, middle) + "…").width <= width) low = middle;
    else high = middle - 1;
  }
  return low ? text.slice(0, low) + "…" : "";
}

export const FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif";
