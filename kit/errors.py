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


class MissingExtraError(KitError, ImportError):
    """An optional library is missing; the message names the extra to install."""
