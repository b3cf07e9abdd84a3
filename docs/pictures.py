"""Draw the pictures of the README from the shipped capture: `python docs/pictures.py [folder]`, else into docs/img."""

import sys
from pathlib import Path

import kit

TRACE = "6J2ZHA"
"""A planner's trace with two delegated ones."""
DPI = 150


def main(folder: Path) -> None:
    """Write one PNG a picture; the same kit and libraries give the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    study = kit.load(kit.datasets.path("cosmonapse-small"))
    trace = study.trace(TRACE)
    pictures = {
        "trace-dag": trace.plot(),
        "waterfall": trace.waterfall(),
        "directly-follows": kit.plot.dfg(study.dfg_graph()),
        "signals-over-time": kit.plot.rates(study.rates(bucket="2 seconds")),
    }
    for name, figure in pictures.items():
        figure.savefig(folder / f"{name}.png", dpi=DPI, metadata={"Software": "namespace-kit"})
        print(folder / f"{name}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("img"))
