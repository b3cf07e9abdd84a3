// A seek bar: how dense events are over time, a lane per family, and the place that is played. A press goes there.

import { frame, surface, pointer, put, duration, fitted, FONT } from "./view.js";

const LEFT = 92;
const RIGHT = 10;
const AXIS = 22;

export function render({ model, el }) {
  const view = frame(model, el, "seek");
  let bars = null;
  let hover = null;
  let pressed = false;

  const canvas = surface(view, model, "Events over time; press to go there", paint);
  canvas.canvas.setAttribute("role", "slider");
  canvas.canvas.setAttribute("aria-description",
    "Arrow left and right: a hundredth of the time back and on. Page up and down: a tenth. Home and End: the start and the end. Press or drag to go to a time.");

  async function load() {
    try {
      bars = await view.source.ask("density", { bins: 160 });
    } catch (error) {
      return view.warn(error.message);
    }
    canvas.now();
    return undefined;
  }

  const span = () => Math.max(model.get("end_us") - model.get("start_us"), 1);
  const wide = () => Math.max(canvas.size.width - LEFT - RIGHT, 20);
  const X = (us) => LEFT + ((us - model.get("start_us")) / span()) * wide();
  const T = (x) => model.get("start_us") + (Math.min(Math.max(x - LEFT, 0), wide()) / wide()) * span();

  function go(us) {
    const to = Math.min(Math.max(us, model.get("start_us")), model.get("end_us"));
    // The counter makes a second press at the same time a message of its own.
    put(model, "asked", [to, (model.get("asked")?.[1] ?? 0) + 1]);
  }

  function paint(ctx, width, height) {
    const theme = view.theme();
    ctx.font = `12px ${FONT}`;
    ctx.textBaseline = "middle";
    const names = model.get("families");
    const tall = (height - AXIS) / Math.max(names.length, 1);
    names.forEach(([name, colour, label], lane) => {
      const base = (lane + 1) * tall;
      ctx.fillStyle = theme.ink;
      ctx.fillText(fitted(ctx, label, LEFT - 10), 4, base - tall / 2);
      ctx.fillStyle = theme.faint ?? theme.muted;
      ctx.fillRect(LEFT, base - 1, wide(), 1);
      if (!bars) return;
      ctx.fillStyle = theme.colour(colour);
      const most = model.get("most")[name] || 1;
      for (let i = 0; i < bars.rows; i++) {
        if (bars.at("family", i) !== name) continue;
        const x0 = X(bars.at("start_us", i));
        const x1 = X(bars.at("end_us", i));
        const h = Math.max((bars.at("events", i) / most) * (tall - 8), 1.5);
        ctx.fillRect(x0, base - 1 - h, Math.max(x1 - x0 - 0.5, 1), h);
      }
    });
    ctx.strokeStyle = theme.colour("#B3352E");
    ctx.setLineDash([4, 3]);
    for (const us of model.get("breaks_us")) line(ctx, X(us), height - AXIS);
    ctx.setLineDash([]);
    ctx.strokeStyle = theme.ink;
    ctx.lineWidth = 2;
    const now = X(model.get("now_us"));
    line(ctx, now, height - AXIS);
    ctx.fillStyle = theme.ink;
    ctx.beginPath();
    ctx.moveTo(now - 6, 0);
    ctx.lineTo(now + 6, 0);
    ctx.lineTo(now, 8);
    ctx.fill();
    ctx.lineWidth = 1;
    if (hover !== null) {
      ctx.strokeStyle = theme.muted;
      line(ctx, hover, height - AXIS);
    }
    ctx.fillStyle = theme.muted;
    const at = duration(model.get("now_us") - model.get("start_us"));
    const whole = duration(span());
    ctx.fillText(`${at} of ${whole}`, LEFT, height - AXIS / 2);
    if (hover !== null) {
      const text = duration(T(hover) - model.get("start_us"));
      ctx.fillText(text, Math.min(Math.max(hover + 4, LEFT + 150), width - 60), height - AXIS / 2);
    }
    canvas.canvas.setAttribute("aria-valuemin", "0");
    canvas.canvas.setAttribute("aria-valuemax", String(span() / 1e6));
    canvas.canvas.setAttribute("aria-valuenow", String((model.get("now_us") - model.get("start_us")) / 1e6));
    canvas.canvas.setAttribute("aria-valuetext", `${at} of ${whole}`);
  }

  function line(ctx, x, height) {
    ctx.beginPath();
    ctx.moveTo(Math.round(x) + 0.5, 0);
    ctx.lineTo(Math.round(x) + 0.5, height);
    ctx.stroke();
  }

  pointer(view, canvas.canvas, {
    start: () => { pressed = true; },
    hover: (here) => { hover = here.x >= LEFT ? here.x : null; canvas.redraw(); },
    leave: () => { hover = null; canvas.redraw(); },
    drag: (_, here) => { hover = here.x; canvas.redraw(); },
    end: (_, here) => { pressed = false; go(T(here.x)); },
    click: (here) => { pressed = false; go(T(here.x)); },
  });
  view.listen(canvas.canvas, "keydown", (event) => {
    const now = model.get("now_us");
    const moves = { ArrowLeft: -0.01, ArrowRight: 0.01, PageDown: -0.1, PageUp: 0.1 };
    if (event.key in moves) go(now + moves[event.key] * span());
    else if (event.key === "Home") go(model.get("start_us"));
    else if (event.key === "End") go(model.get("end_us"));
    else return;
    event.preventDefault();
  });
  for (const trait of ["now_us", "breaks_us", "families"]) view.on(trait, canvas.redraw);
  view.on("revision", load);
  load();
  return view.close;
}

export default { render };
