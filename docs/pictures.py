"""Draw the pictures of the README from the shipped captures: `python docs/pictures.py [folder]`, else into docs/img."""

import sys
from pathlib import Path

import pyarrow as pa

import kit

TRACE = "6J2ZHA"
"""A planner's trace with two delegated ones."""
DPI = 150


def marks(mission: kit.Study) -> pa.Table:
    """Return where the robot was at each call of a tool, and at what a tool said and the poses contradict."""
    calls = mission.signals(type="TOOL_CALL").sql("SELECT ts, payload->>'$.tool' AS label, NULL AS note FROM self")
    found = mission.crosscheck(["moving_on_arrival"]).sql(
        "SELECT ts_ns, rule AS label, 'said to have arrived' AS note FROM self"
    )
    robot = {"robot": ("base_link", "world")}
    aligned = (mission.align(calls, robot), mission.align(found, robot, clock="session/sdk_clock"))
    places = "SELECT robot_tx AS tx, robot_ty AS ty, label, note::VARCHAR AS note FROM self"
    return pa.concat_tables([table.sql(places).arrow() for table in aligned])


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
    model = kit.sim.calibrate(kit.load(kit.datasets.path("load-small")))
    answer = model.what_if(load=2.0, remove="worker-3", until="1m", precision=0.3)
    pictures["what-if"] = kit.plot.what_if(answer.table())
    mission = kit.load(kit.datasets.path("mission"))
    pictures["trajectory"] = kit.plot.trajectory(
        mission.pose("base_link", "world", at="world->base_link"), marks(mission)
    )
    for name, figure in pictures.items():
        figure.savefig(folder / f"{name}.png", dpi=DPI, metadata={"Software": "namespace-kit"})
        print(folder / f"{name}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("img"))
