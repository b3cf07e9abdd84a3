// The one interface through which front ends read data: ask(name, params) gives a Frame.
// In a notebook the kernel answers, over comm messages with binary buffers; in an HTML file the page does (model.embedded).

import { Frame } from "./columns.js";

let asked = 0;
const page = Math.random().toString(36).slice(2);

/** Return {ask, close} for a model. `waiting(seconds)` is called while an answer takes long, with 0 when it came. */
export function connect(model, waiting) {
  if (model.embedded) {
    return { ask: async (name, params) => model.embedded(name, params ?? {}), close() {}, live: false };
  }
  const open = new Map();
  const heard = (content, buffers) => {
    const one = open.get(content?.answer);
    if (!one) return;
    open.delete(content.answer);
    clearTimeout(one.timer);
    if (open.size === 0) waiting?.(0);
    if (content.error !== undefined) one.reject(new Error(content.error));
    else one.resolve(new Frame(content.header, buffers));
  };
  model.on("msg:custom", heard);
  return {
    live: true,
    ask(name, params) {
      const key = `${page}-${++asked}`;
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => waiting?.(5), 5000);
        open.set(key, { resolve, reject, timer });
        model.send({ ask: key, name, params: params ?? {} });
      });
    },
    close() {
      model.off("msg:custom", heard);
      for (const one of open.values()) clearTimeout(one.timer);
      open.clear();
    },
  };
}
