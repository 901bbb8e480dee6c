"""Reading the end of a guest's console log, which virtlogd turns over at 2 MiB."""

import os
from pathlib import Path


def tail(log: Path, max_bytes: int) -> bytes:
    """The last `max_bytes` of the log and of the file that was turned over before it."""
    newest = _tail_of(log, max_bytes)
    missing = max_bytes - len(newest)
    if missing <= 0:
        return newest
    return _tail_of(log.with_name(f"{log.name}.0"), missing) + newest


def _tail_of(path: Path, max_bytes: int) -> bytes:
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - max_bytes))
            return file.read(max_bytes)
    except FileNotFoundError:
        return b""
