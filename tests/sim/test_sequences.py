"""The canonical sequences: as the specification writes them, and as the published package makes them."""

import asyncio
import re
from typing import Any

import pytest
from sequences import SCRIPTS, Line, rollback, run_kit, run_peer, sim_api

from kit.sim import Synapse

PARTS = {
    "start": """
        REGISTER a:neuron p=- t1 {role,capabilities}
        DISCOVER - p=- t2 {}
        REGISTER a:neuron p=- t3 {role,capabilities}
        TASK a p=- t4 {input,finalize}
        AGENT_OUTPUT a p=4 t4 {output}
        FINAL a p=5 t4 {result}
        DEREGISTER a p=- t5 {}""",
    "auction": """
        TASK_OFFER - p=- t1 {input,capabilities,deadline_ms}
        BID a1 p=1 t1 {cost,eta_ms,confidence}
        BID a2 p=1 t1 {cost,eta_ms,confidence}
        TASK_DECLINED a1 p=2 t1 {reason}
        TASK_AWARDED a2 p=3 t1 {input,winning_bid,finalize}
        AGENT_OUTPUT a2 p=X t1 {output}
        FINAL a2 p=6 t1 {result}""",
    "clarification": """
        TASK a p=- t1 {input}
        CLARIFICATION a p=1 t1 {question}
        CLARIFICATION_ANSWER o p=2 t1 {answer}
        TASK a p=2 t1 {input}
        AGENT_OUTPUT a p=4 t1 {output}
        FINAL o p=5 t1 {result}""",
    "permission": """
        TASK a p=- t1 {input}
        RECALL grants p=1 t1 {query,recall_mode,deadline_ms}
        RECALLED grants:keyvalue p=2 t1 {engram_id,hits,truncated}
        PERMISSION a p=1 t1 {action}
        TASK a p=4 t1 {input}
        IMPRINT grants p=5 t1 {op,entry,merge_key}
        IMPRINTED grants:keyvalue p=6 t1 {engram_id,op,id,version,took_ms}
        TOOL_CALL :filesystem p=5 t1 {tool,args,call_id}
        TOOL_RESULT fs:filesystem p=8 t1 {tool,result,call_id}
        AGENT_OUTPUT a p=5 t1 {output}""",
    "retry": """
        TASK a p=- t1 {input}
        STOP - p=- t1 {rollback,reason}
        TASK a p=- t2 {input}
        STOPPED - p=2 t1 {rolled_back,cancelled,compensated,node}
        ERROR a p=3 t2 {code,message,recoverable}
        STOP - p=- t2 {rollback,reason}
        TASK a p=- t3 {input}
        AGENT_OUTPUT a p=7 t3 {output}""",
    "rollback": """
        TASK a p=- t1 {input}
        IMPRINT notes p=1 t1 {op,entry,merge_key}
        IMPRINTED notes:keyvalue p=2 t1 {engram_id,op,id,version,took_ms}
        IMPRINT notes p=1 t1 {op,entry,merge_key}
        IMPRINTED notes:keyvalue p=4 t1 {engram_id,op,id,version,took_ms}
        IMPRINT notes p=1 t1 {op,entry,merge_key}
        IMPRINTED notes:keyvalue p=6 t1 {engram_id,op,id,version,took_ms}
        STOP - p=- t1 {rollback}
        STOPPED - p=8 t1 {rolled_back,cancelled,compensated,node}
        STOPPED - p=8 t1 {rolled_back,cancelled,compensated,node}
        STOPPED - p=8 t1 {rolled_back,cancelled,compensated,node}""",
    "nested": """
        TASK boss p=- t1 {input,finalize}
        TASK leaf p=1 t2 {input,finalize}
        AGENT_OUTPUT leaf p=2 t2 {output}
        FINAL leaf p=3 t2 {result}
        AGENT_OUTPUT boss p=1 t1 {output}
        FINAL boss p=5 t1 {result}
        REGISTER boss:neuron p=- t3 {role,capabilities}
        HEARTBEAT boss p=- t4 {status}
        REGISTER leaf:neuron p=- t5 {role,capabilities}
        HEARTBEAT leaf p=- t6 {status}""",
}
LINE = re.compile(r"(\w+) (\S+) p=(\S+) t(\d+) \{(.*)\}")


def written(text: str) -> list[Line]:
    """Return a sequence of the specification as lines."""
    found: list[Line] = []
    for line in text.strip().splitlines():
        match = LINE.fullmatch(line.strip())
        assert match is not None
        kind, directed, parent, trace, keys = match.groups()
        number = None if parent == "-" else parent if parent == "X" else int(parent)
        found.append((kind, directed, number, int(trace), tuple(keys.split(",")) if keys else ()))
    return found


def without_start(lines: list[Line], name: str) -> list[Line]:
    """Return a sequence from its first signal that is written down: most leave out the REGISTERs of the start."""
    skipped = 0 if name == "start" else next(n for n, line in enumerate(lines) if line[0] != "REGISTER")
    traces = len({line[3] for line in lines[:skipped]})
    return [
        (kind, directed, parent - skipped if isinstance(parent, int) else parent, trace - traces, keys)
        for kind, directed, parent, trace, keys in lines[skipped:]
    ]


@pytest.mark.parametrize("name", SCRIPTS)
def test_cosmonapse_51_the_sequences_of_the_specification_are_made_line_for_line(name: str) -> None:
    assert without_start(run_kit(SCRIPTS[name]), name) == written(PARTS[name])


@pytest.mark.parametrize("name", SCRIPTS)
def test_cosmonapse_51_the_published_package_makes_the_same_sequences(name: str) -> None:
    assert run_kit(SCRIPTS[name]) == run_peer(SCRIPTS[name])


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_sequences_are_the_same_where_agents_sleep_with_asyncio(name: str) -> None:
    async def script(api: Any, bus: Any, sleep: Any) -> None:
        await SCRIPTS[name](api, bus, asyncio.sleep)

    assert run_kit(script) == run_kit(SCRIPTS[name])


def test_cosmonapse_33_every_node_that_worked_says_what_it_stopped() -> None:
    bus = Synapse(seed=7)
    bus.run(rollback(sim_api, bus, bus.sleep))
    acks = [row.payload for row in bus.tape.rows if row.kind == "STOPPED"]
    assert acks == [
        {"rolled_back": True, "cancelled": 0, "compensated": 3, "node": "default"},
        {"rolled_back": True, "cancelled": 1, "compensated": 0, "node": "default"},
        {"rolled_back": True, "cancelled": 0, "compensated": 0, "node": "default"},
    ]


def test_an_awarded_task_is_published_where_the_documents_are_followed() -> None:
    lines = without_start(run_kit(SCRIPTS["auction"], fidelity="spec"), "auction")
    assert [line[0] for line in lines[4:]] == ["TASK_AWARDED", "TASK", "AGENT_OUTPUT", "FINAL"]
    assert [line[2] for line in lines[4:]] == [3, 5, 6, 7]
