// Answers one JSON line with one JSON line: {op, args} with {value} or {error}; bytes travel as base64.
import { createInterface } from "node:readline";

const module = await import(process.argv[2]);
const base64 = (bytes) => Buffer.from(bytes).toString("base64");

// A dropdown as a page has it: the person picks, the kernel sends what can be chosen and what is.
class Dropdown {
  state = { _options_labels: [], index: null };
  saved = [];
  listeners = [];
  get(name) { return this.state[name]; }
  on(event, listener) { this.listeners.push([event, listener]); return this; }
  off(event, listener) { this.listeners = this.listeners.filter(([e, l]) => e !== event || l !== listener); return this; }
  set(name, value, options = {}) {
    if (this.state[name] === value) return;
    this.state[name] = value;
    for (const [event, listener] of this.listeners) if (event === `change:${name}`) listener(this, value, options);
  }
  save_changes() { this.saved.push(this.state.index); }
  pick(index) { this.set("index", index, { updated_view: this }); }
  choices(labels) { this.set("_options_labels", labels); }
  choose(index) { this.set("index", index); }
  later(ms) { const now = Date.now; Date.now = () => now() + ms; }
}

const ops = {
  held: (steps) => {
    const field = new Dropdown();
    const { stands, end } = module.held(field);
    for (const [what, value] of steps) field[what](value);
    const told = { ...stands(), index: field.get("index"), saved: field.saved };
    end();
    return { ...told, left: field.listeners.length };
  },
  names: () => Object.keys(module).sort(),
  call: (name, ...args) => module[name](...args),
  members: (name) => (module[name] instanceof Set ? [...module[name]] : module[name]),
  frozen: (name) => Object.isFrozen(module[name]),
  grow: (name, value) => [...module[name].add(value)],
  recode: (text) => base64(module.encode(module.decode(text))),
  recodeBytes: (text) => base64(module.encode(module.decode(Buffer.from(text, "base64")))),
  // As a caller's own code would make it: from literals, not from parsed JSON.
  encodedAs: (name, expression) => base64(module.encode(module[name](new Function(`return ${expression}`)()))),
  undefinedMember: () => module.createSignal({ type: "TASK", payload: { a: undefined, b: [undefined] } }),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { op, args } = JSON.parse(line);
  let answer;
  try {
    answer = { value: ops[op](...args) };
  } catch (error) {
    answer = { error: `${error.name}: ${error.message}` };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
