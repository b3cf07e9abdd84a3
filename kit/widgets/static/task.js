// The signal that the task form would send, made and checked before the kernel hears of it.

import { fieldsOf, standing } from "./form.js";
import { createSignal, directedTo, encode } from "./signal.js";

const WIDEST = 400;

/** The input of a task as the kernel reads it: an object, or any other text as `q`. */
function inputOf(text) {
  let read = null;
  try { read = JSON.parse(text); } catch { /* a text */ }
  return read !== null && typeof read === "object" && !Array.isArray(read) ? read : { q: text };
}

/** The signal of a form: a TASK for a neuron or for a capability, or an offer. */
function taskOf(way, whom, input) {
  if (!whom) throw new Error("There is nobody to send a task to.");
  const named = way === "to a neuron";
  return createSignal({
    type: way.startsWith("offer") ? "TASK_OFFER" : "TASK",
    directed: named ? directedTo(whom) : null,
    payload: { input: inputOf(input), ...(named ? {} : { capabilities: [whom] }) },
  });
}

async function render({ model, el }) {
  const told = document.createElement("code");
  told.className = "kit-wire";
  told.setAttribute("role", "status");
  el.append(told);
  const fields = await fieldsOf(model);
  const tell = () => {
    try {
      const signal = taskOf(standing(fields.way).label, standing(fields.whom).label, standing(fields.input).value);
      const text = `${signal.type} → ${signal.directed?.id ?? "whoever can"} ${JSON.stringify(signal.payload)}`;
      const bytes = encode(signal).length.toLocaleString("en-US");
      told.textContent = `${text.length > WIDEST ? `${text.slice(0, WIDEST)}…` : text} (${bytes} bytes)`;
    } catch (error) {
      told.textContent = error.message;
    }
  };
  for (const field of Object.values(fields)) field.on("change", tell);
  tell();
  return () => Object.values(fields).forEach((field) => field.off("change", tell));
}

export default { render };
