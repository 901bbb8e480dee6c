"""The columns every resource shares: when it was made and how often it changed."""

import datetime as dt
from typing import Any

import sqlalchemy as sa


def now() -> dt.datetime:
    """The time, naive UTC as the database keeps it."""
    return dt.datetime.now(dt.UTC).replace(tzinfo=None)


def stamp() -> dict[str, Any]:
    """The shared columns of a new row."""
    moment = now()
    return {"created_at": moment, "updated_at": moment, "revision_number": 0, "tags": []}


def update_values(table: sa.Table) -> dict[str, Any]:
    """What every update sets besides its changes."""
    return {"updated_at": now(), "revision_number": table.c.revision_number + 1}
