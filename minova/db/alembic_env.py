"""What every service's alembic `env.py` runs.

`migrate` passes the URL in; on the command line alembic reads it from
`-x url=…`.
"""

import sqlalchemy as sa
from alembic import context

_COLLATION = "utf8mb4_bin"


def run(metadata: sa.MetaData) -> None:
    """Migrate the database alembic was asked for, in one transaction."""
    url = context.config.attributes.get("url") or context.get_x_argument(as_dictionary=True)["url"]
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        _prefer_exact_texts(connection)
        context.configure(
            connection=connection,
            target_metadata=metadata,
            render_as_batch=connection.dialect.name == "sqlite",
        )
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


def _prefer_exact_texts(connection: sa.Connection) -> None:
    """Have new tables hold any character, and compare texts by their bytes.

    SQLite and PostgreSQL do so by themselves. On MariaDB it is a default of
    the database that tables take when they are made, so no table says it.
    """
    if connection.dialect.name not in ("mysql", "mariadb"):
        return
    if connection.exec_driver_sql("SELECT @@collation_database").scalar() != _COLLATION:
        connection.exec_driver_sql(f"ALTER DATABASE CHARACTER SET utf8mb4 COLLATE {_COLLATION}")
    connection.commit()
