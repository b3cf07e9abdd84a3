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

// So long after somebody has chosen, new choices from the kernel do not change what is chosen: it may not know yet.
const FRESH_MS = 3000;
// What is over stays chosen, and its label says so (kit/widgets/controls.py).
const isChoice = (label, chosen) => label === chosen || label === `${chosen}, over`;

/**
 * Keep what somebody has just chosen when the kernel, which has not heard of it, sends other choices: a choice goes by its place
 * between the two, where another stands then. Returns what stands in the field, and a way to end it.
 */
export function held(field) {
  let chosen = null, at = 0;
  const fresh = () => chosen !== null && Date.now() - at < FRESH_MS;
  const place = () => (field.get("_options_labels") ?? []).findIndex((label) => isChoice(label, chosen));
  const onChoice = (_, __, options) => {
    if (options?.updated_view) [chosen, at] = [standing(field).label, Date.now()];
  };
  const onChoices = () => {
    if (!fresh() || place() < 0) return;
    field.set("index", place());
    field.save_changes();
  };
  field.on("change:index", onChoice);
  field.on("change:_options_labels", onChoices);
  return {
    stands: () => (fresh() && !isChoice(standing(field).label, chosen) ? { label: chosen } : standing(field)),
    end: () => field.off("change:index", onChoice).off("change:_options_labels", onChoices),
  };
}

function render({ model }) {
  const fields = fieldsOf(model).then((known) => Object.fromEntries(Object.entries(known).map(([name, field]) => [name, held(field)])));
  const answer = async (message) => {
    if (typeof message?.read !== "string") return;
    const known = await fields;
    const named = (message.fields ?? []).filter((name) => known[name]);
    model.send({ read: message.read, fields: Object.fromEntries(named.map((name) => [name, known[name].stands()])) });
  };
  model.on("msg:custom", answer);
  fields.then(() => model.send({ here: true }));
  return () => {
    model.off("msg:custom", answer);
    fields.then((known) => Object.values(known).forEach((field) => field.end()));
  };
}

export default { render };
