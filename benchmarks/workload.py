"""Made-up Cosmonapse traffic: endless signal lines in publish order, as the Python SDK writes them.

The mix follows spec/cosmonapse.md 2.2 and the canonical sequences of 5.15: tasks with tool calls, recalls and
imprints, plans, delegation into child traces, auctions whose TASK is never published (5.3), clarification and
permission loops, retries, stops, and the management signals of a namespace that lives on. Lines are put
together from text templates, because a bench needs millions of them; ids are ULIDs that sort by time.

The JSON type of a payload field is the same in every line. Real captures are less tidy, but polars and
pyarrow fail a whole file on the first change of type, and then there would be nothing to compare with.
(REGISTER has its `version` left out for that: the text would meet the number of IMPRINTED.)
"""

import heapq
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TypeVar

T = TypeVar("T")

START = datetime(2026, 11, 2, 9, tzinfo=UTC)
START_US = int(START.timestamp()) * 1_000_000
TRACE_GAP_US = 100_000  # mean time between two workflows
HEARTBEAT_US = 30_000_000

_BASE32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [a + b for a in _BASE32 for b in _BASE32]

_CAPABILITIES = ("research", "web", "write", "review", "plan", "code", "solve", "summarise")
_NEURONS = tuple(
    f"{role}-{n}" for role in ("researcher", "writer", "coder", "reviewer", "planner", "solver") for n in range(1, 6)
)
_SOLVERS = tuple(name for name in _NEURONS if name.startswith("solver"))
_ENGRAMS = (("ctx", "context"), ("grants", "keyvalue"), ("archive", "vector"))
_EFFECTORS = (("fs", "filesystem"), ("web", "websearch"), ("sql", "database"), ("sh", "shell"))
_TOOLS = {"filesystem": "read", "websearch": "search", "database": "query", "shell": "run"}
_HOSTS = ("cortex", "lead-host", "desk")
_WORDS = [
    "paging", "latency", "report", "kernel", "cache", "drift", "orbit", "ledger", "queue", "harbour",
    "signal", "draft", "budget", "river", "canal", "audit", "station", "tariff", "météo", "façade",
    "überblick", "東京", "混雑", "naïve", "sensor", "gripper", "battery", "survey", "thesis", "protein",
    "lattice", "turbine",
]  # fmt: skip
_ERRORS = (
    ("NEURON_EXCEPTION", "KeyError: 'topic'", "false"),
    ("UPSTREAM_503", "try again", "true"),
    ("REPAIR_EXHAUSTED", 'no \\"answer\\" after 3 attempts\\n', "false"),
)
_AUDITS = (
    ("GUARDED", "security", "redacted"),
    ("EVAL_RETRY", "eval", "re_asked"),
    ("TOOL_RETRY", "tool", "resent"),
)


def _to(name: str, kind: str | None = None, capabilities: str = "[]") -> str:
    """The JSON text of a `directed` object."""
    kind_json = "null" if kind is None else f'"{kind}"'
    return f'{{"id":"{name}","type":{kind_json},"capabilities":{capabilities}}}'


_ADDRESS = {name: _to(name) for name in (*_NEURONS, *_HOSTS, *(name for name, _ in _ENGRAMS))}


def signals(seed: int, odd: float = 0.0) -> Iterator[str]:
    """Signal lines without newline, in publish order, without end; the same for the same seed.

    `odd` is the share of workflows whose parents form a ring (one in three of them across two traces).
    """
    traffic = _Traffic(Random(f"{seed}/traffic"))
    gaps = Random(f"{seed}/arrivals")
    rings = Random(f"{seed}/rings")
    now = START_US
    traffic.register_all(now)
    tick = now + HEARTBEAT_US
    while True:
        now += 1 + int(gaps.expovariate(1 / TRACE_GAP_US))
        yield from traffic.published_before(now)
        if now >= tick:
            traffic.heartbeat(tick)
            tick += HEARTBEAT_US
        if rings.random() < odd:
            traffic.ring(now, length=rings.randint(2, 5), traces=rings.choice((1, 1, 2)))
        traffic.workflow(now)


