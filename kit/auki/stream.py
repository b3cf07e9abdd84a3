"""A stream as its consumer has it: the subscription and its entries (spec/auki.md 6.2).

No thread moves the entries: `next()` asks the source, or lets virtual time go on until something arrives, so that
one thread can hold both ends. When time passes otherwise (`sim.clock.advance`) a producer runs ahead until the queue
is full.
"""

from kit.auki.decision import EndReason
from kit.auki.network import Network, locked
from kit.auki.producer import Producer, StreamEntry
from kit.auki.stream_manifest import StreamManifest
from kit.errors import ClusterError, StreamEndOfStream, StreamIdleError

_POLL_S = 0.01


class _Line:
    """What a subscription and its iterator hold in common: when both are gone, the producer is told."""

    def __init__(self, net: Network, producer: Producer) -> None:
        self.net = net
        self.producer = producer

    def __del__(self) -> None:
        # A lock that somebody holds may not be waited for here: collection can come at any moment.
        self.net.dropped.append(self.producer)
        if self.net.lock.acquire(blocking=False):
            try:
                self.net.sweep_dropped()
            finally:
                self.net.lock.release()


class StreamSubscription:
    """An open stream. `manifest` was fixed when the producer accepted; `entries()` reads it, once."""

    def __init__(self, net: Network, producer: Producer, manifest: StreamManifest) -> None:
        self._line = _Line(net, producer)
        self._manifest = manifest
        self._started = False

    @property
    def manifest(self) -> StreamManifest:
        """What the stream carries."""
        return self._manifest

    def entries(self, *, wait_s: float | None = 0.0) -> "StreamEntries":
        """An iterator of `StreamEntry`; a second call raises `RuntimeError`.

        It ends with exactly one exception: `StreamEndOfStream`, `StreamConnectionLost` or `StreamProtocolError`,
        and with StopIteration from then on. Where nothing can arrive by itself, since no source waits in virtual
        time, it raises `StreamIdleError` and can be asked again; before that it waits up to `wait_s` seconds for
        another thread (None: for ever).
        """
        if self._started:
            raise ClusterError("StreamSubscription.entries() can only be called once")
        self._started = True
        return StreamEntries(self._line, wait_s)

    def close(self) -> None:
        """Tells the producer that nobody reads any more."""
        with locked(self._line.net):
            self._line.producer.stop(StreamEndOfStream(EndReason.session_ended()))


class StreamEntries:
    """The entries of a subscription, in order."""

    def __init__(self, line: _Line, wait_s: float | None) -> None:
        self._line = line
        self._wait_s = wait_s
        self._over = False

    def __iter__(self) -> "StreamEntries":
        return self

    def __next__(self) -> StreamEntry:
        producer, net = self._line.producer, self._line.net
        waits = None if self._wait_s is None else round(self._wait_s / _POLL_S)
        while not self._over:
            end = producer.end  # read first: what was sent before the end comes before it
            if (entry := producer.take()) is not None:
                return entry
            if end is not None:
                self._over = True
                raise end
            if producer.pull() or net.step() or producer.has_news:
                continue
            if waits is not None and waits <= 0:
                raise StreamIdleError(
                    f"nothing more can arrive at virtual time {net.now}: no source waits and no replay runs; append to "
                    "the log, advance sim.clock, or give entries(wait_s=...) to wait for another thread"
                )
            waits = None if waits is None else waits - 1
            with net.changed:
                net.changed.wait(_POLL_S)
        raise StopIteration
