"""Requests and answers of reads: paths, lists, and the conditions that the client checks itself (spec/syncropel.md 8)."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from kit.errors import ArgumentError, SyncropelReadError

if TYPE_CHECKING:
    import httpx

__all__ = ["answer_json", "listed", "matching", "query_params", "rich_answer", "rich_request", "thread_path"]

ERROR_TEXT_LENGTH = 200


def thread_path(thread: str, what: str) -> str:
    """`/v1/threads/<thread>/<what>`, the name percent-encoded so that any text names one thread."""
    name = quote(thread, safe="")
    if name in (".", ".."):
        # URL libraries take these for folders even between slashes.
        name = name.replace(".", "%2E")
    return f"/v1/threads/{name}/{what}"


def query_params(
    kind: str | None, actor: str | None, thread: str | None, since: int | None, limit: int
) -> dict[str, Any]:
    """The query of `GET /v1/records`, in the order of the published client; an empty text is no condition.

    Raises ValueError without any condition.
    """
    if not (kind or actor or thread):
        raise ArgumentError("query requires at least one of: kind, actor, thread")
    params = {"limit": limit, "thread": thread or None, "actor": actor or None, "since": since}
    return {name: value for name, value in params.items() if value is not None}


def rich_request(
    filter: Mapping[str, Any],
    thread: str | None,
    sort: Mapping[str, int] | None,
    limit: int | None,
    offset: int | None,
    explain: bool,
) -> dict[str, Any]:
    """The body of `POST /v1/records/query`: only what is given. Raises ValueError for no filter."""
    if filter is None:
        raise ArgumentError("rich_query requires a filter dict (use {} to match all)")
    given = {"thread": thread, "sort": sort, "limit": limit, "offset": offset, "explain": explain or None}
    return {"filter": filter, **{name: value for name, value in given.items() if value is not None}}


def rich_answer(answer: Any) -> dict[str, Any]:
    """`records`, with `plan` where it was asked for, and `capped: True` where the server cut the answer."""
    if not isinstance(answer, dict):
        return {"records": listed(answer)}
    result: dict[str, Any] = {"records": listed(answer)}
    if "plan" in answer:
        result["plan"] = answer["plan"]
    if answer.get("capped"):
        result["capped"] = True
    return result


def answer_json(response: "httpx.Response") -> Any:
    """The JSON of an answer. Raises SyncropelReadError for a status outside 200 to 299 and for what is no JSON."""
    where = f"{response.request.method} {response.request.url}"
    if not response.is_success:
        text = response.text[:ERROR_TEXT_LENGTH]
        raise SyncropelReadError(f"{where}: HTTP {response.status_code}: {text}", response.status_code)
    try:
        return response.json()
    except (ValueError, RecursionError) as error:
        text = response.text[:ERROR_TEXT_LENGTH]
        raise SyncropelReadError(f"{where}: the answer is no JSON ({error}): {text!r}", response.status_code) from error


def listed(answer: Any) -> list[Any]:
    """The records in an answer: its `data`, or itself if it is a list; none where there is neither."""
    if isinstance(answer, dict):
        answer = answer.get("data")
    return answer if isinstance(answer, list) else []


def matching(
    records: Iterable[dict[str, Any]], kind: str | None, where: Mapping[str, Any] | None
) -> list[dict[str, Any]]:
    """The records of this kind for which every dotted path of `where` holds an equal value.

    Paths lead through objects, not into lists; what is not there equals None; 1, 1.0 and True are equal.
    """
    found = list(records)
    if kind:
        found = [record for record in found if _at(record, "body.kind") == kind]
    for path, value in (where or {}).items():
        found = [record for record in found if _at(record, path) == value]
    return found


def _at(record: Any, path: str) -> Any:
    for name in path.split("."):
        if not isinstance(record, dict):
            return None
        record = record.get(name)
    return record
