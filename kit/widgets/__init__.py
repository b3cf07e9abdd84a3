"""Widgets: control panels and views of live objects and tables, each with a static twin that needs no kernel."""
