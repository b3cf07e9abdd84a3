"""The layering of design.md section 2, read from the syntax trees of `kit/`.

A top-level module or folder imports only from lower layers. The top layer is the surface: its modules may
import each other. Inside a folder, and inside the surface, imports are acyclic. An import inside a function
counts like one at the top. An import under `if TYPE_CHECKING` counts for the layers, since a lower layer must
not know a higher one even by name; it cannot make a cycle at run time, so it does not count for cycles.
"""

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

KIT = Path(__file__).resolve().parents[1] / "kit"
LAYERS = (
    {"errors", "typing", "palette"},
    {"schema", "ids", "kernel", "table", "jsontext", "jsonline"},
    {"cosmonapse", "syncropel", "auki", "store"},
    {"trace", "io", "align"},
    {"sim"},
    {"compare", "crosscheck", "plot", "export", "replay", "scale"},
    {"widgets"},
    {"notebook", "datasets", "cli", "__init__", "__main__"},
)
SURFACE = len(LAYERS) - 1
LAYER = {name: number for number, names in enumerate(LAYERS) for name in names}


class Import(NamedTuple):
    """`module` (dotted, without `kit.`) imports `target` at `line`."""

    module: str
    target: str
    line: int
    typing_only: bool


def modules(kit: Path) -> dict[str, Path]:
    """Return each module's path by its dotted name in `kit`; a folder's `__init__` has the folder's name."""
    found = {}
    for path in sorted(kit.rglob("*.py")):
        parts = path.relative_to(kit).with_suffix("").parts
        if len(parts) > 1 and parts[-1] == "__init__":
            parts = parts[:-1]
        found[".".join(parts)] = path
    return found


def imports(kit: Path) -> list[Import]:
    """Return every import of one module of `kit` by another."""
    known = modules(kit)
    found = []
    for name, path in known.items():
        package = path.relative_to(kit).parent.parts
        tree = ast.parse(path.read_text())
        typing_only = {id(node) for block in _type_checking(tree) for node in ast.walk(block)}
        for node in ast.walk(tree):
            for dotted in _targets(node, package):
                target = _module_of(dotted, known)
                if target != name:
                    found.append(Import(name, target, node.lineno, id(node) in typing_only))
    return found


def _type_checking(tree: ast.AST) -> Iterator[ast.stmt]:
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            yield from node.body


def _targets(node: ast.AST, package: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield what an import statement names inside `kit`, without `kit` itself: `()` is the root."""
    if isinstance(node, ast.Import):
        dotted = [tuple(alias.name.split(".")) for alias in node.names]
        yield from (parts[1:] for parts in dotted if parts[0] == "kit")
    elif isinstance(node, ast.ImportFrom):
        base = tuple(node.module.split(".")) if node.module else ()
        if node.level:
            base = (*package[: len(package) - node.level + 1], *base)
        elif base[:1] == ("kit",):
            base = base[1:]
        else:
            return
        yield from ((*base, alias.name) for alias in node.names)


def _module_of(dotted: tuple[str, ...], known: dict[str, Path]) -> str:
    """Return the longest prefix of `dotted` that is a module; the root is `__init__`."""
    for length in range(len(dotted), 0, -1):
        if (name := ".".join(dotted[:length])) in known:
            return name
    return "__init__"


def wrong_layer(found: Iterable[Import]) -> list[str]:
    """Return a sentence for each import that does not go down."""
    sentences = []
    for module, target, line, _ in found:
        above, below = layer(module), layer(target)
        inside = module.partition(".")[0] == target.partition(".")[0]
        if not (inside or above > below or above == below == SURFACE):
            sentences.append(f"{module}:{line} (layer {above}) imports {target} (layer {below})")
    return sentences


def layer(module: str) -> int:
    """Return the layer of a dotted module; one without a place, which its own test reports, is on top."""
    return LAYER.get(module.partition(".")[0], SURFACE)


def cycle(found: Iterable[Import]) -> list[str]:
    """Return the modules of a ring of imports inside one folder or inside the surface, or nothing."""
    graph: dict[str, set[str]] = {}
    for module, target, _, typing_only in found:
        same_folder = module.partition(".")[0] == target.partition(".")[0]
        if not typing_only and (same_folder or target.partition(".")[0] in LAYERS[SURFACE]):
            graph.setdefault(module, set()).add(target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        ring: list[str] = error.args[1]
        return ring
    return []


@cache
def own_imports() -> list[Import]:
    """Return every import inside the kit."""
    return imports(KIT)


def test_every_module_has_a_layer() -> None:
    assert {name.partition(".")[0] for name in modules(KIT)} - LAYER.keys() == set()


def test_imports_go_to_lower_layers_only() -> None:
    assert wrong_layer(own_imports()) == []


def test_imports_are_acyclic_inside_a_folder() -> None:
    assert cycle(own_imports()) == []


def called(node: ast.Call) -> str:
    """Return the last part of the name that is called, or nothing."""
    return getattr(node.func, "attr", getattr(node.func, "id", ""))


def test_only_the_root_imports_lazily() -> None:
    lazy = [
        f"{name}: {ast.unparse(node)[:60]}"
        for name, path in modules(KIT).items()
        if name != "__init__"
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.Call) and called(node).endswith(("import_module", "__import__")))
        or (isinstance(node, ast.FunctionDef) and node.name == "__getattr__" and node.col_offset == 0)
    ]
    assert lazy == []


@pytest.mark.parametrize(
    ("module", "source", "complaint"),
    [
        ("ids.py", "from kit import store", "imports store (layer 2)"),
        ("ids.py", "def f():\n    import kit.trace.graph", "ids:2 (layer 1) imports trace.graph (layer 3)"),
        ("ids.py", "from kit.schema import arrow", "imports schema (layer 1)"),
        ("ids.py", "from . import kernel", "imports kernel (layer 1)"),
        ("ids.py", "import kit", "imports __init__ (layer 7)"),
        ("cosmonapse/load.py", "from ..syncropel import record", "imports syncropel.record (layer 2)"),
        ("store/load.py", "if TYPE_CHECKING:\n    from kit.trace.graph import T", "trace.graph (layer 3)"),
        ("cosmonapse/load.py", "from kit.errors import KitError\nfrom kit.cosmonapse import wire", ""),
        ("cli.py", "from kit import notebook, trace", ""),
    ],
)
def test_an_upward_import_is_seen(tmp_path: Path, module: str, source: str, complaint: str) -> None:
    for name in ("__init__", "errors", "ids", "schema", "kernel", "store", "notebook", "trace/graph"):
        write(tmp_path / f"{name}.py")
    for name in ("trace/__init__", "cosmonapse/wire", "syncropel/record", "syncropel/__init__"):
        write(tmp_path / f"{name}.py")
    write(tmp_path / module, source)
    complaints = wrong_layer(imports(tmp_path))
    assert len(complaints) == bool(complaint)
    assert complaint in "".join(complaints)


def test_a_ring_is_seen_but_not_one_for_types_only(tmp_path: Path) -> None:
    write(tmp_path / "store/a.py", "from kit.store import b")
    write(tmp_path / "store/b.py", "if TYPE_CHECKING:\n    from .a import A")
    assert cycle(imports(tmp_path)) == []
    write(tmp_path / "store/b.py", "def f():\n    from .a import A")
    assert set(cycle(imports(tmp_path))) == {"store.a", "store.b"}


def write(path: Path, source: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source)
