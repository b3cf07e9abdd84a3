// Answers one JSON line with one JSON line: {op, args} with {value} or {error}; bytes travel as base64.
import { createInterface } from "node:readline";

const module = await import(process.argv[2]);
const base64 = (bytes) => Buffer.from(bytes).toString("base64");

const ops = {
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
