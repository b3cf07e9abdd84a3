"""Registry stores: a live view of every neuron seen on a namespace, in memory, SQLite or PostgreSQL."""

from kit.cosmonapse.registry.base import NeuronRecord, RegistryStore
from kit.cosmonapse.registry.memory import MemoryRegistryStore
from kit.cosmonapse.registry.postgres import PostgresRegistryStore
from kit.cosmonapse.registry.sqlite import SqliteRegistryStore

__all__ = [
    "MemoryRegistryStore",
    "NeuronRecord",
    "PostgresRegistryStore",
    "RegistryStore",
    "SqliteRegistryStore",
]
