// The Signal of the TypeScript reference page as an ES module: same names, same options, same bytes.
//
// Field names stay in snake_case as on the wire; options are camelCase. `encode` writes what `JSON.stringify`
// does (spec/cosmonapse.md 1.5), which is the profile `typescript` of `kit.cosmonapse.Signal.encode`. Unlike the
// published SDK it knows the union of types, 32, refuses types beyond them, and does not cut a string of
// capabilities into letters. Runs in a browser and in Node 18 or newer; imports nothing.

const names = [
  "TASK", "AGENT_OUTPUT", "FINAL", "ERROR",
  "TASK_OFFER", "BID", "TASK_AWARDED", "TASK_DECLINED",
  "AUDIT", "THOUGHT_DELTA", "PLAN", "TOOL_CALL", "TOOL_RESULT",
  "MEMORY_APPEND", "ESCALATION",
  "RECALL", "RECALLED", "IMPRINT", "IMPRINTED",
  "CONSENSUS", "CONTEXT_SYNC", "CRITIQUE",
  "CLARIFICATION", "PERMISSION", "PERMISSION_DECISION", "CLARIFICATION_ANSWER",
  "REGISTER", "DEREGISTER", "HEARTBEAT", "DISCOVER", "STOP", "STOPPED",
];
const axon = ["AGENT_OUTPUT", "CLARIFICATION", "PERMISSION", "ERROR", "REGISTER", "DEREGISTER", "HEARTBEAT"];

/** What is wrong with a signal, each field with its value and the way out. */
export class SignalError extends Error {
  name = "SignalError";
}

export const SignalType = Object.freeze(Object.fromEntries(names.map((name) => [name, name])));

/** Types an Axon emits. */
export const AXON_TYPES = readonlySet(axon);

/** Types a Dendrite may emit; ERROR is an Axon type too. */
export const SYNAPSE_TYPES = readonlySet(names.filter((name) => name === "ERROR" || !axon.includes(name)));

/** A new `evt_` id; ids of one page sort in the order they were made. */
export const newEventId = () => "evt_" + ulid();

/** A new `trc_` id. */
export const newTraceId = () => "trc_" + ulid();

/** The signal with defaults for what `input` leaves out, checked. `traceId` and `parentId` may be spelled so. */
export function createSignal(input) {
  const signal = {
    v: input.v ?? "1",
    id: input.id ?? newEventId(),
    trace_id: either(input, "trace_id", "traceId") ?? newTraceId(),
    parent_id: either(input, "parent_id", "parentId") ?? null,
    type: input.type,
    directed: address(input.directed),
    ts: input.ts ?? new Date().toISOString(),
    payload: input.payload ?? {},
    meta: input.meta ?? {},
  };
  if (signal.ts instanceof Date) signal.ts = signal.ts.toISOString();
  validateSignal(signal);
  return signal;
}

/** Nothing, or a SignalError that names every wrong field. */
export function validateSignal(signal) {
  const wrong = problems(signal);
  if (wrong.length) throw new SignalError(`not a signal: ${wrong.join("; ")}`);
}

/** The UTF-8 bytes of the signal, fields in wire order, without a newline. */
export function encode(signal) {
  const { v, id, trace_id, parent_id = null, type, directed, ts, payload, meta } = signal;
  let text;
  try {
    text = JSON.stringify({ v, id, trace_id, parent_id, type, directed: address(directed), ts, payload, meta });
  } catch (error) {
    throw new SignalError(`this signal has no JSON form: ${error.message}; give plain values in payload and meta`);
  }
  if (deeperThan(text, DEPTH)) {
    throw new SignalError(`a payload nested deeper than ${DEPTH - 1} levels cannot be written; flatten it`);
  }
  return new TextEncoder().encode(text);
}

/** The signal in `data`. As in the SDK null counts as absent, unknown keys are dropped, `ts` stays as it was written. */
export function decode(data) {
  let parsed;
  try {
    parsed = JSON.parse(typeof data === "string" ? data : utf8.decode(data));
  } catch (error) {
    throw new SignalError(`not a signal: broken JSON: ${error.message}`);
  }
  if (!isObject(parsed)) throw new SignalError(`not a signal: a signal is a JSON object, not ${show(parsed)}`);
  // A parsed object has only what was written: `traceId` on the wire is an unknown key like any other.
  const { v, id, trace_id, parent_id, type, directed, ts, payload, meta } = parsed;
  return createSignal({ v, id, trace_id, parent_id, type, directed, ts, payload, meta });
}

