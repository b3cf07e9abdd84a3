"""Names of agents and people in a store, and what stands for them in a share."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from kit.store.store import Store

WITHIN_TEXT = 3
"""Characters of a name from which on it is replaced inside longer text; a shorter one where it is the whole string."""

WORDS = frozenset({"role", "op", "recall_mode", "status", "code", "verdict", "outcome", "kind", "domain", "direction"})
"""Payload and body fields at the top whose value is a word of the protocol, never a name."""

# spec/cosmonapse.md 2.2 and spec/syncropel.md 3; a neuron may be called "input".
FIELDS = WORDS | frozenset(
    """input output result cost context_ref capabilities finalize message recoverable deadline_ms eta_ms confidence
    winning_bid reason attempt component direction signal policy_id policy_version card_id hash took_ms delta seq steps
    rationale tool args call_id error key value target context members votes snapshot version target_event_id issues
    question action scope answer granted ttl_ms query filters min_confidence engram_id hits truncated entry merge_key id
    engram neuron rollback rolled_back cancelled compensated node receptor auto_bid _reply_to catch_all glia source
    model tokens cost_micro_usd synapse_hops capability_score
    _v _refs fulfills corrects erases cancels revised_fields goal summary old_kind new_kind""".split()  # noqa: SIM905
)
"""Names of fields at the top of payload, meta and body that the protocols know, which stay whatever an agent is called."""

# Who is named, in the order in which they first appear. The numbers 1 to 3 settle which role a name gets.
NAMES = """
WITH chosen AS (SELECT * FROM signals WHERE $run IS NULL OR run = $run),
     kept AS (SELECT * FROM records WHERE $run IS NULL OR run = $run),
named AS (
    SELECT directed_id AS name, ts, id,
           CASE WHEN type IN ('RECALL', 'RECALLED', 'IMPRINT', 'IMPRINTED') OR payload ->> '$.role' = 'engram' THEN '1 engram'
                WHEN type IN ('TOOL_CALL', 'TOOL_RESULT') OR payload ->> '$.role' = 'effector' THEN '2 effector'
                ELSE '3 neuron' END AS role
    FROM chosen
    UNION ALL SELECT payload ->> '$.engram_id', ts, id, '1 engram' FROM chosen
    UNION ALL SELECT payload ->> '$.node', ts, id, '3 node' FROM chosen WHERE type = 'STOPPED'
    UNION ALL SELECT payload ->> '$.neuron', ts, id, '3 neuron' FROM chosen WHERE type = 'DISCOVER'
    UNION ALL SELECT payload ->> '$.component', ts, id, '3 neuron' FROM chosen WHERE type = 'AUDIT'
    UNION ALL SELECT payload ->> '$.target', ts, id, '3 party' FROM chosen WHERE type = 'ESCALATION'
    UNION ALL SELECT unnest(json_extract_string(payload, '$.members[*]')), ts, id, '3 neuron'
              FROM chosen WHERE type = 'CONSENSUS'
    UNION ALL SELECT unnest(json_keys(payload, '$.votes')), ts, id, '3 neuron' FROM chosen WHERE type = 'CONSENSUS'
    UNION ALL SELECT meta ->> '$.receptor', ts, id, '3 receptor' FROM chosen
    UNION ALL SELECT meta ->> '$._reply_to', ts, id, '3 inbox' FROM chosen
    UNION ALL SELECT extra ->> '$.neuron', ts, id, '3 neuron' FROM chosen
    UNION ALL SELECT neuron_id, NULL, NULL, '3 ' || coalesce(role, 'neuron') FROM registry
    UNION ALL SELECT component, NULL, NULL, '3 neuron' FROM policy_records
    UNION ALL SELECT actor, NULL, printf('%019d', line), '1 actor' FROM kept
    UNION ALL SELECT judged_by, NULL, printf('%019d', line), '1 actor' FROM kept
)
SELECT name, min(role)[3:] AS role FROM named WHERE name IS NOT NULL AND name <> ''
GROUP BY name ORDER BY min(ts) NULLS LAST, min(id) NULLS LAST, name
"""


class Pseudonyms:
    """Replaces names, each by the same pseudonym everywhere; without names it changes nothing.

    A name is replaced in every string and in the keys of inner objects: where it is the whole string, and from three
    characters on also inside longer text, whole words in any case ("ask Coder", "coder_v2", but not "encoder"). Of a name
    with colons, as a DID, the last part counts as a name too. Field names and words of the protocols stay.
    """

    def __init__(self, roles: Mapping[str, str]) -> None:
        counts: Counter[str] = Counter()
        self.names: dict[str, str] = {}
        """Of each name its pseudonym: what leads back to the names, so it is never written to a share."""
        for name, role in roles.items():
            counts[role] += 1
            pseudonym = f"{role}-{counts[role]}"
            self.names[name] = f"did:pseudonym:{pseudonym}" if name.startswith("did:") else pseudonym
        self.counts = dict(counts)
        self._short = {name.rpartition(":")[2]: pseudonym.rpartition(":")[2] for name, pseudonym in self.names.items()}
        found = {name.casefold(): value for name, value in (*self._short.items(), *self.names.items())}
        self._folded = {name: value for name, value in found.items() if len(name) >= WITHIN_TEXT}
        longest_first = sorted(self._folded, key=lambda name: (-len(name), name))
        # A boundary is where no letter or digit joins on: an underscore or a hyphen does not protect a name.
        pattern = "|".join(map(re.escape, longest_first))
        self._within = re.compile(rf"(?<![^\W_])(?:{pattern})(?![^\W_])", re.IGNORECASE) if pattern else None
        self.text = lru_cache(maxsize=100_000)(self._replaced)

    def __bool__(self) -> bool:
        return bool(self.names)

    def _replaced(self, text: str) -> str:
        """Return `text` with pseudonyms for the names in it."""
        if text in self.names:
            return self.names[text]
        if self._within is None:
            return text
        return self._within.sub(lambda match: self._folded.get(match[0].casefold(), "name"), text)

    def value(self, value: Any) -> Any:
        """Return a parsed JSON value with every string and key replaced."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.value(item) for item in value]
        if isinstance(value, dict):
            made: dict[str, Any] = {}
            for key, item in value.items():
                new = self.text(key)
                while new in made:  # two keys that differ in case alone
                    new += "'"
                made[new] = self.value(item)
            return made
        return value

    def fields(self, value: Any) -> Any:
        """Return a payload, body or meta: field names and words of the protocol stay."""
        if not isinstance(value, dict):
            return self.value(value)
        fixed = {
            key: item if key in WORDS and isinstance(item, str) else self.value(item)
            for key, item in value.items()
            if key in FIELDS
        }
        free = self.value({key: item for key, item in value.items() if key not in FIELDS})
        # In the order they came, which is that of the wire; a renamed key goes where it stood.
        rest = iter(free.items())
        return dict((key, fixed[key]) if key in fixed else next(rest) for key in value)


def pseudonyms(store: Store, run: str | None, also: Iterable[str] = ()) -> Pseudonyms:
    """Return pseudonyms for everybody the store names, and for the texts of `also`.

    Named are: who is addressed or answers (`directed.id`), engrams, nodes, components, parties of an escalation, members
    and voters of a consensus, receptors and inboxes of `meta`, the registry, and actors and judges of records. Names
    that only a cut part has are among them, since text can tell of anybody.
    """
    roles: dict[str, str] = dict(store.execute(NAMES, {"run": run}))
    for name in also:
        roles.setdefault(name, "name")
    return Pseudonyms(roles)
