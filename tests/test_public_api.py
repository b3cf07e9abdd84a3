"""The public names of the kit are a list, documented in docs/api.md.

The page documents a name of the root by a heading, a table row or a list item that starts with it in
backticks: `kit.load(source)` or `kit.Study`. Names below the root, like `kit.plot.timeline`, may stand there
too.
"""

import inspect
import re
import typing
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import kit

API_PAGE = Path(__file__).resolve().parents[1] / "docs" / "api.md"
DOCUMENTED = re.compile(r"^(?:#+|\||[-*]) *`kit\.(\w+)(?=[`(])", re.MULTILINE)


def test_the_public_names_are_sorted_and_exist() -> None:
    assert list(kit.__all__) == sorted(set(kit.__all__))
    assert [name for name in kit.__all__ if not hasattr(kit, name)] == []
    assert set(kit.__all__) <= set(dir(kit))


def test_the_public_names_are_those_of_the_api_page() -> None:
    assert sorted(set(DOCUMENTED.findall(API_PAGE.read_text()))) == list(kit.__all__)


def test_every_public_callable_has_a_docstring() -> None:
    assert sorted(name for name, item in public(kit, "kit") if not inspect.getdoc(item)) == []


def public(module: ModuleType, path: str) -> Iterator[tuple[str, object]]:
    """Yield the callables of `module`, with the methods of our classes, and those of public submodules."""
    for name in module.__all__:
        item = getattr(module, name)
        if isinstance(item, ModuleType) and hasattr(item, "__all__"):
            yield from public(item, f"{path}.{name}")
        elif callable(item) and typing.get_origin(item) is None:  # a type alias holds no docstring
            yield f"{path}.{name}", item
            if inspect.isclass(item):
                yield from ((f"{path}.{name}.{method}", value) for method, value in methods(item))


def methods(item: type) -> Iterator[tuple[str, object]]:
    """Yield what `item` or a base class of ours defines under a public name and can be called or read."""
    for base in item.__mro__:
        if base.__module__.partition(".")[0] != "kit":
            continue
        for name, value in vars(base).items():
            wrapped = value.__func__ if isinstance(value, staticmethod | classmethod) else value
            if not name.startswith("_") and (inspect.isfunction(wrapped) or isinstance(wrapped, property)):
                yield name, wrapped
