// Reads the fields of a form for the kernel, as they stand on the page: see kit/widgets/form.py for the reason.

/** The models of the fields by name. */
export async function fieldsOf(model) {
  const found = Object.entries(model.get("fields") ?? {}).map(async ([name, id]) => [name, await model.widget_manager.get_model(id)]);
  return Object.fromEntries(await Promise.all(found));
}

/** What stands in a field: the label of a choice, or the value. */
export function standing(field) {
  const labels = field.get("_options_labels");
  if (!labels) return { value: field.get("value") };
  return { label: labels[field.get("index")] ?? null };
}

function render({ model }) {
  const fields = fieldsOf(model);
  const answer = async (message) => {
    if (typeof message?.read !== "string") return;
    const known = await fields;
    const named = (message.fields ?? []).filter((name) => known[name]);
    model.send({ read: message.read, fields: Object.fromEntries(named.map((name) => [name, standing(known[name])])) });
  };
  model.on("msg:custom", answer);
  fields.then(() => model.send({ here: true }));
  return () => model.off("msg:custom", answer);
}

export default { render };
