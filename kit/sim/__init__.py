"""Simulated namespaces: agents, memory, tools and a bus in virtual time, repeatable by a seed."""

from kit.sim.axon import Axon, EffectorBinding, EngramBinding
from kit.sim.dendrite import Dendrite
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
from kit.sim.hooks import RefreshEvent
from kit.sim.pathway import Pathway
from kit.sim.synapse import Synapse

__all__ = [
    "Axon",
    "Dendrite",
    "Distribution",
    "Effector",
    "EffectorBinding",
    "Engram",
    "EngramBinding",
    "Envelope",
    "Hit",
    "ImprintReceipt",
    "InMemoryEngram",
    "Pathway",
    "RecallResult",
    "RefreshEvent",
    "RetryStrategy",
    "Synapse",
    "ToolOutcome",
    "constant",
    "empirical",
    "exponential",
    "gamma",
    "lognormal",
    "pareto",
    "uniform",
    "weibull",
]
