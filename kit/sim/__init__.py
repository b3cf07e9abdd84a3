"""Simulated namespaces: agents, memory, tools and a bus in virtual time, repeatable by a seed."""

from kit.sim.arrival import Arrivals, Caller
from kit.sim.axon import Axon, EffectorBinding, EngramBinding
from kit.sim.control import Controller, ControlLog
from kit.sim.dendrite import Dendrite
from kit.sim.determinism import Determinism, check_determinism, rerun
from kit.sim.dispatching import RetryStrategy
from kit.sim.distribution import (
    Distribution,
    constant,
    empirical,
    exponential,
    gamma,
    lognormal,
    pareto,
    uniform,
    weibull,
)
from kit.sim.effector import Effector, ToolOutcome
from kit.sim.engram import Engram, Hit, ImprintReceipt, InMemoryEngram, RecallResult
from kit.sim.envelope import Envelope
from kit.sim.experiment import Experiment, changed
from kit.sim.faults import Fault, Faults
from kit.sim.fit import Calibrated, Calibration, calibrate
from kit.sim.guard import Guard, breaks, guard
from kit.sim.hooks import RefreshEvent
from kit.sim.invariant import shrink, watch
from kit.sim.limits import Limits
from kit.sim.measure import Metric
from kit.sim.model import Behaviour, ModelAxon
from kit.sim.namespace import Namespace
from kit.sim.pathway import Pathway
from kit.sim.recording import Recording
from kit.sim.run import Run, RunReport
from kit.sim.scenario import Memory, Model, Neuron, Scenario, Tools
from kit.sim.shipped import SCENARIOS, scenario
from kit.sim.synapse import Synapse
from kit.sim.what_if import Answer, Effect

__all__ = [
    "SCENARIOS",
    "Answer",
    "Arrivals",
    "Axon",
    "Behaviour",
    "Calibrated",
    "Calibration",
    "Caller",
    "ControlLog",
    "Controller",
    "Dendrite",
    "Determinism",
    "Distribution",
    "Effect",
    "Effector",
    "EffectorBinding",
    "Engram",
    "EngramBinding",
    "Envelope",
    "Experiment",
    "Fault",
    "Faults",
    "Guard",
    "Hit",
    "ImprintReceipt",
    "InMemoryEngram",
    "Limits",
    "Memory",
    "Metric",
    "Model",
    "ModelAxon",
    "Namespace",
    "Neuron",
    "Pathway",
    "RecallResult",
    "Recording",
    "RefreshEvent",
    "RetryStrategy",
    "Run",
    "RunReport",
    "Scenario",
    "Synapse",
    "ToolOutcome",
    "Tools",
    "breaks",
    "calibrate",
    "changed",
    "check_determinism",
    "constant",
    "empirical",
    "exponential",
    "gamma",
    "guard",
    "lognormal",
    "pareto",
    "rerun",
    "scenario",
    "shrink",
    "uniform",
    "watch",
    "weibull",
]
