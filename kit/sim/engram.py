"""Engrams: shared memory that answers RECALL and IMPRINT, and can take a trace's writes back (spec/cosmonapse.md 5.7, 5.10)."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from kit import ids
from kit.errors import ArgumentError
from kit.sim.axon import settled
from kit.sim.distribution import Distribution
from kit.sim.duration import moment
from kit.sim.envelope import Json

if TYPE_CHECKING:
    from kit.sim.dendrite import Dendrite

TOP_K = 50
SEEN = 65_536
"""Imprints that an Engram remembers, to know a repeat."""
Inverse = tuple[str, Json, str | None]


@dataclass(frozen=True)
class Hit:
    """An entry that was found: its id, the entry as an object, and how well it fits, from 0 to 1."""

    id: str
    entry: Json
    score: float = 1.0


@dataclass(frozen=True)
class RecallResult:
    """What a recall gave: hits, best first, and the Engrams they are from."""

    hits: list[Hit] = field(default_factory=list)
    engram_ids: tuple[str, ...] = ()
    truncated: bool = False
    took_ms: int | None = None


@dataclass(frozen=True)
class ImprintReceipt:
    """What became of an imprint; `error` says why it was refused."""

    engram_id: str
    op: str
    id: str | None = None
    version: int | None = None
    took_ms: int | None = None
    error: str | None = None

    @property
    def ok(self) -> bool:
        """True where it was done."""
        return self.error is None


class Engram:
    """What an Engram is to its Dendrite. `service` is how long it takes to answer, None for no time."""

    version: str | None = None

    def __init__(
        self,
        *,
        engram_id: str,
        engram_kind: str = "keyvalue",
        capabilities: Iterable[str] | None = None,
        version: str | None = None,
        service: Distribution | None = None,
    ) -> None:
        self.engram_id = engram_id
        self.engram_kind = engram_kind
        self.capabilities = list(capabilities or ())
        self.version = version
        self.service = service
        self.dendrite: Dendrite | None = None
        self.failing = False
        """True while a fault makes every recall and imprint fail."""

    def can_serve(self, query: Json) -> bool:
        """Whether it answers a recall at all."""
        return True

    async def recall(self, query: Json, **options: Any) -> list[Hit]:
        """Return what fits a query, best first."""
        raise ArgumentError(f"Engram {self.engram_id!r} cannot recall; give it a handler with on_recall")

    async def imprint(
        self,
        op: str,
        entry: Json,
        *,
        merge_key: str | None = None,
        imprint_id: str | None = None,
        trace_id: str | None = None,
    ) -> ImprintReceipt:
        """Write an entry and return the receipt."""
        return ImprintReceipt(self.engram_id, op, error=f"unhandled imprint op {op!r}", took_ms=0)

    def journals(self, trace_id: str) -> bool:
        """Whether it could take back something of a trace."""
        return False

    def compensate(self, trace_id: str) -> int:
        """Undo what a trace wrote, latest first; how many writes that was."""
        return 0

    def commit(self, trace_id: str) -> None:
        """Forget how to undo a trace."""

    @staticmethod
    def serve(
        *,
        engram_id: str,
        engram_kind: str = "context",
        capabilities: Iterable[str] | None = None,
        version: str | None = None,
    ) -> "ServedEngram":
        """Return an Engram whose answers come from functions: `on_recall`, `on_imprint`."""
        return ServedEngram(engram_id=engram_id, engram_kind=engram_kind, capabilities=capabilities, version=version)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.engram_id}, {self.engram_kind}>"


class ServedEngram(Engram):
    """An Engram that asks functions; the first answer that is not None counts."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._recalls: list[Callable[..., Any]] = []
        self._imprints: list[Callable[..., Any]] = []

    def on_recall(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Decorate `function(query, **options)`, which returns hits or None."""
        self._recalls.append(function)
        return function

    def on_imprint(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Decorate `function(op, entry, **options)`, which returns an ImprintReceipt or None."""
        self._imprints.append(function)
        return function

    async def recall(self, query: Json, **options: Any) -> list[Hit]:
        """Return what the first function gives that gives anything."""
        for function in self._recalls:
            found = await settled(function(query, **options))
            if found is not None:
                return list(found)
        return []

    async def imprint(
        self,
        op: str,
        entry: Json,
        *,
        merge_key: str | None = None,
        imprint_id: str | None = None,
        trace_id: str | None = None,
    ) -> ImprintReceipt:
        """Return the receipt of the first function that gives one."""
        for function in self._imprints:
            made = await settled(function(op, entry, merge_key=merge_key, imprint_id=imprint_id, trace_id=trace_id))
            if made is not None:
                return made if isinstance(made, ImprintReceipt) else ImprintReceipt(self.engram_id, op, **made)
        return ImprintReceipt(self.engram_id, op, error=f"unhandled imprint op {op!r}", took_ms=0)


class _Entry:
    __slots__ = ("_shown", "content", "created", "haystack", "id", "key", "meta", "tags", "updated", "version")

    def __init__(self, id: str, content: Any, tags: list[str], meta: Json, key: str | None, us: int) -> None:
        self.id = id
        self.content = content
        self.tags = tags
        self.meta = meta
        self.key = key
        self.version = 1
        self.created = self.updated = us
        self.haystack: str | None = None
        self._shown: tuple[int, Json] | None = None

    def shown(self) -> Json:
        """Return it as the `entry` of a hit; it is put together anew only after a change."""
        if self._shown is None or self._shown[0] != self.version:
            self._shown = (self.version, self._told())
        return dict(self._shown[1])

    def _told(self) -> Json:
        made = {
            "id": self.id,
            "content": self.content,
            "tags": list(self.tags),
            "version": self.version,
            "created_at": moment(self.created).isoformat(),
            "updated_at": moment(self.updated).isoformat(),
        }
        made |= {"merge_key": self.key} if self.key else {}
        return made | ({"meta": self.meta} if self.meta else {})


class InMemoryEngram(Engram):
    """Entries in memory, by id and merge key, with a journal per trace that undoes its writes.

    A recall by `merge_key` is looked up; one by `text` reads all entries. `saga=False` is an Engram that journals
    nothing, as those of the published package on SQLite and PostgreSQL; with `fidelity="spec"` all journal.
    """

    def __init__(
        self,
        *,
        engram_id: str = "engram-memory",
        engram_kind: str = "keyvalue",
        capabilities: Iterable[str] | None = None,
        version: str | None = "0.0.1",
        service: Distribution | None = None,
        saga: bool = True,
    ) -> None:
        names = ("substring", "tags", "merge_key") if capabilities is None else capabilities
        super().__init__(
            engram_id=engram_id, engram_kind=engram_kind, capabilities=names, version=version, service=service
        )
        self._entries: dict[str, _Entry] = {}
        self._by_key: dict[str, list[_Entry]] = {}
        self._journal: dict[str, list[Inverse]] = {}
        self._saga = saga
        self._seen: OrderedDict[str, str | None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    async def recall(self, query: Json, **options: Any) -> list[Hit]:
        """Return what fits; see `look`."""
        return self.look(query, options.get("filters"), options.get("min_confidence"))

    async def imprint(
        self,
        op: str,
        entry: Json,
        *,
        merge_key: str | None = None,
        imprint_id: str | None = None,
        trace_id: str | None = None,
    ) -> ImprintReceipt:
        """Write an entry; see `write`."""
        return self.write(op, entry, merge_key, imprint_id, trace_id)

    def look(self, query: Json, filters: Json | None = None, min_confidence: float | None = None) -> list[Hit]:
        """Return at most `top_k` (50) entries that fit `text`, `tag`, `merge_key` and the filters, best first.

        With a text the score is its share of the content's length; otherwise it is 1.
        """
        limit = int(query.get("top_k") or TOP_K)
        text = str(query.get("text") or "").lower()
        key = query.get("merge_key")
        entries: Iterable[_Entry] = self._by_key.get(key, ()) if key else self._entries.values()
        tests = _tests(query, filters or {})
        found: list[Hit] = []
        for entry in entries:
            if not all(test(entry) for test in tests):
                continue
            score = 1.0
            if text:
                if entry.haystack is None:
                    entry.haystack = str(entry.content).lower()
                if text not in entry.haystack:
                    continue
                score = min(1.0, len(text) / max(1, len(entry.haystack)))
            if min_confidence is None or score >= min_confidence:
                found.append(Hit(entry.id, entry.shown(), score))
                if not text and len(found) == limit:
                    break
        found.sort(key=lambda hit: -hit.score)
        return found[:limit]

    def write(
        self,
        op: str,
        entry: Json,
        merge_key: str | None = None,
        imprint_id: str | None = None,
        trace_id: str | None = None,
    ) -> ImprintReceipt:
        """Write an entry and return the receipt; the same `imprint_id` again writes nothing and tells the same id."""
        if imprint_id is not None and imprint_id in self._seen:
            id = self._seen[imprint_id]
            known = self._entries.get(id or "")
            return ImprintReceipt(self.engram_id, op, id, known.version if known else None, 0)
        write = _WRITES.get(op)
        if write is None:
            return ImprintReceipt(self.engram_id, op, took_ms=0, error=f"unknown op {op!r}")
        made = write(self, op, entry, merge_key)
        if isinstance(made, str):
            return ImprintReceipt(self.engram_id, op, took_ms=0, error=made)
        id, version, inverse = made
        if imprint_id is not None:
            self._seen[imprint_id] = id
            if len(self._seen) > SEEN:
                self._seen.popitem(last=False)
        if trace_id is not None and inverse is not None and (self._saga or self._by_the_text()):
            self._journal.setdefault(trace_id, []).append(inverse)
        return ImprintReceipt(self.engram_id, op, id, version, 0)

    def _by_the_text(self) -> bool:
        """Whether all Engrams take back what a trace wrote, as the documents say."""
        return self.dendrite is not None and self.dendrite.synapse.fidelity == "spec"

    def journals(self, trace_id: str) -> bool:
        """Whether it could take back something of a trace."""
        return trace_id in self._journal

    def compensate(self, trace_id: str) -> int:
        """Undo what a trace wrote, latest first; how many writes that was. Versions go up all the same."""
        undone = 0
        for op, entry, key in reversed(self._journal.pop(trace_id, [])):
            undone += self.write(op, entry, key).ok
        return undone

    def commit(self, trace_id: str) -> None:
        """Forget how to undo a trace."""
        self._journal.pop(trace_id, None)

    # The writes: id, version and inverse, or what is wrong

    def _add(self, op: str, entry: Json, key: str | None) -> "_Written":
        id = entry.get("id")
        if id is not None and id in self._entries:
            if op == "add":
                return f"entry id {id!r} already exists"
            id = None
        made = _Entry(
            id or self._new_id(), entry.get("content"), list(entry.get("tags") or ()), dict(entry.get("meta") or {}),
            key or entry.get("merge_key"), self._now(),
        )  # fmt: skip
        self._entries[made.id] = made
        if made.key:
            self._by_key.setdefault(made.key, []).append(made)
        return made.id, 1, ("delete", {"id": made.id}, None)

    def _upsert(self, op: str, entry: Json, key: str | None) -> "_Written":
        if not key:
            return f"op {op!r} needs a merge_key"
        known = self._latest(key)
        if known is None:
            return self._add("append", entry, key)
        inverse = _restoring(known)
        known.content = entry.get("content")
        known.tags = list(entry.get("tags") or ())
        known.meta = dict(entry.get("meta") or {})
        return self._changed(known, inverse)

    def _merge(self, op: str, entry: Json, key: str | None) -> "_Written":
        known = self._latest(key or "")
        if known is None:
            return f"no entry for merge_key={key!r}"
        inverse = _restoring(known)
        known.content = deep_merge(known.content, entry.get("content"))
        known.tags = [*known.tags, *(tag for tag in entry.get("tags") or () if tag not in known.tags)]
        known.meta = deep_merge(known.meta, entry.get("meta") or {})
        return self._changed(known, inverse)

    def _delete(self, op: str, entry: Json, key: str | None) -> "_Written":
        known = self._entries.get(entry["id"]) if entry.get("id") else self._latest(key or "")
        if known is None:
            return None, None, None
        del self._entries[known.id]
        if known.key:
            self._by_key[known.key].remove(known)
            if not self._by_key[known.key]:
                del self._by_key[known.key]
        old = {"id": known.id, "content": known.content, "tags": known.tags, "meta": known.meta}
        return known.id, None, ("add", old, known.key)

    def _changed(self, entry: _Entry, inverse: Inverse) -> "_Written":
        entry.version += 1
        entry.updated = self._now()
        entry.haystack = None
        return entry.id, entry.version, inverse

    def _latest(self, key: str) -> _Entry | None:
        entries = self._by_key.get(key)
        return entries[-1] if entries else None

    def _new_id(self) -> str:
        return ids.new_id("eng_") if self.dendrite is None else self.dendrite.synapse.new_id("eng_")

    def _now(self) -> int:
        return ids.now_ms() * 1000 if self.dendrite is None else self.dendrite.synapse.kernel.now


_Written = tuple[str | None, int | None, Inverse | None] | str
_WRITES: dict[str, Callable[[InMemoryEngram, str, Json, str | None], _Written]] = {
    "add": InMemoryEngram._add,
    "append": InMemoryEngram._add,
    "upsert": InMemoryEngram._upsert,
    "merge": InMemoryEngram._merge,
    "delete": InMemoryEngram._delete,
}


def _restoring(entry: _Entry) -> Inverse:
    return "upsert", {"content": entry.content, "tags": list(entry.tags), "meta": dict(entry.meta)}, entry.key


def _tests(query: Json, filters: Json) -> list[Callable[[_Entry], bool]]:
    tests: list[Callable[[_Entry], bool]] = []
    wanted = {*(filters.get("tags") or ()), *((query["tag"],) if query.get("tag") else ())}
    if wanted:
        tests.append(lambda entry: wanted <= set(entry.tags))
    for name, sign in (("since", 1), ("until", -1)):
        if filters.get(name):
            at = datetime.fromisoformat(str(filters[name]))
            tests.append(lambda entry, at=at, sign=sign: (moment(entry.updated) - at).total_seconds() * sign >= 0)  # type: ignore[misc]
    return tests


def deep_merge(base: Any, incoming: Any) -> Any:
    """Return `base` with `incoming` merged in: objects key by key, lists joined without repeats, other values replaced.

    None changes nothing (spec/cosmonapse.md 5.7). It does not go deeper than the values do.

    >>> deep_merge({"l": [1], "d": {"x": 1}}, {"l": [1, 2], "d": {"y": 2}, "l2": None})
    {'l': [1, 2], 'd': {'x': 1, 'y': 2}, 'l2': None}
    """
    if incoming is None:
        return base
    if isinstance(base, dict) and isinstance(incoming, dict):
        merged = dict(base)
        for key, value in incoming.items():
            merged[key] = deep_merge(merged[key], value) if key in merged else value
        return merged
    if isinstance(base, list) and isinstance(incoming, list):
        known = {repr(item) for item in base}
        merged_list = list(base)
        for item in incoming:
            if repr(item) not in known:
                known.add(repr(item))
                merged_list.append(item)
        return merged_list
    return incoming
