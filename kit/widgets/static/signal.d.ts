// Types of signal.js: the Signal of the TypeScript reference page (see there for what each function does).

export type Json = Record<string, unknown>;

/** A const object plus a union type, not a TS enum: the union of the types of both SDKs. */
export declare const SignalType: {
  readonly TASK: "TASK";
  readonly AGENT_OUTPUT: "AGENT_OUTPUT";
  readonly FINAL: "FINAL";
  readonly ERROR: "ERROR";
  readonly TASK_OFFER: "TASK_OFFER";
  readonly BID: "BID";
  readonly TASK_AWARDED: "TASK_AWARDED";
  readonly TASK_DECLINED: "TASK_DECLINED";
  readonly AUDIT: "AUDIT";
  readonly THOUGHT_DELTA: "THOUGHT_DELTA";
  readonly PLAN: "PLAN";
  readonly TOOL_CALL: "TOOL_CALL";
  readonly TOOL_RESULT: "TOOL_RESULT";
  readonly MEMORY_APPEND: "MEMORY_APPEND";
  readonly ESCALATION: "ESCALATION";
  readonly RECALL: "RECALL";
  readonly RECALLED: "RECALLED";
  readonly IMPRINT: "IMPRINT";
  readonly IMPRINTED: "IMPRINTED";
  readonly CONSENSUS: "CONSENSUS";
  readonly CONTEXT_SYNC: "CONTEXT_SYNC";
  readonly CRITIQUE: "CRITIQUE";
  readonly CLARIFICATION: "CLARIFICATION";
  readonly PERMISSION: "PERMISSION";
  readonly PERMISSION_DECISION: "PERMISSION_DECISION";
  readonly CLARIFICATION_ANSWER: "CLARIFICATION_ANSWER";
  readonly REGISTER: "REGISTER";
  readonly DEREGISTER: "DEREGISTER";
  readonly HEARTBEAT: "HEARTBEAT";
  readonly DISCOVER: "DISCOVER";
  readonly STOP: "STOP";
  readonly STOPPED: "STOPPED";
};
export type SignalType = (typeof SignalType)[keyof typeof SignalType];

export declare const AXON_TYPES: ReadonlySet<SignalType>;
export declare const SYNAPSE_TYPES: ReadonlySet<SignalType>;

/** Who is addressed: `id` goes before `type`, and `type` before `capabilities`. It names the producer of an answer too. */
export interface Directed {
  id: string | null;
  type: string | null;
  capabilities: string[];
}

export interface Signal {
  v: string;
  id: string;
  trace_id: string;
  parent_id: string | null;
  type: SignalType;
  directed: Directed | null;
  ts: string;
  payload: Json;
  meta: Json;
}

export interface NewSignalInput {
  v?: string;
  id?: string;
  trace_id?: string;
  traceId?: string;
  parent_id?: string | null;
  parentId?: string | null;
  type: SignalType;
  directed?: Partial<Directed> | null;
  ts?: string | Date;
  payload?: Json;
  meta?: Json;
}

export interface ReplyOptions {
  type: SignalType;
  payload?: Json;
  directed?: Partial<Directed> | null;
  meta?: Json;
}

export interface DirectedOptions {
  type?: string | null;
  capabilities?: readonly string[];
}

export interface StopOptions {
  traceId: string;
  parentId?: string | null;
  rollback?: boolean;
  reason?: string | null;
  directed?: Partial<Directed> | null;
  meta?: Json;
}

export interface StoppedOptions {
  traceId: string;
  parentId: string;
  rolledBack?: boolean;
  cancelled?: number;
  compensated?: number;
  node?: string | null;
  directed?: Partial<Directed> | null;
  meta?: Json;
}

export declare class SignalError extends Error {}

export declare function createSignal(input: NewSignalInput): Signal;
export declare function validateSignal(signal: Signal): void;
export declare function encode(signal: Signal): Uint8Array;
export declare function decode(data: Uint8Array | string): Signal;
export declare function reply(source: Signal, opts: ReplyOptions): Signal;
export declare function directedTo(
  id?: string | null,
  type?: string | null,
  capabilities?: readonly string[] | null,
): Directed;
export declare function directedTo(id: string | null | undefined, options: DirectedOptions): Directed;
export declare function directedTo(options: DirectedOptions & { id?: string | null }): Directed;
export declare function stopSignal(options: StopOptions): Signal;
export declare function stoppedSignal(options: StoppedOptions): Signal;
export declare function newEventId(): string;
export declare function newTraceId(): string;
