"""Reading more than one answer holds, and knowing whether it was all (spec/syncropel.md 8).

Two courses, as generators: they yield the parameters of the next request, are sent its records, and return what
was collected. A server's answer does not say whether it was cut; a full page may have been.
"""

from collections.abc import Generator
from typing import Any, NamedTuple

__all__ = ["Collected", "grown", "windows"]

LARGEST_PAGE = 64_000
"""How far a page grows before the rest is given up."""

Course = Generator[dict[str, Any], list[dict[str, Any]], "Collected"]


class Collected(NamedTuple):
    """Records, whether they are all there are, in how many requests, and if not, why not."""

    records: list[dict[str, Any]]
    complete: bool
    requests: int
    note: str = ""


class _Found:
    """Records by id, in the order in which they came."""

    def __init__(self) -> None:
        self._by_id: dict[str, dict[str, Any]] = {}
        self.requests = 0

    def add(self, page: list[dict[str, Any]]) -> int:
        """Return how many of the page were new."""
        before = len(self._by_id)
        self.requests += 1
        for number, record in enumerate(page):
            id = record.get("id")
            # Without an id, the place tells records apart: none is lost, one read twice is there twice.
            self._by_id.setdefault(id if isinstance(id, str) else f"{self.requests} {number}", record)
        return len(self._by_id) - before

    def all(self, note: str = "") -> "Collected":
        return Collected(list(self._by_id.values()), not note, self.requests, note)


def windows(limit: int, since: int | None) -> Course:
    """Read a thread from clock to clock until a page has no new record.

    Each window begins just before the last clock of the one before: servers may take `since` as at or as after,
    and a page may end between two records of one clock. Where clocks do not rise along a full page, or a full page
    adds nothing, the page grows instead.
    """
    found = _Found()
    before: int | None = None
    while True:
        page = yield {"limit": limit, **({} if since is None else {"since": since})}
        new = found.add(page)
        if not page or len(page) > limit:
            return found.all()
        start = _next_start(page, since) if new else None
        if start is not None:
            since, before = start, None
        elif len(page) < limit:
            return found.all(_capped(limit, before) if len(page) == before else "")
        elif limit < LARGEST_PAGE:
            before, limit = len(page), limit * 2
        else:
            return found.all(f"a page of {limit:,} records was full and has no rising clock to go on from")


def grown(params: dict[str, Any]) -> Course:
    """Read one list again and again with a limit twice as high, until the answer is not full."""
    found = _Found()
    limit: int = params["limit"]
    before: int | None = None
    while True:
        page = yield {**params, "limit": limit}
        found.add(page)
        if len(page) == before:
            return found.all(_capped(limit, before))
        if len(page) != limit:
            return found.all()
        if limit >= LARGEST_PAGE:
            return found.all(f"a page of {limit:,} records was full")
        before, limit = len(page), limit * 2


def _next_start(page: list[dict[str, Any]], since: int | None) -> int | None:
    """Return where the window after `page` begins, None where its clocks do not lead on."""
    clocks: list[Any] = [record.get("clock") for record in page]
    if not all(isinstance(clock, int) and not isinstance(clock, bool) for clock in clocks) or clocks != sorted(clocks):
        return None
    start: int = clocks[-1] - 1
    return start if since is None or start > since else None


def _capped(limit: int, came: int | None) -> str:
    return f"{limit:,} records were asked for and {came:,} came, as many as before: the server may have a limit"
