"""Reading: what a client asks (spec/syncropel.md 8).

Each verb exists twice: as the published client has it, giving nothing where the read fails, and with `_strict` at
the end of its name, raising `SyncropelReadError`.
"""

from collections.abc import Awaitable, Mapping
from typing import Any, TypeVar

from kit.errors import ArgumentError, SyncropelReadError
from kit.syncropel.paging import Collected, grown, windows
from kit.syncropel.reads import listed, matching, query_params, rich_answer, rich_request, thread_path
from kit.syncropel.session import Session, logger

__all__ = ["Reading"]

DISABLED = 503
Answer = TypeVar("Answer")


class Reading(Session):
    """The verbs of a client that read."""

    async def query_thread(self, thread: str, *, limit: int = 100, since: int | None = None) -> list[dict[str, Any]]:
        """The records of a thread, none where the read fails; servers may cut at `limit`, see `query_all`."""
        return await self._open_ended("query_thread", self.query_thread_strict(thread, limit=limit, since=since), [])

    async def query_thread_strict(
        self, thread: str, *, limit: int = 100, since: int | None = None
    ) -> list[dict[str, Any]]:
        """The records of a thread. Raises SyncropelReadError where the read fails."""
        params = {**({"limit": limit} if limit else {}), **({} if since is None else {"since": since})}
        return listed(await self._read("GET", thread_path(thread, "records"), params=params))

    async def query(
        self,
        *,
        kind: str | None = None,
        actor: str | None = None,
        thread: str | None = None,
        since: int | None = None,
        limit: int = 100,
        where: dict[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        """The records that match, none where the read fails.

        One of `kind`, `actor`, `thread` must be given, else ValueError. `kind` and `where` are looked at here, among
        the first `limit` records that the server gives: with `kind` alone, among the first of its whole store.
        `where` maps dotted paths such as `body.title` to values; all must be equal.
        """
        reading = self.query_strict(kind=kind, actor=actor, thread=thread, since=since, limit=limit, where=where)
        return await self._open_ended("query", reading, [])

    async def query_strict(
        self,
        *,
        kind: str | None = None,
        actor: str | None = None,
        thread: str | None = None,
        since: int | None = None,
        limit: int = 100,
        where: dict[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        """The same as `query`. Raises SyncropelReadError where the read fails."""
        params = query_params(kind, actor, thread, since, limit)
        return matching(listed(await self._read("GET", "/v1/records", params=params)), kind, where)

    async def query_all(
        self,
        *,
        kind: str | None = None,
        actor: str | None = None,
        thread: str | None = None,
        since: int | None = None,
        where: dict[str, Any] | None = None,
        page: int = 1000,
    ) -> Collected:
        """All records that match, page by page, and whether that is all of them.

        A thread is read in windows of its clock; without one, `limit` grows until an answer is not full. What
        was cut, `note` says, and the log. Raises SyncropelReadError: a read that failed is no empty answer.
        """
        if page < 1:
            raise ArgumentError(f"page must be at least 1, got {page!r}")
        first = query_params(kind, actor, thread, since, page)
        course = windows(page, since) if thread else grown(first)
        path = thread_path(thread, "records") if thread else "/v1/records"
        params = next(course)
        while True:
            records = listed(await self._read("GET", path, params=params))
            try:
                params = course.send(records)
            except StopIteration as end:
                collected: Collected = end.value
                break
        if not collected.complete:
            logger.warning("query_all: the answer was cut: %s", collected.note)
        by_actor = {"actor": actor} if actor else {}
        return collected._replace(records=matching(collected.records, kind, {**by_actor, **(where or {})}))

    async def health(self) -> dict[str, Any]:
        """What the server says of itself, `{}` where it does not answer."""
        return await self._open_ended("health", self.health_strict(), {})

    async def health_strict(self) -> dict[str, Any]:
        """What the server says of itself. Raises SyncropelReadError where it does not answer."""
        answer: dict[str, Any] = await self._read("GET", "/health")
        return answer

    async def rich_query(
        self,
        *,
        filter: dict[str, Any],
        thread: str | None = None,
        sort: dict[str, int] | None = None,
        limit: int | None = None,
        offset: int | None = None,
        explain: bool = False,
    ) -> dict[str, Any]:
        """`{"records": [...]}` for a filter such as `{"body.n": {"$gt": 3}}`; no records where the read fails.

        `plan` is there if the server sent one, `capped` where it cut the answer. `{}` matches all; None is a
        ValueError.
        """
        reading = self.rich_query_strict(
            filter=filter, thread=thread, sort=sort, limit=limit, offset=offset, explain=explain
        )
        return await self._open_ended("rich_query", reading, {"records": []})

    async def rich_query_strict(
        self,
        *,
        filter: dict[str, Any],
        thread: str | None = None,
        sort: dict[str, int] | None = None,
        limit: int | None = None,
        offset: int | None = None,
        explain: bool = False,
    ) -> dict[str, Any]:
        """The same as `rich_query`. Raises SyncropelReadError where the read fails."""
        body = rich_request(filter, thread, sort, limit, offset, explain)
        return rich_answer(await self._read("POST", "/v1/records/query", json=body))

    async def search(
        self,
        query: str,
        *,
        k: int = 10,
        thread: str | None = None,
        actor: str | None = None,
        kind: str | None = None,
        after_clock: int | None = None,
    ) -> dict[str, Any]:
        """The `k` records nearest in meaning: `{"embedder", "k", "hits"}`; no hits where the read fails.

        `disabled` is True where the server has no search. A blank query is a ValueError.
        """
        if not query or not query.strip():
            raise ArgumentError("search requires a non-empty query")
        given = {"thread": thread, "actor": actor, "kind": kind, "after_clock": after_clock}
        body = {"query": query, "k": k, **{name: value for name, value in given.items() if value is not None}}
        nothing: dict[str, Any] = {"embedder": None, "k": k, "hits": []}
        try:
            answer = await self._read("POST", "/v1/records/search", json=body)
        except SyncropelReadError as error:
            self._tell("search", error)
            return {**nothing, "disabled": True} if error.status == DISABLED else nothing
        if not isinstance(answer, Mapping):
            return nothing
        hits = answer.get("data", answer.get("hits"))
        return {
            "embedder": answer.get("embedder"),
            "k": answer.get("k", k),
            "hits": hits if isinstance(hits, list) else [],
        }

    async def _open_ended(self, verb: str, reading: Awaitable[Answer], nothing: Answer) -> Answer:
        """Return what is read, or `nothing` where that fails."""
        try:
            return await reading
        except SyncropelReadError as error:
            self._tell(verb, error)
            return nothing

    def _tell(self, verb: str, error: SyncropelReadError) -> None:
        """Log a read that failed; raise it where the published client does."""
        if self.strict_compat and error.__cause__ is not None and not _is_http_error(error.__cause__):
            raise error.__cause__
        logger.warning("%s failed and returns nothing: %s", verb, error)


def _is_http_error(error: BaseException) -> bool:
    import httpx

    return isinstance(error, httpx.HTTPError)