/** A new signal on the trace of `source` with it as parent. `directed` is that of the source unless given; null clears it. */
export function reply(source, { type, payload, directed, meta }) {
  return createSignal({
    trace_id: source.trace_id,
    parent_id: source.id,
    type,
    directed: directed === undefined ? source.directed : directed,
    payload,
    meta,
  });
}

/** An address: `directedTo(id, type, capabilities)`, `directedTo(id, { type, capabilities })` or `directedTo({ id, ... })`. */
export function directedTo(id, type, capabilities) {
  const given = isObject(id) ? id : isObject(type) ? { ...type, id } : { id, type, capabilities };
  const directed = address({ id: given.id, type: given.type, capabilities: given.capabilities });
  const wrong = addressProblems(directed);
  if (wrong.length) throw new SignalError(wrong.join("; "));
  return directed;
}

/** A STOP for the whole trace; `rollback` is always in the payload. */
export function stopSignal({ traceId, parentId, rollback = false, reason, directed, meta }) {
  required({ traceId });
  const payload = { rollback: Boolean(rollback), ...given({ reason }) };
  return createSignal({ trace_id: traceId, parent_id: parentId, type: "STOP", directed, payload, meta });
}

/** A STOPPED for the STOP `parentId`; the flag and both counts are always in the payload. */
export function stoppedSignal({
  traceId, parentId, rolledBack = false, cancelled = 0, compensated = 0, node, directed, meta,
}) {
  required({ traceId });
  const payload = {
    rolled_back: Boolean(rolledBack),
    cancelled: count({ cancelled }),
    compensated: count({ compensated }),
    ...given({ node }),
  };
  return createSignal({ trace_id: traceId, parent_id: parentId, type: "STOPPED", directed, payload, meta });
}

// What is wrong

const DEPTH = 401; // objects and lists inside each other, the envelope among them, as in kit/cosmonapse/ecmajson.py
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const STAMP = /^(\d{4})-(\d\d)-(\d\d)(?:[Tt _](\d\d):(\d\d)(?::(\d\d)(?:\.\d{1,9})?)?(?:[Zz]|[+-]([01]\d|2[0-3]):?[0-5]\d)?)?$/;
const EPOCH = /^-?\d{1,11}(\.\d{1,6})?$|^\d{12,13}$/; // what Python takes for seconds or milliseconds since 1970

function problems(signal) {
  if (!isObject(signal)) return [`a signal is an object, not ${show(signal)}`];
  const { v, id, trace_id, parent_id, type, directed, ts, payload, meta } = signal;
  const wrong = [];
  if (typeof v !== "string") wrong.push(`v ${show(v)} is not a string`);
  else if (v.split(".", 1)[0] !== "1") wrong.push(`v ${show(v)} is not of major version 1`);
  for (const [field, value, prefix] of [["id", id, "evt_"], ["trace_id", trace_id, "trc_"]]) {
    if (!(typeof value === "string" && value.startsWith(prefix))) {
      wrong.push(`${field} ${show(value)} lacks the prefix '${prefix}'`);
    }
  }
  if (parent_id !== null && !(typeof parent_id === "string" && parent_id.startsWith("evt_"))) {
    wrong.push(`parent_id ${show(parent_id)} lacks the prefix 'evt_'`);
  }
  if (type === undefined) wrong.push("type is missing");
  else if (typeof type !== "string") wrong.push(`type ${show(type)} is not a string`);
  else if (!Object.hasOwn(SignalType, type)) wrong.push(`type ${show(type)} is no signal type`);
  if (directed !== null) wrong.push(...addressProblems(directed));
  if (!isTime(ts)) wrong.push(`ts ${show(ts)} is no time; write it as 2026-05-16T14:22:01.391Z`);
  if (!isObject(payload)) wrong.push(`payload ${show(payload)} is not an object`);
  if (!isObject(meta)) wrong.push(`meta ${show(meta)} is not an object`);
  return wrong;
}

