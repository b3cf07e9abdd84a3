"""Canonical references: pointers to things of the real world by which records of different apps can be joined.

Each constructor returns `{"kind": "@...", "id": "..."}`. Arguments are taken as they are, without check or
normalisation; of several that are given, the first in the order of the signature wins (spec/syncropel.md 6).
"""

from collections.abc import Iterable, Mapping
from typing import Any

from kit.errors import ArgumentError

__all__ = ["Ref", "merge_refs"]


class Ref:
    """The eleven constructors of references; all arguments by keyword.

    >>> Ref.music_track(isrc="USJI19810404")
    {'kind': '@music.track', 'id': 'isrc:USJI19810404'}
    """

    @staticmethod
    def music_track(
        *, isrc: str | None = None, spotify_id: str | None = None, apple_id: str | None = None
    ) -> dict[str, str]:
        """A recording: `isrc:`, `spotify:` or `apple:`. Raises ValueError where none is given."""
        given = {"isrc": isrc, "spotify": spotify_id, "apple": apple_id}
        return _first("music_track", "@music.track", given, "isrc, spotify_id, apple_id")

    @staticmethod
    def code_file(*, path: str, repo: str | None = None, git_url: str | None = None) -> dict[str, str]:
        """A file in a repository: `github:<repo>:<path>` or `git:<git_url>:<path>`. Raises ValueError."""
        if not path:
            raise ArgumentError("Ref.code_file requires a non-empty path")
        made = _first("code_file", "@code.file", {"github": repo, "git": git_url}, "repo, git_url (plus path)")
        return {"kind": made["kind"], "id": f"{made['id']}:{path}"}

    @staticmethod
    def ops_incident(
        *, pagerduty: str | None = None, linear: str | None = None, url: str | None = None
    ) -> dict[str, str]:
        """An incident: `pagerduty:`, `linear:` or `url:`. Raises ValueError where none is given."""
        given = {"pagerduty": pagerduty, "linear": linear, "url": url}
        return _first("ops_incident", "@ops.incident", given, "pagerduty, linear, url")

    @staticmethod
    def cal_event(*, uid: str) -> dict[str, str]:
        """A calendar event: `icalendar:<uid>`. Raises ValueError for an empty one."""
        if not uid:
            raise ArgumentError("Ref.cal_event requires a non-empty uid")
        return _ref("@cal.event", f"icalendar:{uid}")

    @staticmethod
    def social_person(
        *, did: str | None = None, email: str | None = None, handle: str | None = None, name: str | None = None
    ) -> dict[str, str]:
        """A person: the DID as it is, `email:`, or `<handle>:<name>` where `handle` is the platform."""
        if did:
            return _ref("@social.person", f"{did}")
        if email:
            return _ref("@social.person", f"email:{email}")
        if handle and name:
            return _ref("@social.person", f"{handle}:{name}")
        raise ArgumentError("Ref.social_person requires one of: did, email, or both handle+name")

    @staticmethod
    def media_photo(*, sha256: str | None = None, url: str | None = None) -> dict[str, str]:
        """A photo: `sha256:` or `url:`. Raises ValueError where none is given."""
        return _first("media_photo", "@media.photo", {"sha256": sha256, "url": url}, "sha256, url")

    @staticmethod
    def media_video(
        *, youtube: str | None = None, vimeo: str | None = None, sha256: str | None = None
    ) -> dict[str, str]:
        """A video: `youtube:`, `vimeo:` or `sha256:`. Raises ValueError where none is given."""
        given = {"youtube": youtube, "vimeo": vimeo, "sha256": sha256}
        return _first("media_video", "@media.video", given, "youtube, vimeo, sha256")

    @staticmethod
    def doc_text(*, doi: str | None = None, url: str | None = None, platform_id: str | None = None) -> dict[str, str]:
        """A text: `doi:`, `url:`, or `platform_id` as it is, which must be `<platform>:<id>`."""
        if not doi and not url and platform_id:
            if ":" not in f"{platform_id}":
                raise ArgumentError(
                    f'Ref.doc_text platform_id must be "<platform>:<id>"; got "{platform_id}" (no ":" separator)'
                )
            return _ref("@doc.text", f"{platform_id}")
        return _first("doc_text", "@doc.text", {"doi": doi, "url": url}, "doi, url, platform_id")

    @staticmethod
    def fin_transaction(
        *, stripe: str | None = None, plaid: str | None = None, iso20022: str | None = None
    ) -> dict[str, str]:
        """A payment: `stripe:`, `plaid:` or `iso20022:`. Raises ValueError where none is given."""
        given = {"stripe": stripe, "plaid": plaid, "iso20022": iso20022}
        return _first("fin_transaction", "@fin.transaction", given, "stripe, plaid, iso20022")

    @staticmethod
    def research_paper(*, doi: str | None = None, arxiv: str | None = None, s2: str | None = None) -> dict[str, str]:
        """A paper: `doi:`, `arxiv:` or `s2:`. Raises ValueError where none is given."""
        given = {"doi": doi, "arxiv": arxiv, "s2": s2}
        return _first("research_paper", "@research.paper", given, "doi, arxiv, s2")

    @staticmethod
    def core_thread(*, id: str) -> dict[str, str]:
        """A thread: `thread:<id>`. Raises ValueError for an empty one."""
        if not id:
            raise ArgumentError("Ref.core_thread requires a non-empty id")
        return _ref("@core.thread", f"thread:{id}")


def merge_refs(body: dict[str, Any], refs: Iterable[Mapping[str, Any]] | None) -> dict[str, Any]:
    """A copy of `body` with `refs` behind its `_refs`, in order, repeats kept.

    Without `refs`, `_refs` stays as it is. Raises TypeError where it is null and there are some.
    """
    if not refs:
        return dict(body)
    return {**body, "_refs": [*body.get("_refs", []), *refs]}


def _first(name: str, kind: str, given: Mapping[str, str | None], wanted: str) -> dict[str, str]:
    for scheme, value in given.items():
        if value:
            return _ref(kind, f"{scheme}:{value}")
    raise ArgumentError(f"Ref.{name} requires one of: {wanted}")


def _ref(kind: str, id: str) -> dict[str, str]:
    return {"kind": kind, "id": id}
