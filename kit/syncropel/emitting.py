"""Emitting: what a client writes (spec/syncropel.md 4, 5, 8)."""

import asyncio
import json
import time
from collections.abc import Iterable
from typing import Any

from kit.errors import ArgumentError
from kit.syncropel import reserved
from kit.syncropel.canonical import server_id
from kit.syncropel.envelope import build, encode, random_thread_id, require_text_keys
from kit.syncropel.result import EmitResult
from kit.syncropel.retry import Attempts
from kit.syncropel.session import IdMismatch, Session, logger

__all__ = ["Emitting"]


class Emitting(Session):
    """The verbs of a client that write a record. Each returns an `EmitResult`."""

    async def emit(
        self,
        *,
        act: str,
        kind: str,
        body: dict[str, Any],
        thread: str,
        refs: list[dict[str, str]] | None = None,
        parents: list[str] | None = None,
        data_type: str = "SCALAR",
        clock: int | None = None,
    ) -> EmitResult:
        """Write one record and tell what came of it.

        `kind` goes into the body, with `_v: 1` where neither it nor the body has a version; `refs` go behind
        `body["_refs"]`. Without `clock`, it is the time in milliseconds, above the last one of the thread. A try that
        fails is repeated with the same bytes, so that a server that had it already knows it.
        Raises `SyncropelKindError`, ValueError or TypeError for what cannot be sent; never for the network.
        """
        content = self._prepared(act, kind, body, thread, refs, parents, data_type, clock)
        return self._finished(await self._post(content, self._attempts(kind, act, thread)), content)

    def emit_sync(
        self,
        *,
        act: str,
        kind: str,
        body: dict[str, Any],
        thread: str,
        refs: list[dict[str, str]] | None = None,
        parents: list[str] | None = None,
        data_type: str = "SCALAR",
        clock: int | None = None,
    ) -> EmitResult:
        """`emit` for scripts: blocks, and keeps its connection open from call to call.

        It also works where an event loop runs, as in a notebook, but holds it up meanwhile.
        """
        content = self._prepared(act, kind, body, thread, refs, parents, data_type, clock)
        attempts = self._attempts(kind, act, thread)
        result: EmitResult | None = None
        while result is None:
            try:
                response = self._connection.synchronous().post(self._url("/v1/records"), content=content)
            except Exception as error:
                result = attempts.raised(error)
            else:
                result = attempts.answered(response)
            if result is None:
                time.sleep(attempts.wait_s)
        return self._finished(result, content)

    async def intend(
        self,
        goal: str,
        *,
        thread: str | None = None,
        parents: list[str] | None = None,
        kind: str = "core.intent",
        body: dict[str, Any] | None = None,
        clock: int | None = None,
    ) -> EmitResult:
        """Open a thread with an INTEND; its id, `th_` and 64 random hex digits if none is given, is `result.thread`."""
        made = {**({} if body is None else body)}
        made.setdefault("goal", goal)
        thread = random_thread_id() if thread is None else thread
        return await self.emit(act="INTEND", kind=kind, body=made, thread=thread, parents=parents, clock=clock)

    async def fulfill(
        self,
        thread: str,
        summary: str,
        *,
        fulfills: str | Iterable[str] | None = None,
        kind: str = "core.outcome",
        body: dict[str, Any] | None = None,
        parents: list[str] | None = None,
        clock: int | None = None,
    ) -> EmitResult:
        """Close a thread with a KNOW; `fulfills` is the id, or the ids, of the INTEND it answers."""
        if not thread:
            raise ArgumentError("fulfill requires a non-empty thread")
        made = {**({} if body is None else body)}
        made.setdefault("summary", summary)
        if fulfills is not None:
            made["fulfills"] = fulfills if isinstance(fulfills, str) else list(fulfills)
        return await self.emit(act="KNOW", kind=kind, body=made, thread=thread, parents=parents, clock=clock)

    async def emit_correction(
        self,
        *,
        corrects: list[str],
        revised_fields: dict[str, Any],
        reason: str,
        thread: str,
        correcting_actor: str | None = None,
    ) -> EmitResult:
        """Write a `core.correction`: fields of earlier records are to be read with these values."""
        actor = correcting_actor or self.identity.actor_did
        body = reserved.correction_body(corrects, revised_fields, reason, actor)
        return await self.emit(act="PUT", kind="core.correction", body=body, thread=thread)

    async def emit_erasure(
        self,
        *,
        erases: list[str],
        reason: str,
        thread: str,
        authorized_by: str | None = None,
        effective_at: str | None = None,
    ) -> EmitResult:
        """Write a `core.erasure`: earlier records are to be read as erased, from `effective_at` on, now if not given."""
        body = reserved.erasure_body(erases, reason, authorized_by or self.identity.actor_did, effective_at)
        return await self.emit(act="PUT", kind="core.erasure", body=body, thread=thread)

    async def emit_alias(
        self,
        *,
        old_kind: str,
        new_kind: str,
        reason: str,
        thread: str,
        since: str | None = None,
        publisher_did: str | None = None,
    ) -> EmitResult:
        """Write a `core.alias`: one kind takes the place of another."""
        publisher = publisher_did or self.identity.actor_did
        body = reserved.alias_body(old_kind, new_kind, reason, since, publisher)
        return await self.emit(act="PUT", kind="core.alias", body=body, thread=thread)

    async def emit_scope_transfer(
        self,
        *,
        scope: str,
        from_publisher: str,
        to_publisher: str,
        reason: str,
        thread: str,
        effective_at: str | None = None,
    ) -> EmitResult:
        """Write a `core.scope_transfer`: a scope goes from one publisher to another."""
        body = reserved.scope_transfer_body(scope, from_publisher, to_publisher, reason, effective_at)
        return await self.emit(act="PUT", kind="core.scope_transfer", body=body, thread=thread)

    async def emit_scope_claim(
        self,
        *,
        scope: str,
        governance_policy: dict[str, Any],
        thread: str,
        claimant: str | None = None,
        effective_at: str | None = None,
    ) -> EmitResult:
        """Write a `core.scope_claim`: a scope gets an owner, and a policy with a `type`."""
        body = reserved.scope_claim_body(scope, governance_policy, claimant or self.identity.actor_did, effective_at)
        return await self.emit(act="PUT", kind="core.scope_claim", body=body, thread=thread)

    async def _post(self, content: bytes, attempts: Attempts) -> EmitResult:
        """Send a record until it is taken, or refused, or the tries are used up."""
        result: EmitResult | None = None
        while result is None:
            try:
                response = await self._connection.asynchronous().post(self._url("/v1/records"), content=content)
            except Exception as error:
                result = attempts.raised(error)
            else:
                result = attempts.answered(response)
            if result is None:
                await asyncio.sleep(attempts.wait_s)
        return result

    def _prepared(
        self,
        act: str,
        kind: str,
        body: dict[str, Any],
        thread: str,
        refs: Iterable[dict[str, str]] | None,
        parents: Iterable[str] | None,
        data_type: str,
        clock: int | None,
    ) -> bytes:
        """Return the bytes of the record; whatever is wrong with the arguments raises here."""
        envelope = build(
            self._clocks,
            act=act,
            actor=self.identity.actor_did,
            kind=kind,
            body=body,
            thread=thread,
            refs=refs,
            parents=parents,
            data_type=data_type,
            clock=clock,
        )
        content = encode(envelope)
        if not self.strict_compat:
            require_text_keys(envelope["body"])
        return content

    def _attempts(self, kind: str, act: str, thread: str) -> Attempts:
        return Attempts(kind, act, thread, self.max_retries, self.backoff_ms, strict_compat=self.strict_compat)

    def _finished(self, result: EmitResult, content: bytes) -> EmitResult:
        if result.success and isinstance(result.record_id, str):
            self._compare_ids(result.record_id, content)
        if self.on_emit is not None:
            try:
                self.on_emit(result)
            except Exception as error:
                logger.warning("on_emit hook raised %s; swallowing", type(error).__name__)
        return result

    def _compare_ids(self, received: str, content: bytes) -> None:
        try:
            # From the bytes, as the server sees them: a tuple has become a list, a key text.
            expected = server_id(json.loads(content))
        except (ValueError, RecursionError):
            return
        if expected != received:
            self.id_mismatches += 1
            self.last_mismatch = IdMismatch(expected, received)
            logger.warning(
                "id_mismatch: the server gave id %r to a record whose content has id %r; see portability_warnings(body)",
                received,
                expected,
            )
