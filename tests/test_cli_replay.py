"""`kit replay`: a capture is played into a file or held against a new function, with exit codes a CI can use."""

import json
from pathlib import Path

from commands import ROOT, call

CAPTURE = ROOT / "datasets" / "cosmonapse-small.jsonl"
AGENT = """
async def reporter(input, context):
    return {"report": "another"}

def helper(x):
    return x
"""


def test_a_capture_is_played_into_a_file_and_onto_standard_output(tmp_path: Path) -> None:
    out = tmp_path / "again.jsonl"
    done = call("replay", CAPTURE, "--to", out, "--json")
    told = json.loads(done.stdout)
    assert (told["played"], told["stopped"], told["held_back"]) == (1037, "end", 0)
    assert sorted(out.read_text().splitlines()) == sorted(CAPTURE.read_text().splitlines())
    piped = call("replay", CAPTURE, "--to", "-", "--stop-at", "type = 'ERROR'")
    lines = piped.stdout.splitlines()
    assert lines and not any(json.loads(line)["type"] == "ERROR" for line in lines)
    assert "breakpoint type = 'ERROR'" in piped.stderr
    text = call("replay", CAPTURE, "--trace", "JSXK6", "--rate", "100", "--plot", tmp_path / "t.png")
    assert text.stdout.startswith("player of 8 signals") and (tmp_path / "t.png").stat().st_size > 1000


def test_a_new_function_is_held_against_the_capture(tmp_path: Path) -> None:
    agent = tmp_path / "agent.py"
    agent.write_text(AGENT)
    done = call("replay", CAPTURE, "--neuron", f"{agent}:reporter", "--json", "--plot", tmp_path / "d.png", code=1)
    told = json.loads(done.stdout)
    assert not told["agrees"] and told["neurons"] == ["reporter"]
    assert {row["verdict"] for row in told["traces"]} == {"parts"} and (tmp_path / "d.png").exists()
    same = tmp_path / "same.py"
    same.write_text("async def longrun(input, context):\n    raise ValueError('x')\n")
    text = call("replay", CAPTURE, "--neuron", f"longrun={same}:longrun", code=1)
    assert "longrun fails (NEURON_EXCEPTION: x)" in text.stdout


def test_bad_use_is_said(tmp_path: Path) -> None:
    agent = tmp_path / "agent.py"
    agent.write_text(AGENT)
    for given, words in (
        (["--neuron", "coder"], "give NAME=FILE.py:FUNCTION"),
        (["--neuron", f"coder={agent}:coder"], "it has helper, reporter"),
        (["--neuron", f"tester={agent}:reporter"], "no neuron 'tester' worked"),
        (["--rate", "fast"], "give a number, or max"),
        (["--to", "cosmo://10.1.2.3:7070"], "not on this machine"),
        (["--to", "-", "--json"], "both want standard output"),
    ):
        done = call("replay", CAPTURE, *given, code=2)
        assert words in done.stderr, given
