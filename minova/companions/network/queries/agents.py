"""Network agents: who lives on which host."""

import uuid
from typing import Any

import sqlalchemy as sa

from minova.common import errors as common_errors
from minova.companions.network import errors
from minova.companions.network.queries.standard import now
from minova.companions.network.tables import agents
from minova.db.engine import Database, retried

# Seconds without a report after which an agent counts as dead.
DOWN_AFTER = 30


@retried
def heartbeat(db: Database, host: str) -> None:
    """Note that the agent of `host` lives; its first time adds it."""
    moment = now()
    with db.transaction() as connection:
        known = connection.execute(
            sa.update(agents).where(agents.c.host == host).values(heartbeat_at=moment)
        )
        if known.rowcount:
            return
    try:
        with db.transaction() as connection:
            connection.execute(
                sa.insert(agents).values(
                    host=host, id=str(uuid.uuid4()), created_at=moment, heartbeat_at=moment
                )
            )
    except common_errors.DuplicateEntry:
        pass  # two first reports at once


def alive(row: dict[str, Any]) -> bool:
    """Whether an agent reported lately."""
    silence: float = (now() - row["heartbeat_at"]).total_seconds()
    return silence < DOWN_AFTER


def is_alive(connection: sa.Connection, host: str) -> bool:
    """Whether `host` has an agent that reported lately."""
    row = connection.execute(sa.select(agents).where(agents.c.host == host)).mappings().first()
    return row is not None and alive(dict(row))


@retried
def delete(db: Database, agent_id: str) -> None:
    """Forget an agent; AgentNotFound. One that lives comes back with its next report."""
    with db.transaction() as connection:
        gone = connection.execute(sa.delete(agents).where(agents.c.id == agent_id))
        if not gone.rowcount:
            raise errors.AgentNotFound(id=agent_id)
