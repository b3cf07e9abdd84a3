"""What agents and records say against what sensors show: declarative rules over the three families of a store."""

from kit.crosscheck.check import FINDINGS, crosscheck
from kit.crosscheck.evidence import Evidence, Tolerances
from kit.crosscheck.rule import Finding, Rule
from kit.crosscheck.rules import RULES

__all__ = ["FINDINGS", "RULES", "Evidence", "Finding", "Rule", "Tolerances", "crosscheck"]
