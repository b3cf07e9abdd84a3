"""The protocol's checkable rules, as a table: `RULES`."""

from kit.cosmonapse.rules.address import ADDRESS_RULES
from kit.cosmonapse.rules.answers import ANSWER_RULES
from kit.cosmonapse.rules.auctions import AUCTION_RULES
from kit.cosmonapse.rules.lifecycle import LIFECYCLE_RULES
from kit.cosmonapse.rules.payload import PAYLOAD_RULES
from kit.cosmonapse.rules.registry import REGISTRY_RULES
from kit.cosmonapse.rules.rule import ANSWERS, Rule, Severity
from kit.cosmonapse.rules.structure import STRUCTURE_RULES

RULES: tuple[Rule, ...] = (
    *PAYLOAD_RULES,
    *ADDRESS_RULES,
    *ANSWER_RULES,
    *AUCTION_RULES,
    *LIFECYCLE_RULES,
    *REGISTRY_RULES,
    *STRUCTURE_RULES,
)
"""All rules, in the order of the report."""

__all__ = ["ANSWERS", "RULES", "Rule", "Severity"]
