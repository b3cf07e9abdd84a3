"""Traces as tables and graphs: Arrow tables and NetworkX graphs in and out, a `Store` at the bottom.

One noun a module, nothing imported here: only `graph` needs NetworkX, and who asks for a table should not wait for it.
"""

__all__ = ["critical_path", "events", "forest", "graph", "spans", "structure", "traces", "tree"]
