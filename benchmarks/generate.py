"""A synthetic Cosmonapse capture of any size with a known truth: `generate(path, lines)`, or run as a script.

    python benchmarks/generate.py --lines 1000000 -o benchmarks/data/signals-1M.jsonl --gz --zst --clean

Regular lines come from `workload.py`; a share of them is made odd in every way listed in `irregular.py`.
Beside the capture stands `<path>.truth.json` with what a loader must report.
"""

import argparse
import contextlib
import gzip
import json
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import IO, Any, NamedTuple

if not __package__:  # run as a script: sys.path holds this folder and not its parent
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks import irregular, workload

BATCH = 8192


class Line(NamedTuple):
    """A line without newline. `kind` names an entry of `irregular.KINDS`, or is "" for a regular line."""

    raw: bytes
    kind: str


def generate(
    path: str | Path, lines: int, *, seed: int = 7, bad: float = 0.001, clean: str | Path | None = None
) -> dict[str, Any]:
    """Writes a capture of exactly `lines` lines to `path`, its truth to `<path>.truth.json`, and returns the
    truth.

    The bytes depend on (lines, seed, bad) only. `bad` is the share of odd lines; all kinds take turns, so
    each occurs once `bad * lines` passes their number. `clean` names a second file that gets the regular
    lines only: pandas, polars and pyarrow fail a whole file on one bad line.

    The truth holds `lines bytes rows duplicates reencoded skipped`, `quarantined` by reason, `flags` (on
    rows), `kinds` (how many of each entry of `irregular.KINDS`), `regular`, and `odd_lines`: [line number
    from 1, byte offset from 0, kind] for each odd line. `rows + duplicates + sum(quarantined) + skipped ==
    lines`; `duplicates` includes `reencoded`; a conflict makes two rows with the flag.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    kinds: Counter[str] = Counter()
    odd: list[tuple[int, int, str]] = []
    offset = 0
    with contextlib.ExitStack() as stack:
        out = stack.enter_context(path.open("wb"))
        tidy = stack.enter_context(Path(clean).open("wb")) if clean else None
        batch: list[bytes] = []
        regular: list[bytes] = []
        for number, (raw, kind) in enumerate(_take(lines, _mixed(seed, bad)), start=1):
            batch.append(raw)
            if kind:
                kinds[kind] += 1
                odd.append((number, offset, kind))
            elif tidy:
                regular.append(raw)
            offset += len(raw) + 1
            if len(batch) == BATCH:
                _flush(out, batch)
                _flush(tidy, regular)
        _flush(out, batch)
        _flush(tidy, regular)
    truth = _truth(lines, kinds) | {"bytes": offset, "seed": seed, "odd_lines": odd}
    truth_path(path).write_text(json.dumps(truth, indent=1) + "\n")
    return truth


def truth_path(path: str | Path) -> Path:
    """Where the truth of a generated capture stands."""
    return Path(f"{path}.truth.json")


def compress(path: str | Path, suffix: str) -> Path:
    """Writes `path` again as `.gz` or `.zst` beside it, the same bytes each time; returns the new path."""
    packed = Path(f"{path}{suffix}")
    with Path(path).open("rb") as source, packed.open("wb") as sink:
        if suffix == ".gz":
            with gzip.GzipFile("", "wb", compresslevel=6, fileobj=sink, mtime=0) as stream:
                shutil.copyfileobj(source, stream, 1 << 20)
        else:
            import zstandard

            zstandard.ZstdCompressor(level=3).copy_stream(source, sink)
    return packed


def _take(count: int, lines: Iterator[Line]) -> Iterator[Line]:
    for _, line in zip(range(count), lines, strict=False):
        yield line


def _mixed(seed: int, bad: float) -> Iterator[Line]:
    """Regular lines with odd ones among them, without end. Repeats come up to 400 lines after the first."""
    rng = Random(f"{seed}/irregular")
    turns = _turns(rng)
    source = workload.signals(seed, odd=bad)
    pause = _pause(rng, bad)
    due: list[tuple[int, Line]] = []  # repeats that wait, with the number of regular lines after which they come
    for count, text in enumerate(source):
        while due and due[0][0] <= count:
            yield due.pop(0)[1]
        if pause > 0:
            pause -= 1
            yield Line(text.encode(), "")
            continue
        name = next(turns)
        kind = irregular.KINDS[name]
        if not irregular.fits(kind, text):
            kind, name = irregular.KINDS["key_order"], "key_order"
        changed = Line(kind.change(text, rng), name)
        if kind.replaces:
            yield changed
        else:
            yield Line(text.encode(), "")
            due.append((count + (1 if kind.outcome == "skipped" else rng.randint(1, 400)), changed))
            due.sort(key=lambda item: item[0])
        pause = _pause(rng, bad)


def _pause(rng: Random, bad: float) -> int:
    """How many regular lines come before the next odd one."""
    return int(rng.uniform(0.2, 1.8) / bad) if bad else sys.maxsize


def _turns(rng: Random) -> Iterator[str]:
    names = list(irregular.KINDS)
    while True:
        rng.shuffle(names)
        yield from names


def _truth(lines: int, kinds: Counter[str]) -> dict[str, Any]:
    quarantined: Counter[str] = Counter()
    flags: Counter[str] = Counter()
    outcomes: Counter[str] = Counter()
    for name, count in sorted(kinds.items()):
        kind = irregular.KINDS[name]
        outcomes[kind.outcome] += count
        if kind.outcome == "quarantined":
            quarantined[kind.reason] += count
        elif kind.reason:
            flags[kind.reason] += count * (2 if kind.outcome == "conflict" else 1)
    duplicates = outcomes["duplicate"] + outcomes["reencoded"]
    return {
        "lines": lines,
        "rows": lines - duplicates - outcomes["quarantined"] - outcomes["skipped"],
        "duplicates": duplicates,
        "reencoded": outcomes["reencoded"],
        "quarantined": dict(sorted(quarantined.items())),
        "skipped": outcomes["skipped"],
        "flags": dict(sorted(flags.items())),
        "kinds": dict(sorted(kinds.items())),
        "regular": lines - sum(kinds.values()),
    }


def _flush(out: IO[bytes] | None, batch: list[bytes]) -> None:
    if out and batch:
        out.write(b"\n".join(batch) + b"\n")
        batch.clear()


def main() -> None:
    parser = argparse.ArgumentParser(description="Write a synthetic Cosmonapse capture with a known truth.")
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--bad", type=float, default=0.001, help="share of odd lines")
    parser.add_argument("--gz", action="store_true", help="also write OUTPUT.gz")
    parser.add_argument("--zst", action="store_true", help="also write OUTPUT.zst")
    parser.add_argument("--clean", action="store_true", help="also write the regular lines alone, as *.clean.jsonl")
    args = parser.parse_args()
    clean = args.output.with_suffix(".clean.jsonl") if args.clean else None
    truth = generate(args.output, args.lines, seed=args.seed, bad=args.bad, clean=clean)
    for suffix, wanted in ((".gz", args.gz), (".zst", args.zst)):
        if wanted:
            compress(args.output, suffix)
    shown = {name: value for name, value in truth.items() if name not in ("odd_lines", "kinds")}
    print(json.dumps(shown, indent=1))


if __name__ == "__main__":
    main()
