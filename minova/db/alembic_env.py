"""What every service's alembic `env.py` runs.

`migrate` passes the URL in; on the command line alembic reads it from
`-x url=…`.
"""

import sqlalchemy as sa
from alembic import context


def run(metadata: sa.MetaData) -> None:
    """Migrate the database alembic was asked for, in one transaction."""
    url = context.config.attributes.get("url") or context.get_x_argument(as_dictionary=True)["url"]
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=metadata,
            render_as_batch=connection.dialect.name == "sqlite",
        )
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()
