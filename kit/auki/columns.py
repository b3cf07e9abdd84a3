"""Bulk decoding: the entries of a block as columns, by templates where layouts repeat and one by one where not."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kit.auki import payload as payloads
from kit.auki.payload import FRAME_COLUMNS, sniff, walk
from kit.auki.payload_fields import COLUMNS, LIST_FORMS, Beyond, Kind, Slot
from kit.auki.segment import Block
from kit.auki.template import Rows, Template, integers, numbers, template
from kit.errors import PayloadError

Ints = NDArray[np.int64]
Array = NDArray[Any]

HEAD_BYTES = 256
"""What is read of a large payload: intrinsics and the length of what follows fit."""
HEADS: frozenset[Kind] = frozenset({"camera", "point_cloud", "audio"})
"""Kinds whose payloads end in a long run of bytes that stays in the file."""
FEW = 16
"""Rows of one width that are not worth a template: it takes as long as a dozen rows one by one."""
MAX_NEW = 32
"""Templates made for the rows of one width in one block; the rest is decoded one by one."""
MAX_KNOWN = 64
"""Templates kept for the rows of one width, those that fitted last first."""
MAX_WIDTHS = 1024
"""Widths whose templates are kept."""

NAMES: dict[Kind, tuple[str, ...]] = {
    kind: tuple(
        name
        for column, form in forms.items()
        for name in ((f"{column}_at", f"{column}_length") if form == "bytes" else (column,))
    )
    for kind, forms in COLUMNS.items()
}
"""Columns by kind; bytes have two: where they begin in the payload (-1 where they are in pieces), and their length."""


class Bad(NamedTuple):
    """An entry of a block that could not be decoded."""

    row: int
    detail: str


class Lists(NamedTuple):
    """A list a row: how many items each has, and all items."""

    counts: Ints
    items: Array


@dataclass
class Decoded:
    """The rows of a block in order. `row` is the entry each comes from; an old pose payload has more than one."""

    row: Ints
    part: Ints | None
    values: dict[str, Array]
    lists: dict[str, Lists]
    bad: list[Bad]


@dataclass
class _Part:
    """Rows that were decoded together."""

    row: Ints
    values: dict[str, Array]
    lists: dict[str, Lists]
    part: Ints | None = None


@dataclass
class Decoder:
    """Decodes blocks of one log; templates are kept from block to block.

    `fetch` returns the whole payload of an entry of a block of heads.
    """

    kind: Kind
    fetch: Callable[[Block, int], bytes]
    _templates: dict[int, list[Template]] = field(default_factory=dict)

    @property
    def head(self) -> int | None:
        """How many bytes of a long payload a block needs to have, None where all."""
        return HEAD_BYTES if self.kind in HEADS else None

    def decode(self, block: Block) -> Decoded:
        """Return the columns of a block; what cannot be decoded is in `bad`."""
        parts: list[_Part] = []
        odd: list[int] = []
        for which, rows in self._groups(block, odd):
            parts += self._by_templates(rows, which, odd)
        bad: list[Bad] = []
        if odd:
            parts += self._one_by_one(block, sorted(odd), bad)
        return _joined(self.kind, parts, bad)

    def _groups(self, block: Block, odd: list[int]) -> Iterator[tuple[Ints, Rows]]:
        """Yield rows of equal width, with their numbers in the block; those of a few that no template is known for are odd."""
        widths = block.length if self.head is None else np.minimum(block.length, self.head)
        if (widths == widths[0]).all():
            yield np.arange(len(block)), _rows(block, slice(None), int(widths[0]))
            return
        order = np.argsort(widths, kind="stable")
        for which in np.split(order, np.flatnonzero(np.diff(widths[order])) + 1):
            width = int(widths[which[0]])
            if len(which) < FEW and not self._templates.get(width):
                odd += which.tolist()
            else:
                yield which, _rows(block, which, width)

    def _by_templates(self, rows: Rows, which: Ints, odd: list[int]) -> Iterator[_Part]:
        """Yield the rows that fit a template, known or new; the numbers of the others go to `odd`."""
        known = self._templates.setdefault(rows.width, [])
        made, tried = 0, 0
        while rows.count:
            if tried < len(known):
                found = known[tried]
            elif made == MAX_NEW or rows.count < FEW or not rows.width:
                odd += which.tolist()
                return
            else:
                made += 1
                new = self._template(rows)
                if new is None:
                    odd.append(int(which[0]))
                    rest = np.arange(rows.count) > 0
                    rows, which = rows.some(rest), which[rest]
                    continue
                known.append(found := new)
            tried += 1
            fits = found.matches(rows)
            if fits.all():
                part, over = _columns(self.kind, found, rows, which)
                odd += over
                yield part
                known.insert(0, known.pop(tried - 1))
                break
            if not fits.any():
                continue
            part, over = _columns(self.kind, found, rows.some(fits), which[fits])
            odd += over
            yield part
            rows, which = rows.some(~fits), which[~fits]
            known.insert(0, known.pop(tried - 1))
        del known[MAX_KNOWN:]
        if len(self._templates) > MAX_WIDTHS:
            self._templates.clear()

    def _template(self, rows: Rows) -> Template | None:
        """Return the template of the first row, or None where it has to be decoded on its own."""
        payload = rows.payload(0)
        try:
            slots = walk(self.kind, payload, int(rows.length[0]))
        except (PayloadError, Beyond):
            return None
        return template(slots, payload, wraps=sniff(payload) == "pb") if _regular(self.kind, slots) else None

    def _one_by_one(self, block: Block, odd: list[int], bad: list[Bad]) -> Iterator[_Part]:
        row: list[int] = []
        parts: list[int] = []
        held: list[dict[str, Any]] = []
        for i in odd:
            try:
                found = self._payload(block, i)
                made = _values(self.kind, found)
            except PayloadError as error:
                bad.append(Bad(i, str(error)))
                continue
            row += [i] * len(made)
            parts += range(len(made))
            held += made
        if held:
            yield _rowwise(self.kind, np.array(row), held, np.array(parts))

    def _payload(self, block: Block, i: int) -> bytes:
        start, length = int(block.start[i]), int(block.length[i])
        if self.head is None or length <= self.head or start + length <= len(block.data):
            return block.data[start : start + length]
        return self.fetch(block, i)


def _rows(block: Block, which: Any, width: int) -> Rows:
    """Return some entries of a block as rows of `width` bytes; copied where they do not stand at equal distances."""
    start, length = block.start[which], block.length[which]
    stride = int(start[1] - start[0]) if len(start) > 1 else max(width, 1)
    if len(start) < 3 or (np.diff(start) == stride).all():
        return Rows(block.data, int(start[0]), stride, len(start), width, length)
    if not width:
        return Rows(block.data, 0, 0, len(start), 0, length)
    windows = np.lib.stride_tricks.sliding_window_view(np.frombuffer(block.data, np.uint8), width)
    return Rows(np.ascontiguousarray(windows[start]), 0, width, len(start), width, length)


def _regular(kind: Kind, slots: list[Slot]) -> bool:
    """Return whether the slots can be read as columns: no old pose payload, no bytes in pieces."""
    forms = COLUMNS[kind]
    return bool(slots) and all(
        slot.column[0] == "#" or (slot.column in forms and not (forms[slot.column] == "bytes" and slot.form == "const"))
        for slot in slots
    )


def _columns(kind: Kind, found: Template, rows: Rows, which: Ints) -> tuple[_Part, list[int]]:
    """Return the columns of rows that fit a template, and the numbers of rows whose integers do not fit."""
    forms = COLUMNS[kind]
    values: dict[str, Array] = {}
    lists: dict[str, list[Array]] = {column: [] for column, form in forms.items() if form in LIST_FORMS}
    fits = np.ones(rows.count, bool)
    for slot in found.slots:
        form = forms[slot.column]
        if form in LIST_FORMS:
            lists[slot.column].append(_floats(slot, rows, "<f4" if form == "floats" else "<f8"))
        elif form == "bytes":
            values[f"{slot.column}_at"] = np.full(rows.count, slot.at)
            values[f"{slot.column}_length"] = (
                rows.length - slot.at if slot.form == "tail" else np.full(rows.count, slot.width)
            )
        elif form == "text":
            values[slot.column] = _filled(rows.count, slot.value)
        elif form in ("int64", "uint32"):
            values[slot.column], right = integers(slot, rows, form, wraps=found.wraps)
            if right is not None:
                fits &= right
        else:
            values[slot.column] = _floats(slot, rows, "<f8")
    made = {
        column: Lists(np.full(rows.count, len(items)), np.stack(items, 1).reshape(-1) if items else np.empty(0))
        for column, items in lists.items()
    }
    part = _Part(which, values, made)
    return (part, []) if fits.all() else (_some(part, fits), which[~fits].tolist())


def _floats(slot: Slot, rows: Rows, form: str) -> Array:
    found = numbers(slot, rows)
    if slot.form[0] == "-":
        found = -1.0 - found.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        return found.astype(form)


def _some(part: _Part, which: NDArray[np.bool_]) -> _Part:
    """Return some rows of a part whose lists are all empty: integers stand in no payload with a list."""
    return _Part(part.row[which], {name: column[which] for name, column in part.values.items()}, part.lists)


def _values(kind: Kind, payload: bytes) -> list[dict[str, Any]]:
    """Return the rows of one payload, bytes as two columns; raises PayloadError where it makes none."""
    slots = walk(kind, payload)
    made = payloads.rows(kind, slots, payload)
    if not made:
        raise PayloadError("a list of transforms without any")
    binary = [column for column, form in COLUMNS[kind].items() if form == "bytes"]
    places = {slot.column: slot.at for slot in slots if slot.form in ("bytes", "tail")}
    for row in made:
        for column in binary:
            row[f"{column}_length"] = len(row.pop(column))
            row[f"{column}_at"] = places.get(column, -1)
    return made


def _rowwise(kind: Kind, row: Ints, held: list[dict[str, Any]], parts: Ints) -> _Part:
    """Return a part of rows that were decoded one by one."""
    values: dict[str, Array] = {}
    lists: dict[str, Lists] = {}
    for column, form in COLUMNS[kind].items():
        if form in LIST_FORMS:
            found = [values_of[column] for values_of in held]
            items = np.array([item for one in found for item in one], "<f4" if form == "floats" else "<f8")
            lists[column] = Lists(np.array([len(one) for one in found]), items)
        elif form == "bytes":
            for name in (f"{column}_at", f"{column}_length"):
                values[name] = np.array([values_of[name] for values_of in held], np.int64)
        elif form == "double":
            # A camera payload without intrinsics has none of these columns: see `_joined`.
            if any(values_of[column] is not None for values_of in held):
                values[column] = np.array([values_of[column] for values_of in held], object)
        else:
            values[column] = np.array([values_of[column] for values_of in held], object if form == "text" else np.int64)
    if any("from_frame" in values_of for values_of in held):
        for column in FRAME_COLUMNS:
            values[column] = np.array([values_of.get(column) for values_of in held], object)
    return _Part(row, values, lists, parts if (parts > 0).any() else None)


def _joined(kind: Kind, parts: list[_Part], bad: list[Bad]) -> Decoded:
    """Return the rows of all parts in the order of the entries; a column that a part lacks is None there."""
    row = np.concatenate([part.row for part in parts]) if parts else np.empty(0, np.int64)
    order = None if len(parts) < 2 and (np.diff(row) >= 0).all() else np.argsort(row, kind="stable")
    names = [*NAMES[kind], *(FRAME_COLUMNS if any("from_frame" in part.values for part in parts) else ())]
    lists = {name for name in names if COLUMNS[kind].get(name) in LIST_FORMS}
    values = {name: _ordered(_stacked(parts, name), order) for name in names if name not in lists}
    several = None
    if any(part.part is not None for part in parts):
        several = _ordered(
            np.concatenate([np.zeros(len(part.row), np.int64) if part.part is None else part.part for part in parts]),
            order,
        )
    return Decoded(
        _ordered(row, order), several, values, {name: _ordered_lists(parts, name, order) for name in lists}, bad
    )


def _stacked(parts: list[_Part], name: str) -> Array:
    if not parts:
        return np.empty(0)
    return np.concatenate([part.values[name] if name in part.values else _nones(len(part.row)) for part in parts])


def _nones(count: int) -> Array:
    return _filled(count, None)


def _filled(count: int, value: str | None) -> Array:
    """Return a column of one object; `np.full` would make a NumPy text of it, which loses NULs at the end."""
    found = np.empty(count, object)
    found.fill(value)
    return found


def _ordered(column: Array, order: Ints | None) -> Array:
    return column if order is None else column[order]


def _ordered_lists(parts: list[_Part], name: str, order: Ints | None) -> Lists:
    if not parts:
        return Lists(np.empty(0, np.int64), np.empty(0))
    counts = np.concatenate([part.lists[name].counts for part in parts])
    items = np.concatenate([part.lists[name].items for part in parts])
    if order is None:
        return Lists(counts, items)
    starts = (np.cumsum(counts) - counts)[order]
    counts = counts[order]
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return Lists(counts, items[np.repeat(starts, counts) + within])
