"""What differs: `kit.compare(a, b)` tests two runs, or draws two traces side by side in words.

Called, this module is `compare` of `kit.compare.sides`. In parts: `runs` and `traces` give plain tables, without a test.
"""

import sys
from types import ModuleType
from typing import Any

from kit.compare import runs, traces
from kit.compare.comparison import Comparison, Difference
from kit.compare.difference import TraceDifference
from kit.compare.distance import Distance, wasserstein
from kit.compare.sides import compare, compare_runs

__all__ = [
    "Comparison",
    "Difference",
    "Distance",
    "TraceDifference",
    "compare",
    "compare_runs",
    "runs",
    "traces",
    "wasserstein",
]


class _Callable(ModuleType):
    """A module that is called as its function: `kit.compare(a, b)` beside `kit.compare.runs`."""

    def __call__(self, a: Any, b: Any, **options: Any) -> Comparison | TraceDifference:
        """Return what differs between two runs, or between two traces; see `kit.compare.compare`."""
        return compare(a, b, **options)


sys.modules[__name__].__class__ = _Callable
