"""The address of a PostgreSQL server, as it may be shown."""

import re

SCHEMES = ("postgresql://", "postgres://")
PASSWORD = re.compile(r"(?<=://)([^/@:?#]*):[^/?#]*(?=@)")
"""User and password before the last `@` of the host part; a password may hold an `@` by mistake."""
QUERY = re.compile(r"([?&](?:password|passfile|sslpassword)=)[^&#]*", re.IGNORECASE)


def is_dsn(text: str) -> bool:
    """Whether `text` is the address of a PostgreSQL server rather than a path."""
    return text.lower().startswith(SCHEMES)


def without_password(dsn: str) -> str:
    """Return the address with `***` for its password: it goes into errors, tables and reports.

    >>> without_password("postgresql://ann:s3cret@host/cosmonapse?password=x&user=b")
    'postgresql://ann:***@host/cosmonapse?password=***&user=b'
    """
    return QUERY.sub(r"\1***", PASSWORD.sub(r"\1:***", dsn))
