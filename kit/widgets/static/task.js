// The button of the task form: the signal that it would send stands beside it, made and checked before the kernel hears of it.

import { buttonOf, standingIn } from "./button.js";
import { createSignal, directedTo, encode } from "./signal.js";

const WIDEST = 400;

/** The input of a task as the kernel reads it: an object, or any other text as `q`. */
function inputOf(text) {
  let read = null;
  try { read = JSON.parse(text); } catch { /* a text */ }
  return read !== null && typeof read === "object" && !Array.isArray(read) ? read : { q: text };
}

/** The signal of a form: a TASK for a neuron or for a capability, or an offer. */
function taskOf({ way, whom, input }) {
  if (!whom.label) throw new Error("For: choose whom the task is for first; there is none to choose now");
  const offer = way.label.startsWith("offer");
  const named = way.label === "to a neuron";
  return createSignal({
    type: offer ? "TASK_OFFER" : "TASK",
    directed: named ? directedTo(whom.label) : null,
    payload: { input: inputOf(input.value), ...(named ? {} : { capabilities: [whom.label] }) },
  });
}

async function render({ model, el }) {
  const told = document.createElement("code");
  told.className = "kit-wire";
  told.setAttribute("role", "status");
  const tell = (given) => {
    const signal = taskOf(given);
    const bytes = encode(signal).length;
    const to = signal.directed?.id ?? "whoever can";
    const text = `${signal.type} → ${to} ${JSON.stringify(signal.payload)}`;
    told.textContent = `${text.length > WIDEST ? `${text.slice(0, WIDEST)}…` : text} (${bytes.toLocaleString("en-US")} bytes)`;
  };
  const refuse = (error) => { told.textContent = error.message; };
  const { fields, end } = await buttonOf({ model, el }, tell, refuse);
  el.classList.add("kit-press-row");
  el.append(told);
  const again = () => { try { tell(standingIn(fields)); } catch (error) { refuse(error); } };
  for (const field of Object.values(fields)) field.on("change", again);
  again();
  return () => {
    for (const field of Object.values(fields)) field.off("change", again);
    end();
  };
}

export default { render };
