"""Every exception the kit raises on purpose.

    KitError
    ├── SourceError                 a file, stream or object that cannot be read as a capture
    │   └── SourceNotFoundError     (FileNotFoundError) no such file, or a glob that matches nothing
    ├── StoreError                  the DuckDB store
    │   ├── StoreLockedError        another process has the file open
    │   ├── StoreVersionError       the file was written by a newer kit
    │   ├── StoreClosedError        used after close()
    │   ├── StoreFullError          (OSError) the disk is full; nothing was written
    │   └── ConservationError       a load that does not add up; it was rolled back
    ├── RegistryError               a registry store: a foreign file, a missing folder, a refusal of the server
    │   ├── RegistryClosedError     used before connect() or after close()
    │   ├── RegistryTimeoutError    (TimeoutError) the file stays locked, or the server does not answer
    │   └── RegistryConnectionError (ConnectionError) no server, a lost connection, a wrong password
    ├── NotFoundError               (LookupError) no such event, trace, run or data set
    ├── ArgumentError               (ValueError) a call that cannot mean anything
    ├── SignalError                 (ValueError) a Signal that breaks the protocol
    │   └── DendriteProtocolError   a role or type that may not emit this signal
    │       └── TraceLimitExceeded  a Dendrite has sent as much on a trace as its limits let it
    ├── KernelError                 (RuntimeError) the virtual clock was asked for what cannot happen
    │   ├── InterruptError          thrown into a process by another one; `.cause`
    │   └── CrashError              a process was crashed from outside
    ├── RecordingError              (LookupError) a simulation awaits what its recording does not hold
    ├── InvariantError              (AssertionError) something that must hold in a simulation does not
    ├── DivergenceError             (AssertionError) a replayed neuron does something else than the captured one
    ├── PathwayClosedError          (RuntimeError) a trace is over, and whoever waits on it gets nothing more
    ├── EngramError                 a request to a simulated Engram
    │   ├── EngramTimeout           (TimeoutError) no answer within the deadline
    │   ├── EngramCancelled         its trace ended or was stopped first
    │   └── EngramNotBound          (LookupError) a neuron knows no Engram of this name
    ├── EffectorError               a request to a simulated Effector
    │   ├── EffectorTimeout         (TimeoutError) no answer within the deadline
    │   ├── EffectorCancelled       its trace ended or was stopped first
    │   └── EffectorNotBound        (LookupError) a neuron knows no Effector of this name
    ├── UnserialisableError         (ValueError, TypeError) a value that JSON cannot hold
    ├── ClusterError                (RuntimeError) a cluster of peers refused
    ├── TransportError              (OSError) a peer or directory cannot be reached
    ├── ResourceNotFoundError       (FileNotFoundError) no such resource in a peer's catalog
    ├── RegistryNotFoundError       (FileNotFoundError) no such registry entry
    ├── StreamError                 a stream between two peers
    │   ├── StreamDeclined          the producer said no; args[0] is a DeclineReason
    │   ├── StreamUnreachable       the producer is no member, gone, or cut off
    │   ├── StreamProtocolError     what arrived is not what was agreed
    │   ├── StreamEndOfStream       the producer ended it; args[0] is an EndReason
    │   ├── StreamConnectionLost    the producer vanished without a word
    │   └── StreamIdleError         (TimeoutError) nothing more can arrive by itself
    ├── LogError                    (ValueError) a sensor log that breaks the format; says where
    │   ├── SegmentError            a segment file: short header, bad magic, unsupported version
    │   │   └── SegmentExistsError  (FileExistsError) an append that goes back into a segment that is there
    │   ├── PayloadError            an entry whose payload cannot be decoded
    │   ├── ManifestError           a log manifest
    │   └── RegistryEntryError      a registry entry: id, hash or content
    ├── ClockError                  (ValueError) clock samples that cannot be used
    │   ├── NoClockPath             (LookupError) no chain of time transforms between two clocks
    │   └── NoUtcError              no clock of the logs is declared as UTC
    ├── GeometryError               (ValueError) a zero quaternion, axes that are no frame
    │   └── NoFramePath             (LookupError) no chain of poses between two frames
    ├── SyncropelKindError          (ValueError) a kind or scope that breaks the grammar
    ├── SyncropelReadError          (OSError) a server that did not answer a read
    ├── SubscribeError              a live stream that broke off
    ├── InferError                  (RuntimeError) a question that was not taken
    ├── InferTimeoutError           (TimeoutError) a question that was not answered in time
    ├── ClientClosedError           (RuntimeError) a client used after close()
    ├── ViewClosedError             (RuntimeError) a panel, player or view used after close()
    └── MissingExtraError           (ImportError) an optional library is not installed

Where a protocol or a caller expects a built-in exception, the class inherits it too.
"""


