// A button of a form. A click carries what stands in the fields: see kit/widgets/form.py for the reason.

/** The models of the fields by name. */
async function fieldsOf(model) {
  const found = Object.entries(model.get("fields") ?? {}).map(async ([name, id]) => [name, await model.widget_manager.get_model(id)]);
  return Object.fromEntries(await Promise.all(found));
}

/** What stands in a field: the label of a choice, or the value. */
function standing(field) {
  const labels = field.get("_options_labels");
  if (!labels) return { value: field.get("value") };
  return { label: labels[field.get("index")] ?? null };
}

/** What stands in all fields, by name. */
export function standingIn(fields) {
  return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, standing(field)]));
}

/** The button itself; `ready(fields)` may refuse a click by throwing, and then `refused(error)` tells why. */
export async function buttonOf({ model, el }, ready = () => {}, refused = () => {}) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "lm-Widget jupyter-widgets jupyter-button widget-button kit-press";
  const show = () => {
    const text = document.createTextNode(model.get("description"));
    const icon = document.createElement("i");
    icon.className = `fa fa-${model.get("icon")}`;
    icon.setAttribute("aria-hidden", "true");
    button.replaceChildren(...(model.get("icon") ? [icon, text] : [text]));
    button.title = model.get("tooltip");
    button.disabled = model.get("disabled");
  };
  show();
  el.append(button);
  const fields = await fieldsOf(model);
  button.addEventListener("click", () => {
    const stand = standingIn(fields);
    try { ready(stand); } catch (error) { refused(error); return; }
    model.send({ event: "click", fields: stand });
  });
  model.on("change", show);
  return { fields, end: () => model.off("change", show) };
}

async function render(context) {
  return (await buttonOf(context)).end;
}

export default { render };
