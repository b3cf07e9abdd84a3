"""A regression test in a line: a neuron does with a capture what was captured."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.errors import DivergenceError
from kit.notebook.replay import Replay
from kit.notebook.study import Study
from kit.replay.counterfactual import Neurons

if TYPE_CHECKING:
    from kit.sim import Axon


def assert_replays(capture: Any, neurons: "Neurons | Callable[..., Any] | Axon", **options: Any) -> Replay:
    """Pass where neurons do with the tasks of a capture what was captured; DivergenceError, an AssertionError, where not.

        def test_the_coder_does_what_it_did() -> None:
            kit.assert_replays("captures/night.jsonl", coder)

    `capture` is a study, or what `kit.load` takes; `neurons` is a function with the name of the neuron, or a mapping of
    names to functions; options as for `study.replay`. The message says where the first trace parts, and why.
    """

    def held(study: Study) -> Replay:
        made = study.replay(neurons, **options)
        if not made.agrees:
            raise DivergenceError(repr(made), made)
        return made

    if isinstance(capture, Study):
        return held(capture)
    with Study() as study:
        study.load(Path(capture) if isinstance(capture, str) else capture)
        return held(study)