class KitError(Exception):
    """Root of all errors raised by the kit; its message says where and what to do."""


class SourceError(KitError):
    """A file, stream or object that cannot be read as a capture."""


class SourceNotFoundError(SourceError, FileNotFoundError):
    """No such file, or a pattern that matches nothing."""


class StoreError(KitError):
    """The DuckDB store refused."""


class StoreLockedError(StoreError):
    """Another process has the store open; the message names it where the system tells."""


class StoreVersionError(StoreError):
    """The store was written by a newer kit, or is no store of the kit."""


class StoreClosedError(StoreError):
    """The store was used after `close()`."""


class StoreFullError(StoreError, OSError):
    """The disk is full; the load was rolled back and can be run again."""


class ConservationError(StoreError):
    """A load whose counts do not add up; it was rolled back."""


class RegistryError(KitError):
    """A registry store refused; nothing of the call was written."""


class RegistryClosedError(RegistryError):
    """A registry store was used before `connect()` or after `close()`."""


class RegistryTimeoutError(RegistryError, TimeoutError):
    """The file of a registry stayed locked by another connection, or its server did not answer in time."""


class RegistryConnectionError(RegistryError, ConnectionError):
    """There is no way to the server of a registry: it is down, the connection was lost, or it lets nobody in."""


class NotFoundError(KitError, LookupError):
    """No such event, trace, run or data set."""


class ArgumentError(KitError, ValueError):
    """A call whose arguments cannot mean anything; the message says what can."""


class SignalError(KitError, ValueError):
    """A Signal that breaks the protocol."""


class DendriteProtocolError(SignalError):
    """A role or type that may not emit this signal (spec/cosmonapse.md 5.11)."""


class TraceLimitExceeded(DendriteProtocolError):
    """A Dendrite has sent as much on a trace as its limits let it (spec/cosmonapse.md 5.11)."""


class KernelError(KitError, RuntimeError):
    """The virtual clock was asked for what cannot happen."""


class InterruptError(KernelError):
    """Thrown into a process by `Process.interrupt`; `cause` is what the caller gave."""

    def __init__(self, cause: object = None) -> None:
        super().__init__(cause)
        self.cause = cause


class CrashError(KernelError):
    """A process was crashed from outside; raised in whoever waits for it."""


class RecordingError(KitError, LookupError):
    """A simulation that runs on a recording awaits an answer of the real world that the recording does not hold."""


