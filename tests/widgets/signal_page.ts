// What the reference page of the TypeScript Signal shows, for `tsc --noEmit` to check against signal.d.ts.
import {
  AXON_TYPES, SYNAPSE_TYPES, SignalType, createSignal, decode, directedTo, encode, reply, stopSignal, stoppedSignal,
  validateSignal, type Directed, type Json, type NewSignalInput, type Signal,
} from "../../kit/widgets/static/signal.js";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const holds = <T extends true>(): T | void => undefined;

interface PageDirected { id: string | null; type: string | null; capabilities: string[] }
interface PageSignal {
  v: string; id: string; trace_id: string; parent_id: string | null; type: SignalType; directed: Directed | null;
  ts: string; payload: Json; meta: Json;
}
holds<Equal<{ [K in keyof Signal]: Signal[K] }, { [K in keyof PageSignal]: PageSignal[K] }>>();
holds<Equal<{ [K in keyof Directed]: Directed[K] }, { [K in keyof PageDirected]: PageDirected[K] }>>();
holds<Equal<SignalType, (typeof SignalType)[keyof typeof SignalType]>>();
holds<Equal<ReturnType<typeof encode>, Uint8Array>>();

const create: (input: NewSignalInput) => Signal = createSignal;
const validate: (signal: Signal) => void = validateSignal;
const read: (data: Uint8Array | string) => Signal = decode;
const to: (id?: string, type?: string, capabilities?: string[]) => Directed = directedTo;
const sets: ReadonlySet<SignalType>[] = [AXON_TYPES, SYNAPSE_TYPES];

const task = create({ type: SignalType.TASK, directed: to("coder"), payload: { input: {} } });
const answer = reply(task, { type: "AGENT_OUTPUT", payload: { output: 1 }, directed: directedTo("coder"), meta: {} });
validate(read(encode(answer)));
directedTo("a", { type: "t", capabilities: ["x"] });
directedTo({ id: "a", capabilities: ["x"] });
stopSignal({ traceId: task.trace_id, rollback: true, reason: "enough" });
stoppedSignal({ traceId: "trc_1", parentId: "evt_1", rolledBack: true, cancelled: 2, compensated: 3, node: "dev" });

// @ts-expect-error an unknown type
createSignal({ type: "DREAM" });
// @ts-expect-error a STOP belongs to a trace
stopSignal({ reason: "enough" });
// @ts-expect-error the page asks for the STOP that is answered
stoppedSignal({ traceId: "trc_1" });
// @ts-expect-error who may emit what is not for the caller to change
sets[0]?.add("TASK");
// @ts-expect-error the object is frozen
SignalType.TASK = "TASK";
