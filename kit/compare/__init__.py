"""What differs: two traces by causal position (`traces`), two runs in counts and quantiles (`runs`)."""

from kit.compare import runs, traces

__all__ = ["runs", "traces"]