class _Traffic:
    """The bus: recipes put lines into a heap by publish time, `published_before` takes them out."""

    def __init__(self, rng: Random) -> None:
        self._heap: list[tuple[int, int, str]] = []
        self._count = 0
        self._random = rng.random
        self._bits = rng.getrandbits
        self._ulid_head = (-1, "")
        self._second = (-1, "")
        words, size = rng.choice, rng.randint
        self._phrases = [" ".join(words(_WORDS) for _ in range(size(1, 3))) for _ in range(4096)]

    def published_before(self, us: int) -> Iterator[str]:
        """Takes out the lines published before `us` (exclusive), in order of publication."""
        heap, pop = self._heap, heapq.heappop
        while heap and heap[0][0] < us:
            yield pop(heap)[2]

    # ids, times and small choices

    def ulid(self, us: int) -> str:
        """A ULID: milliseconds, ten bits with the microsecond (so that ids sort by time), randomness."""
        ms, micro = divmod(us, 1000)
        if self._ulid_head[0] != ms >> 10:
            pairs = (ms >> 40 & 1023, ms >> 30 & 1023, ms >> 20 & 1023, ms >> 10 & 1023)
            self._ulid_head = (ms >> 10, "".join(_PAIRS[pair] for pair in pairs))
        bits, pair = self._bits(70), _PAIRS
        return (
            f"{self._ulid_head[1]}{pair[ms & 1023]}{pair[micro]}{pair[bits & 1023]}{pair[bits >> 10 & 1023]}"
            f"{pair[bits >> 20 & 1023]}{pair[bits >> 30 & 1023]}{pair[bits >> 40 & 1023]}"
            f"{pair[bits >> 50 & 1023]}"
            f"{pair[bits >> 60]}"
        )

    def stamp(self, us: int) -> str:
        """RFC 3339 with six digits of fraction, or none when it is zero (spec 1.4)."""
        second, micro = divmod(us, 1_000_000)
        if self._second[0] != second:
            moment = START + timedelta(seconds=second - START_US // 1_000_000)
            self._second = (second, moment.strftime("%Y-%m-%dT%H:%M:%S"))
        return f"{self._second[1]}.{micro:06d}Z" if micro else f"{self._second[1]}Z"

    def pick(self, items: Sequence[T]) -> T:
        return items[int(self._random() * len(items))]

    def phrase(self) -> str:
        return self._phrases[self._bits(12)]

    def after(self, us: int, low: int, high: int) -> int:
        """A time between `low` (inclusive) and `high` microseconds (exclusive) after `us`."""
        return us + low + int(self._random() * (high - low))

    def emit(
        self,
        us: int,
        trace: str,
        parent: str | None,
        kind: str,
        directed: str,
        payload: str,
        meta: str = "{}",
        *,
        event: str | None = None,
        published: int | None = None,
    ) -> str:
        """Publishes a signal and returns its id. `published` differs from `us` for AUDIT (spec 5.13)."""
        event = event or "evt_" + self.ulid(us)
        parent_json = "null" if parent is None else f'"{parent}"'
        line = (
            f'{{"v":"1","id":"{event}","trace_id":"{trace}","parent_id":{parent_json},"type":"{kind}",'
            f'"directed":{directed},"ts":"{self.stamp(us)}","payload":{payload},"meta":{meta}}}'
        )
        self._count += 1
        heapq.heappush(self._heap, (published or us, self._count, line))
        return event

    # management

    def register_all(self, us: int) -> None:
        for step, (name, kind) in enumerate((*_ENGRAMS, *_EFFECTORS)):
            role = "engram" if step < len(_ENGRAMS) else "effector"
            tail = ',"engram":true' if role == "engram" else ""
            self._register(us + 90 * step, _to(name, kind), f'{{"role":"{role}","capabilities":[]{tail}}}')
        for step, name in enumerate(_NEURONS):
            self._register_neuron(us + 1000 + 90 * step, name)

    def heartbeat(self, us: int) -> None:
        for step, name in enumerate(_NEURONS):
            at = us + 200 * step + 7
            self._register_neuron(at, name)
            self.emit(at + 80, "trc_" + self.ulid(at + 80), None, "HEARTBEAT", _ADDRESS[name], '{"status":"ok"}')

    def _register_neuron(self, us: int, name: str) -> None:
        capabilities = f'["{name.partition("-")[0]}","summarise"]'
        payload = f'{{"role":"neuron","capabilities":{capabilities}}}'
        self._register(us, _to(name, "neuron", capabilities), payload)

    def _register(self, us: int, directed: str, payload: str) -> None:
        self.emit(us, "trc_" + self.ulid(us), None, "REGISTER", directed, payload)

    # workflows

    def workflow(self, us: int) -> None:
        """One root trace: a plain task, an auction, or a task with retries."""
        draw = self._random()
        if draw < 0.12:
            self._auctions(us)
        elif draw < 0.17:
            self._retries(us)
        else:
            self._trace(us, None, depth=0)

    def ring(self, us: int, length: int, traces: int) -> None:
        """Signals whose parents form a ring, and one that hangs off it. No SDK writes this."""
        names = ["trc_" + self.ulid(us) for _ in range(traces)]
        times = [us + 1000 * step for step in range(length)]
        events = ["evt_" + self.ulid(at) for at in times]
        for step, at in enumerate(times):
            self.emit(
                at,
                names[step % traces],
                events[step - 1],
                "CONTEXT_SYNC",
                _ADDRESS[_HOSTS[0]],
                f'{{"snapshot":{{"k":{step},"open":true}}}}',
                event=events[step],
            )
        self._memory_append(times[-1] + 500, names[0], events[0])

    def _trace(self, us: int, parent: str | None, depth: int) -> int:
        trace = "trc_" + self.ulid(us)
        neuron = self.pick(_NEURONS)
        task = self._task(us, trace, parent, neuron, finalize=True)
        us, task = self._work(us, trace, task, neuron, depth, self._size(depth))
        return self._end(us, trace, task, neuron)

    def _size(self, depth: int) -> int:
        """How many things a neuron does in a task: mostly few, sometimes very many; fewer further down."""
        size = int(5.9 / (1 - self._random()) ** 0.62)
        return min(size, 200) if depth == 0 else min(size * 2 // 3, 30)

    def _task(
        self,
        us: int,
        trace: str,
        parent: str | None,
        neuron: str,
        *,
        finalize: bool = False,
        meta: str = "{}",
    ) -> str:
        tail = ',"finalize":true' if finalize else ""
        text = f'{{"input":{{"topic":"{self.phrase()}","k":{self._bits(10)}}}{tail}}}'
        return self.emit(us, trace, parent, "TASK", _ADDRESS[neuron], text, meta)

    def _end(self, us: int, trace: str, task: str, neuron: str) -> int:
        """FINAL, ERROR, STOP, or nothing at all."""
        draw = self._random()
        us = self.after(us, 50_000, 900_000)
        if draw < 0.84:
            self._output(us, trace, task, neuron, final=True)
        elif draw < 0.92:
            self._error(us, trace, task, neuron)
        elif draw < 0.97:
            self._stop(us, trace, "user cancelled", acks=1 + self._bits(1))
        return us

    def _output(self, us: int, trace: str, task: str, neuron: str, *, final: bool) -> str:
        value = f'{{"text":"{self.phrase()}","score":{self._random():.6f}1,"tokens":{self._bits(9)}}}'
        output = self.emit(us, trace, task, "AGENT_OUTPUT", _ADDRESS[neuron], f'{{"output":{value}}}', self._usage())
        if final:
            self.emit(us + 90, trace, output, "FINAL", _ADDRESS[neuron], f'{{"result":{value}}}')
        return output

    def _usage(self) -> str:
        tokens = self._bits(11)
        used = f'{{"in":{tokens + 40},"out":{tokens >> 2}}}'
        return f'{{"model":"sim-large","tokens":{used},"cost_micro_usd":{tokens * 11}}}'

    def _error(self, us: int, trace: str, task: str, neuron: str) -> None:
        code, message, again = self.pick(_ERRORS)
        payload = f'{{"code":"{code}","message":"{message}","recoverable":{again}}}'
        self.emit(us, trace, task, "ERROR", _ADDRESS[neuron], payload)

    def _stop(self, us: int, trace: str, reason: str, acks: int) -> None:
        stop = self.emit(us, trace, None, "STOP", "null", f'{{"rollback":true,"reason":"{reason}"}}')
        for step in range(acks):
            payload = f'{{"rolled_back":true,"cancelled":{int(step == 0)},"compensated":{step},"node":"lab"}}'
            self.emit(us + 110 * (step + 1), trace, stop, "STOPPED", "null", payload)

    def _auctions(self, us: int) -> None:
        """One or two auctions on a trace with different winners, whose TASK is never published (5.3)."""
        trace = "trc_" + self.ulid(us)
        rounds = 2 if self._random() < 0.2 else 1
        solvers = list(_SOLVERS)
        for _ in range(rounds):
            winner = solvers.pop(int(self._random() * len(solvers)))
            us = self._auction(us, trace, winner, rounds == 1)

    def _auction(self, us: int, trace: str, winner: str, finalize: bool) -> int:
        task = f'"input":{{"topic":"{self.phrase()}","k":{self._bits(10)}}}'
        offer_text = f'{{{task},"capabilities":["solve"],"deadline_ms":120}}'
        offer = self.emit(us, trace, None, "TASK_OFFER", "null", offer_text)
        bidders = [name for name in _SOLVERS if name == winner or self._random() < 0.6]
        bids = {}
        for step, name in enumerate(bidders):
            cost = f'{{"cost":{0.5 + self._random():.4f}1,"eta_ms":{self._bits(9)},"confidence":0.9}}'
            at = us + 300 + 700 * step
            bids[name] = (self.emit(at, trace, offer, "BID", _ADDRESS[name], cost), cost)
        us += 120_000
        for step, name in enumerate(name for name in bidders if name != winner):
            reason = '{"reason":"not selected"}'
            self.emit(us + 60 * step, trace, bids[name][0], "TASK_DECLINED", _ADDRESS[name], reason)
        us += 600
        tail = ',"finalize":true' if finalize else ""
        award_text = f'{{{task},"winning_bid":{bids[winner][1]}{tail}}}'
        self.emit(us, trace, bids[winner][0], "TASK_AWARDED", _ADDRESS[winner], award_text)
        phantom = "evt_" + self.ulid(us + 50)
        us, phantom = self._work(us + 100, trace, phantom, winner, 1, self._size(1))
        us = self.after(us, 30_000, 400_000)
        self._output(us, trace, phantom, winner, final=finalize)
        return us + 1000

    def _retries(self, us: int) -> None:
        """Attempts of one task, a fresh trace each; STOP(reason "retry") closes a failed one (5.9)."""
        neuron = self.pick(_NEURONS)
        for attempt in range(1 + self._bits(1) + self._bits(1)):
            trace = "trc_" + self.ulid(us)
            task = self._task(us, trace, None, neuron, meta=f'{{"attempt":{attempt}}}')
            us, task = self._work(us, trace, task, neuron, 2, 3)
            if self._random() < 0.4:
                self._output(us, trace, task, neuron, final=False)
                return
            us = self.after(us, 50_000, 400_000)
            self._error(us, trace, task, neuron)
            self._stop(us + 120, trace, "retry", acks=self._bits(1))
            us += 200_000

    def _work(self, us: int, trace: str, task: str, neuron: str, depth: int, size: int) -> tuple[int, str]:
        """What a neuron does in a task. Returns the time after it and the TASK to be answered."""
        if depth == 0 and self._random() < 0.35:
            us = self._plan(us, trace, task, neuron)
        for _ in range(size):
            draw = self._random()
            us = self.after(us, 800, 60_000)
            if draw < 0.34:
                us = self._tool(us, trace, task)
            elif draw < 0.58:
                us = self._recall(us, trace, task)
            elif draw < 0.74:
                us = self._imprint(us, trace, task)
            elif draw < 0.80:
                self._memory_append(us, trace, task)
            elif draw < 0.86:
                us = self._delegate(us, trace, task, neuron, depth)
            elif draw < 0.89:
                us = self._review(us, trace, task, neuron)
            elif draw < 0.92:
                self._audit(us, trace, task, neuron)
            elif draw < 0.94:
                self._coordinate(us, trace, task)
            elif draw < 0.97:
                us, task = self._clarify(us, trace, task, neuron)
            else:
                us, task = self._permit(us, trace, task, neuron)
        return us, task

    def _plan(self, us: int, trace: str, task: str, neuron: str) -> int:
        steps = ",".join(f'{{"step":"{self.phrase()}"}}' for _ in range(2 + self._bits(1)))
        us = self.after(us, 200_000, 2_000_000)
        self.emit(us, trace, task, "PLAN", _ADDRESS[neuron], f'{{"steps":[{steps}]}}', self._usage())
        return us

    def _tool(self, us: int, trace: str, task: str) -> int:
        name, kind = self.pick(_EFFECTORS)
        tool, call = _TOOLS[kind], f"call_{self._bits(24):06x}"
        args = f'{{"q":"{self.phrase()}"}}'
        asked = f'{{"tool":"{tool}","args":{args},"call_id":"{call}"}}'
        request = self.emit(us, trace, task, "TOOL_CALL", f'{{"id":null,"type":"{kind}","capabilities":[]}}', asked)
        if self._random() < 0.01:
            return us + 500_000
        us = self.after(us, 4_000, 350_000)
        if self._random() < 0.06:
            result = '"error":"TimeoutError: no answer within 30 s"'
        else:
            result = f'"result":{{"text":"{self.phrase()}","bytes":{self._bits(14)}}}'
        told = f'{{"tool":"{tool}",{result},"call_id":"{call}"}}'
        self.emit(us, trace, request, "TOOL_RESULT", _to(name, kind), told)
        return us

    def _recall(self, us: int, trace: str, task: str) -> int:
        name, kind = self.pick(_ENGRAMS)
        query = f'{{"query":{{"text":"{self.phrase()}"}},"recall_mode":"first"}}'
        request = self.emit(us, trace, task, "RECALL", _ADDRESS[name], query)
        if self._random() < 0.015:
            return us + 500_000
        us = self.after(us, 700, 25_000)
        hits = ",".join(
            f'{{"id":"eng_{self.ulid(us)}","entry":{{"content":{{"text":"{self.phrase()}"}},"version":1}},"score":0.5}}'
            for _ in range(self._bits(1))
        )
        told = f'{{"engram_id":"{name}","hits":[{hits}],"truncated":false}}'
        self.emit(us, trace, request, "RECALLED", _to(name, kind), told)
        return us

    def _imprint(self, us: int, trace: str, task: str) -> int:
        name, kind = self.pick(_ENGRAMS)
        entry = f'{{"content":{{"text":"{self.phrase()}"}},"tags":["note"]}}'
        asked = f'{{"op":"upsert","entry":{entry},"merge_key":"k{self._bits(9)}"}}'
        request = self.emit(us, trace, task, "IMPRINT", _ADDRESS[name], asked)
        us = self.after(us, 700, 15_000)
        told = (
            f'{{"engram_id":"{name}","op":"upsert","id":"eng_{self.ulid(us)}",'
            f'"version":{1 + self._bits(2)},"took_ms":3}}'
        )
        self.emit(us, trace, request, "IMPRINTED", _to(name, kind), told)
        return us

    def _memory_append(self, us: int, trace: str, task: str) -> None:
        payload = f'{{"key":"summary","value":{{"text":"{self.phrase()}","ok":true}}}}'
        self.emit(us, trace, task, "MEMORY_APPEND", _ADDRESS[self.pick(_HOSTS)], payload)

    def _delegate(self, us: int, trace: str, task: str, neuron: str, depth: int) -> int:
        """Hands a part to another neuron: in a child trace, or in this one (spec 5.2)."""
        if depth >= 4:
            return us
        if self._random() < 0.4:
            return self._trace(us, task, depth + 1)
        other = self.pick(_NEURONS)
        part = self._task(us, trace, task, other)
        us, part = self._work(us, trace, part, other, depth + 1, self._size(depth + 1))
        us = self.after(us, 30_000, 600_000)
        self._output(us, trace, part, other, final=False)
        return us

    def _review(self, us: int, trace: str, task: str, neuron: str) -> int:
        """A part, and a reviewer's word on it: CRITIQUE.target_event_id is a second edge."""
        output = self._output(us, trace, task, neuron, final=False)
        us = self.after(us, 40_000, 500_000)
        verdict = self.pick(("pass", "revise", "fail"))
        issues = f'[{{"severity":"info","note":"{self.phrase()}"}}]'
        payload = f'{{"target_event_id":"{output}","issues":{issues},"verdict":"{verdict}"}}'
        self.emit(us, trace, output, "CRITIQUE", _ADDRESS["reviewer-1"], payload)
        return us

    def _audit(self, us: int, trace: str, task: str, neuron: str) -> None:
        """Published before the reply it judges and stamped after it: ts and file order disagree (5.13)."""
        kind, domain, outcome = self.pick(_AUDITS)
        reply = self._output(us, trace, task, neuron, final=False)
        payload = (
            f'{{"kind":"{kind}","domain":"{domain}","outcome":"{outcome}","attempt":1,"component":"{neuron}",'
            f'"hash":"{self._bits(64):016x}"}}'
        )
        self.emit(us + 120, trace, reply, "AUDIT", _ADDRESS[neuron], payload, published=us - 1)

    def _coordinate(self, us: int, trace: str, task: str) -> None:
        host = _ADDRESS[self.pick(_HOSTS)]
        if self._random() < 0.5:
            votes = '{"members":["planner-1","reviewer-1"],"verdict":"approved","votes":{"planner-1":"approve"}}'
            self.emit(us, trace, task, "CONSENSUS", host, votes)
        else:
            payload = f'{{"snapshot":{{"k":{self._bits(6)},"open":false}}}}'
            self.emit(us, trace, task, "CONTEXT_SYNC", host, payload)

    def _clarify(self, us: int, trace: str, task: str, neuron: str) -> tuple[int, str]:
        """A question and its answer in either style or both (spec 5.6)."""
        payload = f'{{"question":"{self.phrase()}?","context":{{"options":["exec","engineer"]}}}}'
        question = self.emit(us, trace, task, "CLARIFICATION", _ADDRESS[neuron], payload)
        us = self.after(us, 300_000, 4_000_000)
        if self._random() < 0.5:
            self.emit(us, trace, question, "CLARIFICATION_ANSWER", _ADDRESS["desk"], '{"answer":"engineer"}')
        return us + 80, self._task(us + 80, trace, question, neuron)

    def _permit(self, us: int, trace: str, task: str, neuron: str) -> tuple[int, str]:
        """A permission asked for, decided, and remembered in the engram of grants."""
        scope = f'{{"path":"/data/{self._bits(8)}.txt"}}'
        payload = f'{{"action":"write_file","scope":{scope},"reason":"persist output"}}'
        question = self.emit(us, trace, task, "PERMISSION", _ADDRESS[neuron], payload)
        us = self.after(us, 200_000, 2_000_000)
        if self._random() < 0.5:
            told = '{"granted":true,"reason":"allowlisted","ttl_ms":3600000}'
            self.emit(us, trace, question, "PERMISSION_DECISION", _ADDRESS["cortex"], told)
        follow = self._task(us + 80, trace, question, neuron)
        return self._imprint(us + 900, trace, follow), follow
