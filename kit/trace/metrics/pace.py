"""Signals per stretch of time."""

import pyarrow as pa

from kit.store.store import Store
from kit.trace.metrics.interval import interval_us

RATES = """
WITH s AS (
    SELECT run, type, epoch_us(ts) // $width * $width AS bucket
    FROM signals
    WHERE canonical AND ts IS NOT NULL AND ($run::VARCHAR IS NULL OR run = $run)
)
SELECT run, make_timestamptz(bucket) AS bucket, type, count(*) AS signals
FROM s
GROUP BY run, bucket, type
ORDER BY run, bucket, type
"""


def rates(store: Store, run: str | None = None, bucket: str = "1 second") -> pa.Table:
    """Return signals per bucket of time and type: `run, bucket, type, signals`.

    `bucket` is the start of a stretch [start, start + width), counted from the epoch, so that buckets of two runs
    fall together; `bucket="1 second"` is any DuckDB interval of fixed length. Empty buckets have no row; signals
    without `ts` are left out. Raises ArgumentError for a width that is no interval or not positive.
    """
    return store.arrow(RATES, {"run": run, "width": interval_us(store, bucket, "bucket")})