function addressProblems(directed) {
  if (!isObject(directed)) return [`directed ${show(directed)} is neither an object nor null`];
  const wrong = [];
  for (const key of ["id", "type"]) {
    if (directed[key] !== null && typeof directed[key] !== "string") {
      wrong.push(`directed.${key} ${show(directed[key])} is neither a string nor null`);
    }
  }
  const { capabilities } = directed;
  if (!(Array.isArray(capabilities) && capabilities.every((name) => typeof name === "string"))) {
    wrong.push(`directed.capabilities ${show(capabilities)} is not a list of strings`);
  }
  return wrong;
}

function isTime(text) {
  if (typeof text !== "string") return false;
  const found = STAMP.exec(text);
  if (!found) return EPOCH.test(text);
  const [year, month, day, hour = 0, minute = 0, second = 0] = found.slice(1, 7).map((part) => part && Number(part));
  return year > 0 && month >= 1 && month <= 12 && day >= 1 && day <= lastDay(year, month)
    && hour < 24 && minute < 60 && second < 60;
}

function lastDay(year, month) {
  const leap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  return [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1];
}

// Parts

function address(directed) {
  if (directed === null || directed === undefined) return null;
  if (!isObject(directed)) return directed; // for the checks to name
  return { id: directed.id ?? null, type: directed.type ?? null, capabilities: directed.capabilities ?? [] };
}

function either(input, snake, camel) {
  const [a, b] = [input[snake], input[camel]];
  if (a != null && b != null && a !== b) {
    throw new SignalError(`${snake} ${show(a)} and ${camel} ${show(b)} differ; give one of them`);
  }
  return a ?? b;
}

function given(options) {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined && value !== null));
}

function required(options) {
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || value === null) throw new SignalError(`${name} is missing; a stop belongs to a trace`);
  }
}

function count(option) {
  const [[name, value]] = Object.entries(option);
  const number = Math.trunc(Number(value));
  if (!Number.isSafeInteger(number)) throw new SignalError(`${name} ${show(value)} is no count`);
  return number;
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function show(value) {
  let text;
  try {
    text = typeof value === "string" || isObject(value) || Array.isArray(value) ? JSON.stringify(value) : String(value);
  } catch {
    text = Object.prototype.toString.call(value);
  }
  return text.length > 80 ? text.slice(0, 77) + "..." : text;
}

function readonlySet(values) {
  const refuse = () => {
    throw new TypeError("this set cannot be changed");
  };
  return Object.freeze(Object.assign(new Set(values), { add: refuse, delete: refuse, clear: refuse }));
}

function deeperThan(text, levels) {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (inString) {
      if (code === 92) i++; // a backslash takes the next character with it
      else if (code === 34) inString = false;
    } else if (code === 34) inString = true;
    else if (code === 123 || code === 91) {
      if (++depth > levels) return true;
    } else if (code === 125 || code === 93) depth--;
  }
  return false;
}

// ULIDs: 48 bits of milliseconds and 80 random bits, counted up within a millisecond so that ids sort

const CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
let lastMs = -1;
let lastRandom = 0n;

function ulid() {
  const now = Date.now();
  if (now > lastMs) {
    lastMs = now;
    lastRandom = random80();
  } else lastRandom = (lastRandom + 1n) & ((1n << 80n) - 1n);
  let rest = (BigInt(lastMs) << 80n) | lastRandom;
  let text = "";
  for (let i = 0; i < 26; i++) {
    text = CROCKFORD[Number(rest & 31n)] + text;
    rest >>= 5n;
  }
  return text;
}

function random80() {
  const bytes = new Uint8Array(10);
  // Node 18 has no global `crypto`; nothing here is a secret.
  if (globalThis.crypto?.getRandomValues) globalThis.crypto.getRandomValues(bytes);
  else for (let i = 0; i < bytes.length; i++) bytes[i] = Math.floor(Math.random() * 256);
  // The top bit stays free, so that counting up never wraps.
  return bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n) >> 1n;
}