class InvariantError(KitError, AssertionError):
    """Something that must hold while a simulation runs does not; the message has the virtual time and the seed.

    `rule` is its name, `at_s` the virtual second, `trace_id` and `signal_id` where it broke, if it is about a signal.
    """

    def __init__(
        self, message: str, *, rule: str, at_s: float, trace_id: str | None = None, signal_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.rule = rule
        self.at_s = at_s
        self.trace_id = trace_id
        self.signal_id = signal_id


class DivergenceError(KitError, AssertionError):
    """A replayed neuron does something else than the captured one; `replay` is the whole result."""

    def __init__(self, message: str, replay: object = None) -> None:
        super().__init__(message)
        self.replay = replay


class PathwayClosedError(KitError, RuntimeError):
    """A trace is over; whoever waits on its Pathway gets nothing more (spec/cosmonapse.md 5.5)."""


class EngramError(KitError):
    """A request to a simulated Engram failed (spec/cosmonapse.md 5.7)."""


class EngramTimeout(EngramError, TimeoutError):
    """No Engram answered within the deadline."""


class EngramCancelled(EngramError):
    """The trace ended or was stopped while the request was open."""


class EngramNotBound(EngramError, LookupError):
    """A neuron knows no Engram of this name."""


class EffectorError(KitError):
    """A request to a simulated Effector failed (spec/cosmonapse.md 5.8)."""


class EffectorTimeout(EffectorError, TimeoutError):
    """No Effector answered within the deadline."""


class EffectorCancelled(EffectorError):
    """The trace ended or was stopped while the call was open."""


class EffectorNotBound(EffectorError, LookupError):
    """A neuron knows no Effector of this name."""


class UnserialisableError(ArgumentError, TypeError):
    """A value that JSON cannot hold; also a TypeError, as the json module raises."""


class ClusterError(KitError, RuntimeError):
    """A cluster of peers refused (spec/auki.md 2.2)."""


class TransportError(KitError, OSError):
    """A peer or a discovery directory cannot be reached."""


class ResourceNotFoundError(KitError, FileNotFoundError):
    """No such resource in a peer's catalog."""


class RegistryNotFoundError(KitError, FileNotFoundError):
    """No such entry in a registry."""


class StreamError(KitError):
    """A stream between two peers did not open, or ended (spec/auki.md 2.4)."""


class StreamDeclined(StreamError):
    """The producer said no; `args[0]` is a `DeclineReason`."""


class StreamUnreachable(StreamError):
    """The producer is no member of the cluster, is gone, or is cut off."""


class StreamProtocolError(StreamError):
    """What arrived is not what the two sides agreed on."""


class StreamEndOfStream(StreamError):
    """The producer ended the stream; `args[0]` is an `EndReason`."""


class StreamConnectionLost(StreamError):
    """The producer vanished without a word."""


class StreamIdleError(StreamError, TimeoutError):
    """Nothing more can arrive by itself; reading may go on after something was appended."""


class LogError(KitError, ValueError):
    """A sensor log that breaks the format (spec/auki.md 3); the message says where."""


class SegmentError(LogError):
    """A segment file that cannot be read: short header, bad magic, unsupported version."""


class SegmentExistsError(SegmentError, FileExistsError):
    """An append that goes back in time, into a segment that is there."""


class PayloadError(LogError):
    """An entry whose payload cannot be decoded, or a value that its codec cannot write."""


class ManifestError(LogError):
    """A log manifest that lacks a key or holds a value that cannot be."""


class RegistryEntryError(LogError):
    """A registry entry with a bad id, content that is not its hash's, or no such entry."""


class ClockError(KitError, ValueError):
    """Clock samples or readings that cannot be used."""


class NoClockPath(ClockError, LookupError):
    """No chain of time transforms joins two clocks; the message names what each reaches."""


class NoUtcError(ClockError):
    """No clock of the logs is declared as UTC, or several are; nothing is guessed."""


class GeometryError(KitError, ValueError):
    """Poses or axes that are no geometry: a zero quaternion, a frame whose axes are not orthogonal."""


class NoFramePath(GeometryError, LookupError):
    """No chain of poses joins two frames; the message names what each reaches."""


class SyncropelKindError(KitError, ValueError):
    """A kind or scope that breaks the grammar `scope.category.entity[.version]` (spec/syncropel.md 5)."""


class SyncropelReadError(KitError, OSError):
    """A server that could not be reached, refused, or answered a read with what is no answer.

    `status` is its HTTP status, None where there was none.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class SubscribeError(KitError):
    """A live stream that broke off (spec/syncropel.md 10).

    `reason` is `client_close`, `server_shutdown`, `lagged`, `transport_error` or `heartbeat_timeout`; `attempt`
    counts the breaks since the last record or heartbeat; `next_retry_s` is the wait before the next connection.
    """

    def __init__(self, reason: str, message: str, attempt: int, next_retry_s: float) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.attempt = attempt
        self.next_retry_s = next_retry_s

    def __repr__(self) -> str:
        return (
            f"SubscribeError(reason={self.reason!r}, message={self.message!r}, "
            f"attempt={self.attempt!r}, next_retry_s={self.next_retry_s!r})"
        )


class InferError(KitError, RuntimeError):
    """A question that the server did not take."""


class InferTimeoutError(KitError, TimeoutError):
    """A question that nobody answered in time."""


class ClientClosedError(KitError, RuntimeError):
    """A client was used after `close()`."""


class ViewClosedError(KitError, RuntimeError):
    """A panel, player or other live view was used after `close()`."""


class ClockMappingWarning(UserWarning):
    """The times of a capture and the clocks of the logs do not fit each other; the message gives the numbers."""


class MissingExtraError(KitError, ImportError):
    """An optional library is missing; the message names the extra to install."""
