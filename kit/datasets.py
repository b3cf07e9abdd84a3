"""Data sets that travel with the kit: captures to learn and to test with."""

from pathlib import Path

from kit.errors import NotFoundError

FILES = {
    "cosmonapse-small": "cosmonapse-small.jsonl",
    "syncropel-small": "syncropel-small.jsonl",
    "load-small": "load-small.jsonl.zst",
    "auki-small": "auki-small",
    "mission": "mission",
}
"""Name to file or folder; origin, licence and SHA-256 of each are in the README beside them."""

HERE = Path(__file__).parent


def names() -> tuple[str, ...]:
    """Return the names of the shipped data sets."""
    return tuple(FILES)


def path(name: str) -> Path:
    """Return the path of a shipped data set: a file, or the folder of one that has several.

    `kit.load` takes either. Raises NotFoundError for an unknown name, listing the known ones.
    """
    if name not in FILES:
        raise NotFoundError(f"no data set {name!r}: there are {', '.join(FILES)}")
    for folder in (HERE / "_datasets", HERE.parent / "datasets"):
        file = folder / FILES[name]
        if file.exists():
            return file
    raise NotFoundError(
        f"the data set {name!r} is not installed; reinstall with: pip install --force-reinstall namespace-kit"
    )
