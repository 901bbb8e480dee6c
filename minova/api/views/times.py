"""Times as the compute API writes them: always UTC."""

import datetime as dt


def stamp(time: dt.datetime | None) -> str | None:
    """`2026-11-21T11:15:36Z`."""
    return None if time is None else time.strftime("%Y-%m-%dT%H:%M:%SZ")


def precise(time: dt.datetime | None) -> str | None:
    """`2026-11-21T11:15:36.000000`."""
    return None if time is None else time.strftime("%Y-%m-%dT%H:%M:%S.%f")
